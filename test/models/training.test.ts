/** Training over frozen weights of every type, on threads, and of several adapters at once. */
import { describe, expect, test } from "vitest";
import { loadWeights } from "../../src/llm/models/load.ts";
import { Scorer } from "../../src/llm/score.ts";
import type { Example } from "../../src/llm/train/example.ts";
import type { Trainer } from "../../src/llm/train/trainer.ts";
import {
  CONTEXT,
  examplesOf,
  fillBank,
  type GoldenRun,
  openGolden,
  openGoldenTrainer,
  projectionDeviation,
  SLOTS,
  specOf,
  within,
} from "./golden.ts";

const RATE = 0.01;

describe.each(["f16", "q8_0", "q4_0"] as const)("adapters over frozen %s weights", (type) => {
  test("loss and every gradient agree with PyTorch over the dequantized weights", async () => {
    const golden = await openGolden("tied");
    const trainer = await openGoldenTrainer(golden, "all", { type });
    expect(trainer.engine.place("model.layers.0.mlp.down_proj.weight").value.dtype).toMatch(type);
    let loss = 0;
    for (const [index, examples] of examplesOf(golden, 0).entries())
      loss += (await trainer.accumulate(examples, index)).loss;
    within(`${type} loss`, Math.abs(loss / golden.facts.quantized![type] - 1), 1e-4);
    const get = (name: string) => trainer.engine.f32(`gradient.${name}`);
    const key = `${type}.projections.gradients`;
    within(`${type} gradients`, projectionDeviation(golden, key, trainer.parameters, get), 1e-4);
  });
});

/** Losses of some steps and the parameters after them. */
async function train(trainer: Trainer, batches: (step: number) => Example[][], steps = 3) {
  const losses: number[] = [];
  for (let step = 0; step < steps; step++)
    losses.push((await trainer.update(batches(step), RATE * (step + 1))).loss);
  const parameters = trainer.parameters.map((name) => trainer.engine.f32(name).slice());
  await trainer.close();
  return { losses, parameters };
}

describe("one and two threads train to the same bits", () => {
  test.each([
    ["full", "file"],
    ["all", "file"],
    ["all", "q8_0"],
    ["all", "q4_0"],
  ] as const)("%s, %s weights", async (run, type) => {
    const golden = await openGolden("tied");
    const one = async (threads: number, inProcess: boolean) =>
      train(await openGoldenTrainer(golden, run as GoldenRun, { type, threads, inProcess }), (step) =>
        examplesOf(golden, step),
      );
    const alone = await one(1, true);
    expect(alone.losses.every(Number.isFinite)).toBe(true);
    expect(await one(1, false)).toEqual(alone);
    expect(await one(2, false)).toEqual(alone);
  });
});

describe("several users in one batch", () => {
  test("are scored as they are one by one, to the bit", async () => {
    const golden = await openGolden("tied");
    for (const type of ["file", "q4_0"] as const) {
      const model = specOf(golden, "all", type);
      const scorer = await Scorer.open({ model, context: CONTEXT, ...SLOTS, inProcess: true });
      await loadWeights(scorer.engine, golden.file.config, golden.file.gguf);
      fillBank(scorer.engine, golden, model.bank!);
      const tokens = [3, 17, 31, 5, 22, 8];
      const requests = [
        { tokens, from: 1, adapter: 0, scale: 2 },
        { tokens, from: 3, adapter: 1, scale: 0.5 },
        { tokens, from: 1 },
        { tokens: [...tokens, 39, 1, 4], from: 2, adapter: 1, scale: 1 },
      ];
      const together = await scorer.continuations(requests);
      const apart = [];
      for (const request of requests) apart.push(...(await scorer.continuations([request])));
      expect(together).toEqual(apart);
      expect(new Set(together).size).toBe(requests.length);
    }
  });

  test("learn side by side what they learn alone, to the bit", async () => {
    const golden = await openGolden("untied");
    const example = (adapter: number): Example => {
      const { tokens } = golden.facts.batches[adapter][1][1];
      const weights = tokens.map((_, i) => (i === 0 ? 0 : 1 / (tokens.length - 1)));
      return { tokens, weights, adapter, scale: golden.facts.scales[adapter] };
    };
    const run = async (adapters: readonly number[]) =>
      train(await openGoldenTrainer(golden, "all", { sideBySide: true }), () => [adapters.map(example)]);
    const [both, first, second] = [await run([0, 1]), await run([0]), await run([1])];
    both.parameters.forEach((values, i) => {
      const half = values.length / 2;
      expect(values.subarray(0, half)).toEqual(first.parameters[i].subarray(0, half));
      expect(values.subarray(half)).toEqual(second.parameters[i].subarray(half));
    });
    expect(both.parameters).not.toEqual(first.parameters);
  });
});
