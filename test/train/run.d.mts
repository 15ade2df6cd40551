import type { Dtype } from "../../src/engine/graph/graph.ts";
import type { ModelConfig, WeightSpec } from "../../src/llm/models/config.ts";
import type { Example, TrainerSetup } from "../../src/llm/train/trainer.ts";

export function setupOf(config: ModelConfig, dtype: (spec: WeightSpec) => Dtype): TrainerSetup;
export const options: { schedule: { type: string; warmupSteps: number }; seed: number };
export function learningRate(step: number): number;
export function batchOf(seen: number, vocabulary: number): Example[];
