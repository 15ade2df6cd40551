/** A fresh process needs what the plan says and one constant more, whatever the model. */
import { execFileSync } from "node:child_process";
import path from "node:path";
import { expect, test } from "vitest";
import { cachedModel } from "../shared.ts";
import { goldenDirectory } from "./golden.ts";

/**
 * Node itself, the worker, the wasm's machine code and the JavaScript heap: 65 to 92 MiB were measured, the most with Gemma, whose header
 * alone has 262,144 tokens.
 */
const CONSTANT = 104 * 2 ** 20;

async function measure(mode: string, file: string, rows: number): Promise<void> {
  const script = path.join(import.meta.dirname, "peak_memory.mjs");
  const output = execFileSync(process.execPath, [script, mode, file, String(rows)], { encoding: "utf8" });
  const { planned, peak } = JSON.parse(output) as { planned: number; peak: number };
  const mebibytes = [planned, peak - planned].map((bytes) => (bytes / 2 ** 20).toFixed(1));
  console.log(
    `${mode} ${path.basename(file)}, ${rows} rows: planned ${mebibytes[0]} MiB, ${mebibytes[1]} MiB more`,
  );
  expect(peak).toBeGreaterThan(planned);
  expect(peak - planned).toBeLessThan(CONSTANT);
}

test.each([
  ["generate", "tied", 32],
  ["generate", "untied", 8192],
  ["train", "tied", 32],
  ["train", "tied", 16384],
  ["train", "untied", 65536],
])("%s %s, %i rows", (mode, model, rows) => measure(mode, path.join(goldenDirectory, `${model}.gguf`), rows));

for (const name of ["SmolLM2-135M-Instruct.Q4_1.gguf", "gemma-3-270m-q4_k_m.gguf"]) {
  const model = cachedModel(name);
  test.skipIf(model === undefined)(`generate ${name} (needs the model cache)`, () =>
    measure("generate", model!, 128),
  );
}
