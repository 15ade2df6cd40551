/** Files that `quantize` wrote, in llama.cpp: it loads them, and its distributions are ours up to the rounding of its activations. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { encodableDtypes } from "../../src/engine/dtypes/index.ts";
import { quantizeFile } from "../../src/llm/compress/quantize.ts";
import { openModel } from "../../src/llm/model_file.ts";
import { missing, openReal, realGolden, TeacherForced } from "./golden.ts";

/** llama.cpp's own rounding puts it 3e-3 nat from the exact distributions of the Q4_1 file (test/real/likelihood.test.ts). */
const DIVERGENCE = 1.5e-2;

function pythonWithLlama(): string | undefined {
  const python = process.env.EDGEWISE_PYTHON ?? "python3";
  try {
    execFileSync(python, ["-c", "import llama_cpp"], { stdio: "ignore" });
    return python;
  } catch {
    return undefined;
  }
}

const python = pythonWithLlama();
const because =
  missing("smollm2") ??
  (python ? undefined : 'no Python with the package "llama-cpp-python" (set EDGEWISE_PYTHON)');
if (because) console.warn(`skipped: quantized files in llama.cpp: ${because}`);

test.skipIf(because).each(["f16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q4_k", "q6_k"] as const)(
  "smollm2 as %s",
  async (type) => {
    const directory = mkdtempSync(path.join(tmpdir(), "edgewise-quantized-"));
    const [target, dump] = ["model.gguf", "logits"].map((name) => path.join(directory, name));
    try {
      const source = await openReal("smollm2");
      await quantizeFile(source, target, encodableDtypes[type]);
      await source.source.close();
      const [{ prompt, tokens }] = realGolden("smollm2").greedy;
      const ids = [...prompt, ...tokens].slice(0, 65);
      const script = path.join(import.meta.dirname, "llama_logits.py");
      execFileSync(python!, [script, target, dump, ...ids.slice(0, -1).map(String)], { stdio: "ignore" });
      const theirs = new Float32Array(Uint8Array.from(readFileSync(dump)).buffer);
      expect(theirs.every(Number.isFinite)).toBe(true);
      const file = await openModel(target);
      const model = await TeacherForced.open(file, "f32", ids.length);
      const divergences: number[] = [];
      await model.window(ids, (row, ours) => {
        divergences.push(divergence(theirs.subarray(row * ours.length, (row + 1) * ours.length), ours));
      });
      await model.close();
      await file.source.close();
      const mean = divergences.reduce((a, b) => a + b, 0) / divergences.length;
      console.log(
        `smollm2 as ${type}: KL(llama.cpp ‖ ours) ${mean.toExponential(2)} over ${divergences.length} rows`,
      );
      expect(mean).toBeLessThan(DIVERGENCE);
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
);

function divergence(p: Float32Array, q: Float32Array): number {
  const [a, b] = [logNormalizer(p), logNormalizer(q)];
  return p.reduce((sum, logit, i) => sum + Math.exp(logit - a) * (logit - a - (q[i] - b)), 0);
}

function logNormalizer(logits: Float32Array): number {
  const top = logits.reduce((x, y) => Math.max(x, y), -Infinity);
  return top + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - top), 0));
}
