/** A fresh process needs what the plan says and one constant more, whatever the model. */
import { execFileSync } from "node:child_process";
import path from "node:path";
import { expect, test } from "vitest";
import { goldenDirectory } from "./golden.ts";

/** Node itself, the wasm's machine code and the JavaScript heap: 63 to 73 MiB were measured. */
const CONSTANT = 96 * 2 ** 20;

test.each([
  ["generate", "tied", 32],
  ["generate", "untied", 8192],
  ["train", "tied", 32],
  ["train", "tied", 16384],
  ["train", "untied", 65536],
])("%s %s, %i rows", (mode, model, rows) => {
  const script = path.join(import.meta.dirname, "peak_memory.mjs");
  const file = path.join(goldenDirectory, `${model}.gguf`);
  const output = execFileSync(process.execPath, [script, mode, file, String(rows)], { encoding: "utf8" });
  const { planned, peak } = JSON.parse(output) as { planned: number; peak: number };
  const mebibytes = [planned, peak - planned].map((bytes) => (bytes / 2 ** 20).toFixed(1));
  console.log(`${mode} ${model}, ${rows} rows: planned ${mebibytes[0]} MiB, ${mebibytes[1]} MiB more`);
  expect(peak).toBeGreaterThan(planned);
  expect(peak - planned).toBeLessThan(CONSTANT);
});
