/** Pre-trains a model in the box from nothing but a recipe: vocabulary, weights, loss curve. */
import { initializeModel } from "../../llm/train/initialize.ts";
import { defaultAdamW, Trainer } from "../../llm/train/trainer.ts";
import { learningRateOf, type Recipe } from "./recipes.ts";
import type { MixStream } from "./stream.ts";

export interface CurvePoint {
  readonly step: number;
  /** Tokens that the model has been trained on. */
  readonly tokens: number;
  /** Mean loss since the last point, in nats per unit of weight. */
  readonly loss: number;
  readonly learningRate: number;
}

export interface PretrainOptions {
  /** Tokens of the steps that are done already. */
  readonly tokens?: number;
  readonly signal?: AbortSignal;
  /** Called after every step. */
  onStep?(step: number, tokens: number, loss: number): void;
  /** Called with every point of the loss curve; what it returns is awaited. */
  onPoint?(point: CurvePoint, trainer: Trainer, stream: MixStream): Promise<void>;
}

const STEPS_PER_POINT = 50;
const SEQUENCES_MAX = 256;

/** A trainer for the recipe, with initial weights. */
export async function openPretraining(recipe: Recipe, threads: number): Promise<Trainer> {
  const { model, rows, beta2, weightDecay, maxGradNorm, seed } = recipe;
  const trainer = await Trainer.open({
    model: { config: model, dtype: () => "f32" },
    options: {
      ...defaultAdamW,
      beta2,
      weightDecay,
      maxNorm: maxGradNorm,
      context: model.context,
      full: true,
    },
    rows,
    sequences: SEQUENCES_MAX,
    threads,
  });
  initializeModel(trainer.engine, model, seed);
  return trainer;
}

/** Trains until the recipe's last step; goes on from where trainer and stream stand. */
export async function pretrain(
  recipe: Recipe,
  trainer: Trainer,
  stream: MixStream,
  options: PretrainOptions,
): Promise<void> {
  let { tokens = 0 } = options;
  let [sum, count] = [0, 0];
  while (trainer.step < recipe.steps) {
    const examples = stream.next(recipe.rows);
    const learningRate = learningRateOf(recipe, trainer.step + 1);
    const { loss, rows } = await trainer.update([examples], learningRate, options.signal);
    tokens += rows;
    sum += loss;
    count++;
    options.onStep?.(trainer.step, tokens, loss);
    if (trainer.step % STEPS_PER_POINT) continue;
    await options.onPoint?.({ step: trainer.step, tokens, loss: sum / count, learningRate }, trainer, stream);
    [sum, count] = [0, 0];
  }
}
