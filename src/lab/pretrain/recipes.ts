/** How the models in the box are made: everything that decides their weights, apart from the code. */
import { cos } from "../../engine/math.ts";
import type { ModelConfig } from "../../llm/models/config.ts";

export interface Recipe {
  readonly name: string;
  readonly model: ModelConfig;
  readonly seed: number;
  /** Groups of the mix from which the vocabulary is learned. */
  readonly vocabularyGroups: number;
  /** Rows of a step: sequences are packed until the next would not fit. */
  readonly rows: number;
  readonly steps: number;
  readonly learningRate: number;
  readonly warmupSteps: number;
  readonly beta2: number;
  readonly weightDecay: number;
  readonly maxGradNorm: number;
}

const shared = {
  architecture: "llama",
  vocabulary: 1536,
  context: 384,
  ropeBase: 10000,
  eps: 1e-5,
  tied: true,
} as const;

function recipe(name: string, model: ModelConfig, steps: number, learningRate: number): Recipe {
  return {
    name,
    model,
    seed: 1,
    vocabularyGroups: 4000,
    rows: 2304,
    steps,
    learningRate,
    warmupSteps: 100,
    beta2: 0.98,
    weightDecay: 0.05,
    maxGradNorm: 1,
  };
}

/** Learning rate of step 1, 2, …: linear warm-up, then half a cosine from its last step to 0 at the step after the run's last. */
export function learningRateOf({ learningRate, warmupSteps, steps }: Recipe, step: number): number {
  if (step <= warmupSteps) return (learningRate * step) / warmupSteps;
  const left = (steps + 1 - step) / (steps + 1 - warmupSteps);
  return learningRate * ((1 + cos(Math.PI * (1 - left))) / 2);
}

export const recipes: Readonly<Record<string, Recipe>> = {
  m: recipe(
    "edgewise-m",
    { ...shared, layers: 4, channels: 128, heads: 4, kvHeads: 4, headSize: 32, feedForward: 304 },
    3999,
    3e-3,
  ),
  s: recipe(
    "edgewise-s",
    { ...shared, layers: 3, channels: 64, heads: 4, kvHeads: 4, headSize: 16, feedForward: 160 },
    4999,
    4e-3,
  ),
};
