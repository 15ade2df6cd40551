/** Tiny random models: logits, every gradient and ten losses of training beside PyTorch, in f32 and in the f64 reference. */
import { describe, test } from "vitest";
import { writeBatch } from "../../src/llm/batch.ts";
import { loadWeights } from "../../src/llm/models/load.ts";
import { Scorer } from "../../src/llm/score.ts";
import type { Trainer } from "../../src/llm/train/trainer.ts";
import {
  CONTEXT,
  deviation,
  examplesOf,
  fillBank,
  type Golden,
  type GoldenRun,
  goldenRuns,
  openGoldenTrainer,
  projectionDeviation,
  SLOTS,
  specOf,
  within,
} from "./golden.ts";
import { ReferenceTrainer } from "./reference.ts";

/** The engine computes in f32, in another order than PyTorch's kernels. */
const F32 = 1e-4;
const LOGITS = 1e-5;
const F64 = 1e-9;

/** The same training in f64, from the same start. */
async function referenceOf(golden: Golden, run: GoldenRun, trainer: Trainer): Promise<ReferenceTrainer> {
  const dense = await openGoldenTrainer(golden, "full"); // its weights are row-major
  const options = { ...golden.facts.adamw, context: CONTEXT, full: run === "full" };
  const owners = [trainer, dense];
  return new ReferenceTrainer(specOf(golden, run), options, (name) =>
    owners.find(({ parameters }) => parameters.includes(name))?.engine.f32(name),
  );
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

/** Tests of one golden model. */
export function besidePyTorch(model: string, open: () => Promise<Golden>): void {
  describe.each(goldenRuns)(`${model}, training %s`, (run) => {
    test("logits", async () => {
      const golden = await open();
      within(
        `${model} ${run} logits`,
        deviation(await logitsOf(golden, run), golden.tensor(`${run}.logits`)),
        LOGITS,
      );
    });

    test("every gradient of two micro-batches, in f32 and in the f64 reference", async () => {
      const golden = await open();
      const trainer = await openGoldenTrainer(golden, run);
      const double = await referenceOf(golden, run, trainer);
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
      const golden = await open();
      const { losses, norms } = golden.facts.runs[run];
      const trainer = await openGoldenTrainer(golden, run);
      const double = await referenceOf(golden, run, trainer);
      const found: number[][] = [[], [], []];
      for (let step = 0; step < 10; step++) {
        const rate = golden.facts.learningRates[step];
        let [single, sum, weight] = [0, 0, 0];
        for (const [index, examples] of examplesOf(golden, step).entries()) {
          const micro = await trainer.accumulate(examples, index);
          single += micro.loss;
          weight += micro.weight;
          sum += double.accumulate(trainer.engine, micro);
        }
        double.apply(rate);
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
}
