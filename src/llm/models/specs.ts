/** The weights that the families have in common. */
import type { ModelConfig, Role, WeightSpec } from "./config.ts";

export function embedSpec({ vocabulary, channels }: ModelConfig): WeightSpec {
  const shape = [vocabulary, channels];
  return { name: "model.embed_tokens.weight", tensor: "token_embd.weight", shape, role: "embed" };
}

/** The head; of a tied model the embedding. */
export function headSpec(config: ModelConfig): WeightSpec {
  if (config.tied) return embedSpec(config);
  const shape = [config.vocabulary, config.channels];
  return { name: "lm_head.weight", tensor: "output.weight", shape, role: "head" };
}

export function finalNormSpec({ channels }: ModelConfig): WeightSpec {
  return { name: "model.norm.weight", tensor: "output_norm.weight", shape: [channels], role: "norm" };
}

/** The linears of a layer, by role. */
export function linearSpecs(config: ModelConfig, layer: number): Record<Role, WeightSpec> {
  const { channels, heads, kvHeads, headSize, feedForward } = config;
  const linear = (role: Role, name: string, tensor: string, out: number, into: number): WeightSpec => ({
    name: `model.layers.${layer}.${name}.weight`,
    tensor: `blk.${layer}.${tensor}.weight`,
    shape: [out, into],
    role,
    layer,
  });
  return {
    q: linear("q", "self_attn.q_proj", "attn_q", heads * headSize, channels),
    k: linear("k", "self_attn.k_proj", "attn_k", kvHeads * headSize, channels),
    v: linear("v", "self_attn.v_proj", "attn_v", kvHeads * headSize, channels),
    o: linear("o", "self_attn.o_proj", "attn_output", channels, heads * headSize),
    gate: linear("gate", "mlp.gate_proj", "ffn_gate", feedForward, channels),
    up: linear("up", "mlp.up_proj", "ffn_up", feedForward, channels),
    down: linear("down", "mlp.down_proj", "ffn_down", channels, feedForward),
  };
}

/** A norm over `size` values of a layer. */
export function normSpec(layer: number, name: string, tensor: string, size: number): WeightSpec {
  return {
    name: `model.layers.${layer}.${name}.weight`,
    tensor: `blk.${layer}.${tensor}.weight`,
    shape: [size],
    role: "norm",
    layer,
  };
}

/** Every weight of a model, in the order of use, given those of its layers. */
export function decoderWeights(config: ModelConfig, layer: (layer: number) => WeightSpec[]): WeightSpec[] {
  const layers = Array.from({ length: config.layers }, (_, index) => layer(index));
  const head = config.tied ? [] : [headSpec(config)];
  return [embedSpec(config), ...layers.flat(), finalNormSpec(config), ...head];
}
