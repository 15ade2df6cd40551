import type { DtypeName } from "../../src/engine/graph/graph.ts";
import { compile, type Program } from "../../src/engine/plan/program.ts";
import { type ModelConfig, roles, type WeightSpec } from "../../src/llm/models/config.ts";
import { generateGraph, scoreGraph, trainGraph } from "../../src/llm/models/graphs.ts";
import { defaultAdamW } from "../../src/llm/train/trainer.ts";

export const config: ModelConfig = {
  architecture: "llama",
  layers: 1,
  channels: 32,
  heads: 4,
  kvHeads: 2,
  headSize: 8,
  feedForward: 64,
  vocabulary: 48,
  context: 24,
  ropeBase: 10000,
  eps: 1e-5,
  tied: true,
};

const slots = { rows: 16, sequences: 3, outputs: 5 };
const in8 = ({ role }: WeightSpec): DtypeName => (role === "norm" ? "f32" : "q8_0_r8");
const in32 = ({ role }: WeightSpec): DtypeName => (role === "norm" ? "f32" : "f32_r16");

export function generation(): Program {
  const graph = generateGraph({ config, dtype: in8 }, { context: config.context, caches: 1 });
  return compile({ generate: graph }, { slots: { ...slots, sequences: 1, outputs: 1 }, threads: 1 });
}

/** Programs of every mode, by name. */
export function llamaPlans(): [string, Program][] {
  const deep = { ...config, layers: 3 };
  const { context } = config;
  const bank = { rank: 4, roles, adapters: 2 };
  const training = { ...defaultAdamW, context, maxNorm: 1 };
  const score = scoreGraph({ config: deep, dtype: in32, bank }, { context });
  const adapters = trainGraph({ config: deep, dtype: in8, bank }, { ...training, full: false });
  const full = trainGraph({ config: deep, dtype: in32 }, { ...training, full: true });
  const wide = { slots: { ...slots, outputs: slots.rows }, threads: 1 };
  return [
    ["generate", generation()],
    ["score", compile({ score }, { slots, threads: 1 })],
    ["train adapters", compile({ train: adapters }, wide)],
    ["train every weight", compile({ train: full }, wide)],
  ];
}
