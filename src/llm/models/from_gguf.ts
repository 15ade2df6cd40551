/** What a GGUF file says of a model: sizes from its metadata, weights under their Hugging Face names. */
import { closest } from "fastest-levenshtein";
import { InputError } from "../../errors.ts";
import type { Gguf, TensorInfo } from "../files/gguf.ts";
import type { ModelConfig, WeightSpec } from "./config.ts";
import { families, modelWeights } from "./family.ts";

const SIZE_MAX = 1 << 24;

const GGUF_NAMES: Readonly<Record<string, string>> = {
  "model.embed_tokens": "token_embd",
  "model.norm": "output_norm",
  lm_head: "output",
  input_layernorm: "attn_norm",
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  post_attention_layernorm: "ffn_norm",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
};

/** `model.layers.3.mlp.up_proj.weight` → `blk.3.ffn_up.weight` */
export function ggufName(name: string): string {
  const layer = /^model\.layers\.(\d+)\.(.*)\.weight$/.exec(name);
  return layer
    ? `blk.${layer[1]}.${GGUF_NAMES[layer[2]]}.weight`
    : `${GGUF_NAMES[name.replace(/\.weight$/, "")]}.weight`;
}

/** Reads and checks sizes; every weight must be there with the shape that they ask for. */
export function configFromGguf({ metadata, tensors }: Gguf): ModelConfig {
  const architecture = metadata.string("general.architecture");
  if (!Object.hasOwn(families, architecture))
    throw new InputError(
      `gguf: ${metadata.file}: architecture "${architecture}" is unknown; known are ${Object.keys(families).join(", ")}`,
    );
  const size = (key: string, fallback?: number) =>
    metadata.integer(`${architecture}.${key}`, 1, SIZE_MAX, fallback);
  const channels = size("embedding_length");
  const heads = size("attention.head_count");
  const embedding = requireTensor(metadata.file, tensors, "token_embd.weight");
  const config: ModelConfig = {
    architecture,
    layers: size("block_count"),
    channels,
    heads,
    kvHeads: size("attention.head_count_kv", heads),
    headSize: size("attention.key_length", size("rope.dimension_count", Math.floor(channels / heads))),
    feedForward: size("feed_forward_length"),
    vocabulary: embedding.shape[0],
    context: size("context_length"),
    ropeBase: metadata.number(`${architecture}.rope.freq_base`, 10000),
    eps: metadata.number(`${architecture}.attention.layer_norm_rms_epsilon`),
    tied: !tensors.has("output.weight"),
  };
  checkSizes(metadata.file, config);
  for (const spec of modelWeights(config))
    checkShape(metadata.file, requireTensor(metadata.file, tensors, ggufName(spec.name)), spec);
  return config;
}

function checkSizes(file: string, { heads, kvHeads, headSize, layers, ropeBase, eps }: ModelConfig): void {
  const rule = (holds: boolean, text: string) => {
    if (!holds) throw new InputError(`llama: ${file}: ${text}`);
  };
  rule(heads % kvHeads === 0, `${heads} heads must be a multiple of ${kvHeads} key-value heads`);
  rule(headSize % 4 === 0, `head size ${headSize} must be a multiple of 4`);
  rule(layers <= 1024, `${layers} layers; at most 1024`);
  rule(
    Number.isFinite(ropeBase) && ropeBase > 1,
    `rope.freq_base is ${ropeBase}; must be finite and above 1`,
  );
  rule(Number.isFinite(eps) && eps > 0, `layer_norm_rms_epsilon is ${eps}; must be finite and above 0`);
}

function checkShape(file: string, { name, shape }: TensorInfo, spec: WeightSpec): void {
  if (shape.join() === spec.shape.join()) return;
  throw new InputError(
    `llama: ${file}: tensor "${name}" is (${shape}) but the model's sizes ask for (${spec.shape})`,
  );
}

function requireTensor(file: string, tensors: ReadonlyMap<string, TensorInfo>, name: string): TensorInfo {
  const found = tensors.get(name);
  if (found) return found;
  const remedy = tensors.size ? `nearest is "${closest(name, [...tensors.keys()])}"` : "it has none";
  throw new InputError(`llama: ${file}: file has no tensor "${name}"; ${remedy}`);
}
