/** What a model family is, and the list of them: who loads, saves, trains or explains a model asks here, by its architecture. */
import type { Value } from "../../engine/graph/graph.ts";
import type { ModelConfig, Role, WeightSpec } from "./config.ts";
import { llama } from "./llama.ts";

/** How the layers are wired to the outside: where weights come from, what attends, what adapts. */
export interface Wiring {
  readonly token: Value;
  readonly position: Value;
  readonly rotary: Value;
  weight(spec: WeightSpec): Value;
  attend(layer: number, q: Value, k: Value, v: Value): Value;
  /** What an adapter makes of y = x·Wᵀ. */
  adapt(role: Role, layer: number, x: Value, y: Value): Value;
}

export interface Family {
  /** Every weight of the model, in the order of use. */
  weights(config: ModelConfig): WeightSpec[];
  /** Hidden states (T, C) after the last norm. */
  hidden(config: ModelConfig, wiring: Wiring): Value;
  /** Logits (O, V) of hidden rows (O, C). */
  head(config: ModelConfig, hidden: Value, weight: Wiring["weight"]): Value;
  /** For a weight whose rows stand in another order in GGUF: the row of the file that holds a row, within its head. undefined: as they are. */
  fileRow(spec: WeightSpec, config: ModelConfig): ((row: number) => number) | undefined;
}

/** By the name that GGUF has for the architecture. */
export const families: Readonly<Record<string, Family>> = { llama };

export function familyOf({ architecture }: ModelConfig): Family {
  const family = families[architecture];
  if (!family) throw new Error(`models: there is no family "${architecture}"`);
  return family;
}

export function modelWeights(config: ModelConfig): WeightSpec[] {
  return familyOf(config).weights(config);
}

export function parameterCount(config: ModelConfig): number {
  return modelWeights(config).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
}
