/** What is predicted of a process holds for fresh ones: a slice of `npm run bench:memory`, which runs each use twenty times. */
import { execFileSync } from "node:child_process";
import path from "node:path";
import { expect, test } from "vitest";
import type { Job, Peak } from "../../bench/memory_process.ts";
import { asset, packageRoot } from "../../src/engine/host/assets.ts";
import { nodeConstants } from "../../src/llm/memory/node_constants.ts";
import { cachedModel } from "../shared.ts";

/** Constants were measured there, for these versions. */
const measured =
  process.platform === "linux" &&
  process.arch === "x64" &&
  Number.parseInt(process.versions.node, 10) in nodeConstants;
const ERROR_MAX = 0.1;

function run(job: Job): Peak {
  const args = [asset("bench/memory_process.js"), JSON.stringify(job)];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" }));
}

function check(model: string, mode: Job["mode"], library = false): void {
  const job = { mode, model, context: 256, threads: 1, library };
  const { predicted } = run({ ...job, mode: mode === "train" || mode === "score" ? mode : "generate" });
  const { plan, peak } = run({ ...job, limit: predicted.total });
  const mebibytes = [plan, predicted.total, peak].map((bytes) => (bytes / 2 ** 20).toFixed(1));
  console.log(`${mode} ${path.basename(model)}: plan, predicted, peak MiB: ${mebibytes.join(", ")}`);
  expect(peak).toBeLessThanOrEqual(predicted.total);
  expect(predicted.total / peak - 1).toBeLessThan(ERROR_MAX);
}

const box = (name: string) => path.join(packageRoot(), "models", `edgewise-${name}.gguf`);

test.skipIf(!measured).each([
  ["generate", "s"],
  ["score", "m"],
  ["train", "m"],
] as const)("%s with edgewise-%s", (mode, name) => check(box(name), mode), 120_000);

test.skipIf(!measured)(
  "a program that leaves its heap as it is",
  () => check(box("m"), "train", true),
  120_000,
);

for (const name of ["SmolLM2-135M-Instruct.Q4_1.gguf", "gemma-3-270m-q4_k_m.gguf"]) {
  const model = cachedModel(name);
  test.skipIf(!measured || model === undefined)(
    `generate with ${name} (needs the model cache)`,
    () => check(model!, "generate"),
    120_000,
  );
}

test("what a limit does not allow is refused before it is allocated", () => {
  const job = { mode: "generate", model: box("s"), context: 256, threads: 1 } as const;
  const { predicted } = run(job);
  expect(() => run({ ...job, limit: predicted.total - 1 })).toThrow(/process: needs .* but the limit is/);
});
