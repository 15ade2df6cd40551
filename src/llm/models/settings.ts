/**
 * What a file's metadata says of its architecture is read, or stands here, or is refused by name: a model that answers wrongly is worse
 * than none.
 */
import { InputError } from "../../errors.ts";
import type { Metadata } from "../files/metadata.ts";
import type { ModelConfig } from "./config.ts";
import { familyOf } from "./family.ts";

/** Settings of which one value is computed, the one that changes nothing. */
const NEUTRAL: Readonly<Record<string, number | boolean>> = {
  final_logit_softcapping: 0,
  attn_logit_softcapping: 0,
  expert_count: 0,
  expert_used_count: 0,
  expert_shared_count: 0,
  logit_scale: 1,
  residual_scale: 1,
  embedding_scale: 1,
  "attention.scale": 0,
  "attention.clamp_kqv": 0,
  "attention.max_alibi_bias": 0,
  "attention.shared_kv_layers": 0,
  "attention.causal": true,
  "rope.scaling.attn_factor": 1,
  "rope.scaling.yarn_attn_factor": 1,
  "rope.scaling.yarn_ext_factor": 0,
};

/** Settings that must be the size of a head. */
const HEAD_SIZES = [
  "attention.value_length",
  "attention.key_length_swa",
  "attention.value_length_swa",
  "rope.dimension_count",
  "rope.dimension_count_swa",
];

/** Settings that change no number here. */
const WITHOUT_EFFECT = new Set([
  // The embedding has a row for every token; model_file.ts compares.
  "vocab_size",
  // Where positions were trained; YaRN alone computes with it, and is refused as a type of scaling.
  "rope.scaling.original_context_length",
  "rope.scaling.finetuned",
  "rope.scaling.yarn_beta_fast",
  "rope.scaling.yarn_beta_slow",
  "rope.scaling.yarn_log_multiplier",
  // Of experts, of which there are none.
  "expert_feed_forward_length",
  "expert_shared_feed_forward_length",
  "expert_gating_func",
  "expert_weights_norm",
  "expert_weights_scale",
  // Of LayerNorm; the norms are RMS norms.
  "attention.layer_norm_epsilon",
  // How hidden states become the embedding of a text.
  "pooling_type",
  // In files of 2023: that the rows of q and k are in llama.cpp's order, as they are in all.
  "tensor_data_layout",
]);

/** Raises InputError where a setting asks for what is not computed, or is not known. The sizes must have been read before. */
export function checkSettings(metadata: Metadata, config: ModelConfig): void {
  const { architecture, headSize, context, window } = config;
  const refused = (key: string, rule: string) => {
    const entry = metadata.value(key);
    const value = entry?.type === "array" ? `an array of ${entry.value.length}` : shown(entry?.value);
    return new InputError(`${architecture}: ${metadata.file}: metadata "${key}" is ${value}; ${rule}`);
  };
  for (const name of HEAD_SIZES) {
    const key = `${architecture}.${name}`;
    if (metadata.number(key, headSize) !== headSize) throw refused(key, `must be the head size, ${headSize}`);
  }
  for (const [name, neutral] of Object.entries(NEUTRAL)) {
    const key = `${architecture}.${name}`;
    const read =
      typeof neutral === "boolean" ? metadata.boolean(key, neutral) : metadata.number(key, neutral);
    if (read !== neutral) throw refused(key, "what it asks for is not computed");
  }
  const key = `${architecture}.attention.sliding_window`;
  const stated = metadata.number(key, 0);
  if (!window && stated && stated < context)
    throw refused(key, `this family has no windows, and the context is ${context}`);
  const { ignoredSettings } = familyOf(config);
  for (const unread of metadata.unread(`${architecture}.`)) {
    const name = unread.slice(architecture.length + 1);
    if (WITHOUT_EFFECT.has(name) || ignoredSettings?.test(name)) continue;
    throw refused(unread, "this setting is not known, and the model could answer wrongly without it");
  }
}

function shown(value: unknown): string {
  const text = String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
