/** Tiny random Llamas: logits, every gradient and ten losses of training beside PyTorch, in f32 and in the f64 reference. */
import { describe, expect, test } from "vitest";
import { writeBatch } from "../../src/llm/batch.ts";
import { loadWeights, type WeightType } from "../../src/llm/models/load.ts";
import { Scorer } from "../../src/llm/score.ts";
import { learningRateAt } from "../../src/llm/train/schedule.ts";
import { Trainer } from "../../src/llm/train/trainer.ts";
import { noise } from "../cases.ts";
import {
  CONTEXT,
  deviation,
  examplesOf,
  fillBank,
  type Golden,
  type GoldenRun,
  goldenModels,
  goldenRuns,
  largestOf,
  openGolden,
  specOf,
} from "./golden.ts";
import { ReferenceTrainer } from "./reference.ts";

const SLOTS = { rows: 40, sequences: 4 };
/** The engine computes in f32, in another order than PyTorch's kernels. */
const F32 = 1e-4;
const F64 = 1e-9;
const all = goldenModels.flatMap((model) => goldenRuns.map((run) => [model, run] as const));

async function openTrainer(golden: Golden, run: GoldenRun, type: WeightType = "file", threads = 1) {
  const options = { ...golden.facts.adamw, context: CONTEXT, full: run === "full" };
  const model = specOf(golden, run, type);
  const trainer = await Trainer.open({ model, options, ...SLOTS, threads, inProcess: threads === 1 });
  await loadWeights(trainer.engine, golden.file.config, golden.file.gguf);
  if (model.bank) fillBank(trainer.engine, golden, model.bank);
  const reference = () =>
    new ReferenceTrainer(model, options, (name) =>
      name.startsWith("adapter.") ? trainer.engine.f32(name) : dense.get(name),
    );
  const dense = await denseWeights(golden);
  return { trainer, reference };
}

/** Weights by name, row-major: a program that trains them all has them so. */
async function denseWeights(golden: Golden): Promise<Map<string, Float32Array>> {
  const options = { ...golden.facts.adamw, context: CONTEXT, full: true };
  const trainer = await Trainer.open({ model: specOf(golden, "full"), options, ...SLOTS, inProcess: true });
  await loadWeights(trainer.engine, golden.file.config, golden.file.gguf);
  return new Map(trainer.parameters.map((name) => [name, trainer.engine.f32(name).slice()]));
}

/** Logits of every row of the first micro-batch. */
async function logitsOf(golden: Golden, run: GoldenRun): Promise<Float32Array> {
  const spec = specOf(golden, run);
  const scorer = await Scorer.open({ model: spec, context: CONTEXT, ...SLOTS, outputs: 40, inProcess: true });
  const { engine } = scorer;
  await loadWeights(engine, golden.file.config, golden.file.gguf);
  if (spec.bank) fillBank(engine, golden, spec.bank);
  const sizes = writeBatch(
    engine,
    examplesOf(golden, 0)[0].map((example) => ({
      ...example,
      tokens: Array.from(example.tokens).slice(0, -1),
    })),
  );
  engine.u32("output_row").set(Array.from({ length: sizes.rows }, (_, row) => row));
  await engine.run("score", "all", { ...sizes, outputs: sizes.rows });
  return engine.f32("logits").slice(0, sizes.rows * golden.file.config.vocabulary);
}

/** Four sums Σ value·noise. */
function projections(values: ArrayLike<number>): number[] {
  return [0, 1, 2, 3].map((seed) => {
    const weight = noise(seed);
    return Array.from(values).reduce((sum, value, i) => sum + value * weight(i), 0);
  });
}

/** Largest |projection − golden| over the largest element, over all tensors. */
function projectionDeviation(
  golden: Golden,
  key: string,
  names: readonly string[],
  get: (name: string) => ArrayLike<number>,
): number {
  const wanted = golden.tensor(key);
  const deviations = [...names].sort().map((name, i) => {
    const values = get(name);
    const errors = projections(values).map((sum, j) => Math.abs(sum - wanted[4 * i + j]));
    return Math.max(...errors) / largestOf(values);
  });
  return Math.max(...deviations);
}

/** Reported with every run: how close it is, beside the limit. */
function within(what: string, found: number, limit: number) {
  console.log(`${what}: ${found.toExponential(1)} (limit ${limit})`);
  expect(found, what).toBeLessThanOrEqual(limit);
}

describe.each(all)("%s, training %s", (model, run) => {
  test("logits", async () => {
    const golden = await openGolden(model);
    within(
      `${model} ${run} logits`,
      deviation(await logitsOf(golden, run), golden.tensor(`${run}.logits`)),
      F32,
    );
  });

  test("every gradient of two micro-batches, in f32 and in the f64 reference", async () => {
    const golden = await openGolden(model);
    const { trainer, reference } = await openTrainer(golden, run);
    const double = reference();
    for (const [index, examples] of examplesOf(golden, 0).entries()) {
      const sizes = await trainer.accumulate(examples, index);
      double.accumulate(trainer.engine, sizes);
    }
    const worst = trainer.parameters.map((name) =>
      deviation(trainer.engine.f32(`gradient.${name}`), golden.tensor(`${run}.gradient.${name}`)),
    );
    within(`${model} ${run} gradients`, Math.max(...worst), F32);
    const get = (name: string) => double.get(`gradient.${name}`);
    within(
      `${model} ${run} gradients, f64 reference`,
      projectionDeviation(golden, `${run}.projections.gradients`, trainer.parameters, get),
      F64,
    );
  });

  test("ten steps of training, in f32 and in the f64 reference", async () => {
    const golden = await openGolden(model);
    const { losses, norms } = golden.facts.runs[run];
    const { trainer, reference } = await openTrainer(golden, run);
    const double = reference();
    const found: number[][] = [[], [], []];
    for (let step = 0; step < 10; step++) {
      const rate = learningRateAt(step + 1, golden.facts.schedule);
      expect(rate).toBeCloseTo(golden.facts.learningRates[step], 15);
      let [single, sum, weight] = [0, 0, 0];
      for (const [index, examples] of examplesOf(golden, step).entries()) {
        const micro = await trainer.accumulate(examples, index);
        single += micro.loss;
        weight += micro.weight;
        sum += double.accumulate(trainer.engine, micro);
      }
      double.apply(golden.facts.learningRates[step]);
      found[0].push(single / weight);
      found[1].push(await trainer.apply(rate));
      found[2].push(sum / weight);
    }
    within(`${model} ${run} losses`, deviation(found[0], losses), F32);
    within(`${model} ${run} norms`, deviation(found[1], norms), 10 * F32);
    within(`${model} ${run} losses, f64 reference`, deviation(found[2], losses), F64);
    within(
      `${model} ${run} parameters after ten steps, f64 reference`,
      projectionDeviation(golden, `${run}.projections.parameters`, trainer.parameters, (name) =>
        double.get(name),
      ),
      F64,
    );
  });
});
