/**
 * The Gemma 3 family: norms before and after attention and feed-forward, norms of each head's q and k, GeGLU, and layers that see only a
 * window of the keys, with a rotary base of their own, between layers that see all.     Gemma Team 2025, arXiv:2503.19786
 *
 * Norm weights are what x·r is multiplied by, 1 + the Hugging Face weight, as GGUF files have them; the gradients of both are the same.
 */
import type { Value } from "../../engine/graph/graph.ts";
import { embedding } from "../../engine/ops/embedding.ts";
import { geglu } from "../../engine/ops/geglu.ts";
import { linear } from "../../engine/ops/linear.ts";
import { add, scale } from "../../engine/ops/primitives.ts";
import { rmsNorm } from "../../engine/ops/rms_norm.ts";
import { rope } from "../../engine/ops/rope.ts";
import { InputError } from "../../errors.ts";
import type { Metadata, MetadataValue } from "../files/metadata.ts";
import type { ModelConfig, Role, WeightSpec } from "./config.ts";
import type { Family, LayerAttention, Wiring } from "./family.ts";
import { decoderWeights, embedSpec, finalNormSpec, headSpec, linearSpecs, normSpec } from "./specs.ts";

/** Every sixth layer sees all keys, unless the file says otherwise. */
const PATTERN = 6;
const ROPE_BASE_LOCAL = 10000;
/** Layers of the 27B model, whose scores are scaled by the channels of a head and not by its size: llama.cpp tells it by them too. */
const LAYERS_27B = 62;

export const gemma3: Family = {
  weights: (config) => decoderWeights(config, (layer) => layerWeights(config, layer)),
  hidden,
  head: (config, x, weight) => linear(x, weight(headSpec(config))),
  attention,
  fileRow: () => undefined,
  settings,
  metadata,
  ropeFactors: false,
  // The vision tower, where a file has it too: texts do without.
  ignored: [/^(v|mm)\./],
  ignoredSettings: /^(vision|mm)\./,
};

function hidden(config: ModelConfig, wiring: Wiring): Value {
  const { heads, kvHeads, headSize, channels, eps } = config;
  let x = scale(embedding(wiring.weight(embedSpec(config)), wiring.token), Math.sqrt(channels));
  for (let layer = 0; layer < config.layers; layer++) {
    const linears = linearSpecs(config, layer);
    const norms = normSpecs(config, layer);
    const project = (role: Role, input: Value) =>
      wiring.adapt(role, layer, input, linear(input, wiring.weight(linears[role])));
    const norm = (name: keyof typeof norms, input: Value, groups = 1) =>
      rmsNorm(input, wiring.weight(norms[name]), eps, groups);
    const turn = (value: Value, count: number) =>
      rope(value, wiring.position, wiring.rotary(layer), count, headSize);

    const a = norm("attention", x);
    const q = turn(norm("q", project("q", a), heads), heads);
    const k = turn(norm("k", project("k", a), kvHeads), kvHeads);
    x = add(x, norm("afterAttention", project("o", wiring.attend(layer, q, k, project("v", a)))));

    const f = norm("feedForward", x);
    const y = project("down", geglu(project("gate", f), project("up", f)));
    x = add(x, norm("afterFeedForward", y));
  }
  return rmsNorm(x, wiring.weight(finalNormSpec(config)), eps);
}

function attention(
  { headSize, attentionScale, window = 0, windowed, ropeBaseLocal }: ModelConfig,
  layer: number,
): LayerAttention {
  const local = window > 0 && !!windowed?.[layer];
  return {
    window: local ? window : 0,
    scale: attentionScale ?? 1 / Math.sqrt(headSize),
    rotary: local && ropeBaseLocal !== undefined ? "rotary_local" : "rotary",
  };
}

function layerWeights(config: ModelConfig, layer: number): WeightSpec[] {
  const { q, k, v, o, gate, up, down } = linearSpecs(config, layer);
  const norms = normSpecs(config, layer);
  return [
    ...[norms.attention, q, norms.q, k, norms.k, v, o, norms.afterAttention],
    ...[norms.feedForward, gate, up, down, norms.afterFeedForward],
  ];
}

function normSpecs({ channels, headSize }: ModelConfig, layer: number) {
  return {
    attention: normSpec(layer, "input_layernorm", "attn_norm", channels),
    q: normSpec(layer, "self_attn.q_norm", "attn_q_norm", headSize),
    k: normSpec(layer, "self_attn.k_norm", "attn_k_norm", headSize),
    afterAttention: normSpec(layer, "post_attention_layernorm", "post_attention_norm", channels),
    feedForward: normSpec(layer, "pre_feedforward_layernorm", "ffn_norm", channels),
    afterFeedForward: normSpec(layer, "post_feedforward_layernorm", "post_ffw_norm", channels),
  };
}

/** What only this family's files say. Without a window every layer sees all keys. */
function settings(file: Metadata, { layers, channels, heads }: ModelConfig): Partial<ModelConfig> {
  const scaled = layers === LAYERS_27B ? { attentionScale: 1 / Math.sqrt(channels / heads) } : {};
  const window = file.integer("gemma3.attention.sliding_window", 0, 2 ** 24, 0);
  const windowed = pattern(file, layers);
  const local = file.number("gemma3.rope.local.freq_base", ROPE_BASE_LOCAL);
  const ropeBaseLocal = file.number("gemma3.rope.freq_base_swa", local);
  if (!(Number.isFinite(ropeBaseLocal) && ropeBaseLocal > 1))
    throw new InputError(
      `gemma3: ${file.file}: rotary base of the windowed layers is ${ropeBaseLocal}; must be finite and above 1`,
    );
  return window ? { ...scaled, window, windowed, ropeBaseLocal } : scaled;
}

/** Which layers have the window: every layer but each n-th, or as an array says. */
function pattern(file: Metadata, layers: number): boolean[] {
  const key = "gemma3.attention.sliding_window_pattern";
  const entry = file.value(key);
  if (entry?.type !== "array") {
    const period = file.integer(key, 1, 2 ** 24, PATTERN);
    return Array.from({ length: layers }, (_, layer) => isWindowed(layer, period));
  }
  if (entry.value.length < layers)
    throw new InputError(
      `gemma3: ${file.file}: metadata "${key}" has ${entry.value.length} values for ${layers} layers`,
    );
  return Array.from({ length: layers }, (_, layer) => Boolean(entry.value[layer]));
}

function isWindowed(layer: number, period: number): boolean {
  return layer % period < period - 1;
}

function metadata({ window, windowed = [], ropeBaseLocal }: ModelConfig): [string, MetadataValue][] {
  if (!window) return [];
  const first = windowed.indexOf(false) + 1;
  const period = first || windowed.length + 1;
  const regular = windowed.every((value, layer) => value === isWindowed(layer, period));
  const value: MetadataValue = regular
    ? { type: "uint32", value: period }
    : { type: "array", of: "bool", value: [...windowed] };
  return [
    ["gemma3.attention.sliding_window", { type: "uint32", value: window }],
    ["gemma3.attention.sliding_window_pattern", value],
    ["gemma3.rope.freq_base_swa", { type: "float32", value: ropeBaseLocal! }],
  ];
}
