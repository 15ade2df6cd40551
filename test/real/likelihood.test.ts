/** SmolLM2 and Gemma on 2,048 tokens of WikiText-2, teacher-forced, beside transformers (float32) and llama.cpp (the file as it is). */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ModelFile } from "../../src/llm/model_file.ts";
import { digestOf, missing, openReal, realGolden, realNames, TeacherForced, windowsOf } from "./golden.ts";

const MINUTES = 60_000;

for (const name of realNames) {
  const because = missing(name);
  if (because) console.warn(`skipped: ${name}: ${because}`);
}

describe.each(realNames)("%s", (name) => {
  const because = missing(name);
  const golden = realGolden(name);
  let file: ModelFile;
  beforeAll(async () => {
    if (!because) file = await openReal(name);
  });
  afterAll(() => file?.source.close());

  test.skipIf(because)(
    "activations in f32: the likelihood within 1e-4 and the logits within 1e-3 of transformers",
    { timeout: 10 * MINUTES },
    async () => {
      const model = await TeacherForced.open(file, "f32", golden.window);
      const windows = windowsOf(model.tokenizer, golden);
      expect(digestOf(windows)).toBe(golden.tokens_sha256);
      let [nats, worst] = [0, 0];
      const { columns, exact_rows: rows } = golden;
      for (const [index, ids] of windows.entries()) {
        const losses = await model.window(ids, (row, logits) => {
          const at = rows.indexOf(row);
          if (at < 0) return;
          const place = index * rows.length + at;
          columns.forEach((column, i) => {
            const difference = Math.abs(logits[column] - golden.exactLogits[place * columns.length + i]);
            worst = Math.max(worst, difference / golden.exactLargest[place]);
          });
        });
        nats += losses.reduce((a, b) => a + b, 0);
      }
      await model.close();
      const mean = nats / golden.nll.exact.length;
      console.log(
        `${name}, f32 activations: ${mean.toFixed(6)} nat, ` +
          `${(mean - golden.mean_exact).toExponential(1)} from transformers; logits within ${worst.toExponential(1)} of the largest`,
      );
      expect(Math.abs(mean - golden.mean_exact)).toBeLessThanOrEqual(1e-4);
      expect(worst).toBeLessThanOrEqual(1e-3);
    },
  );

  test.skipIf(because)(
    "as shipped: loses no more than llama.cpp, and is within 2e-3 nat of its distributions",
    { timeout: 10 * MINUTES },
    async () => {
      const model = await TeacherForced.open(file, "int8", golden.window);
      const { rows, llamaTop } = golden;
      let [nats, divergence] = [0, 0];
      const windows = windowsOf(model.tokenizer, golden);
      for (const [index, ids] of windows.entries()) {
        const losses = await model.window(ids, (row, logits) => {
          const at = rows.indexOf(row);
          if (at < 0) return;
          const from = (index * rows.length + at) * llamaTop.count;
          divergence += coarseDivergence(
            llamaTop.ids.subarray(from, from + llamaTop.count),
            llamaTop.logp.subarray(from, from + llamaTop.count),
            logits,
          );
        });
        nats += losses.reduce((a, b) => a + b, 0);
      }
      await model.close();
      const increase = nats / golden.nll.exact.length - golden.mean_exact;
      const theirs = golden.mean_llama - golden.mean_exact;
      const mean = divergence / (windows.length * rows.length);
      console.log(
        `${name}, as shipped: +${increase.toFixed(5)} nat, llama.cpp +${theirs.toFixed(5)}; KL(llama.cpp ‖ ours) ${mean.toExponential(2)}`,
      );
      expect(increase).toBeLessThanOrEqual(theirs);
      expect(mean).toBeLessThanOrEqual(2e-3);
    },
  );
});

/** KL divergence over the tokens that are kept and, as one event, all the others. */
function coarseDivergence(ids: Uint32Array, logp: Float32Array, logits: Float32Array): number {
  const top = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const lse = top + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - top), 0));
  let [sum, p, q] = [0, 1, 1];
  ids.forEach((id, i) => {
    const ours = logits[id] - lse;
    sum += Math.exp(logp[i]) * (logp[i] - ours);
    p -= Math.exp(logp[i]);
    q -= Math.exp(ours);
  });
  return p > 1e-12 && q > 1e-12 ? sum + p * Math.log(p / q) : sum;
}
