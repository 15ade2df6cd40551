/** What a model family is, and the list of them: who loads, saves, trains or explains a model asks here, by its architecture. */
import type { Value } from "../../engine/graph/graph.ts";
import type { Metadata, MetadataValue } from "../files/metadata.ts";
import type { ModelConfig, Role, WeightSpec } from "./config.ts";
import { gemma3 } from "./gemma3.ts";
import { llama } from "./llama.ts";

/** How the layers are wired to the outside: where weights come from, what attends, what adapts. */
export interface Wiring {
  readonly token: Value;
  readonly position: Value;
  /** The rotary table of a layer. */
  rotary(layer: number): Value;
  weight(spec: WeightSpec): Value;
  attend(layer: number, q: Value, k: Value, v: Value): Value;
  /** What an adapter makes of y = x·Wᵀ. */
  adapt(role: Role, layer: number, x: Value, y: Value): Value;
}

export interface LayerAttention {
  /** Keys that a row sees, its own among them; 0: all. */
  readonly window: number;
  /** What q·k is multiplied by. */
  readonly scale: number;
  /** The leaf that holds the layer's rotary table. */
  readonly rotary: RotaryName;
}

export type RotaryName = "rotary" | "rotary_local";

export interface Family {
  /** Every weight of the model, in the order of use. */
  weights(config: ModelConfig): WeightSpec[];
  /** Hidden states (T, C) after the last norm. */
  hidden(config: ModelConfig, wiring: Wiring): Value;
  /** Logits (O, V) of hidden rows (O, C). */
  head(config: ModelConfig, hidden: Value, weight: Wiring["weight"]): Value;
  attention(config: ModelConfig, layer: number): LayerAttention;
  /** For a weight whose rows stand in another order in GGUF: the row of the file that holds a row, within its head. undefined: as they are. */
  fileRow(spec: WeightSpec, config: ModelConfig): ((row: number) => number) | undefined;
  /** What the family's metadata says beyond the sizes that all have. Raises InputError where it makes no sense. */
  settings(metadata: Metadata, sizes: ModelConfig): Partial<ModelConfig>;
  /** `settings` as it is written to a file. */
  metadata(config: ModelConfig): [string, MetadataValue][];
  /** Whether a file may hold factors of the rotary frequencies, "rope_freqs.weight". */
  readonly ropeFactors: boolean;
  /** Tensors that a file may hold and that no text needs; any other that is not a weight is refused. */
  readonly ignored: readonly RegExp[];
  /** Settings that a file may have and that no text needs, by what is behind the name of the architecture; settings.ts has those of all. */
  readonly ignoredSettings?: RegExp;
}

/** By the name that GGUF has for the architecture. */
export const families: Readonly<Record<string, Family>> = { llama, gemma3 };

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
