/** The Llama family: pre-norm decoder with rotary positions, grouped-query attention and SwiGLU.     Touvron et al. 2023, arXiv:2302.13971 */
import type { Value } from "../../engine/graph/graph.ts";
import { embedding } from "../../engine/ops/embedding.ts";
import { linear } from "../../engine/ops/linear.ts";
import { add } from "../../engine/ops/primitives.ts";
import { rmsNorm } from "../../engine/ops/rms_norm.ts";
import { rope } from "../../engine/ops/rope.ts";
import { swiglu } from "../../engine/ops/swiglu.ts";
import type { ModelConfig, Role, WeightSpec } from "./config.ts";
import type { Family, LayerAttention, Wiring } from "./family.ts";
import { decoderWeights, embedSpec, finalNormSpec, headSpec, linearSpecs, normSpec } from "./specs.ts";

export const llama: Family = {
  weights: (config) => decoderWeights(config, (layer) => layerWeights(config, layer)),
  hidden,
  head: (config, x, weight) => linear(x, weight(headSpec(config))),
  attention,
  fileRow,
  settings: () => ({}),
  metadata: () => [],
  ropeFactors: true,
  // Rotary frequencies that early files carry; they follow from the base.
  ignored: [/^blk\.\d+\.attn_rot_embd$/, /^blk\.\d+\.attn_rot_embd\.weight$/],
};

function hidden(config: ModelConfig, wiring: Wiring): Value {
  const { token, position } = wiring;
  let x = embedding(wiring.weight(embedSpec(config)), token);
  for (let layer = 0; layer < config.layers; layer++) {
    const linears = linearSpecs(config, layer);
    const norms = normSpecs(config, layer);
    const project = (role: Role, input: Value) =>
      wiring.adapt(role, layer, input, linear(input, wiring.weight(linears[role])));
    const turn = (value: Value, heads: number) =>
      rope(value, position, wiring.rotary(layer), heads, config.headSize);

    const a = rmsNorm(x, wiring.weight(norms.attention), config.eps);
    const [q, k, v] = [project("q", a), project("k", a), project("v", a)];
    x = add(x, project("o", wiring.attend(layer, turn(q, config.heads), turn(k, config.kvHeads), v)));

    const f = rmsNorm(x, wiring.weight(norms.feedForward), config.eps);
    x = add(x, project("down", swiglu(project("gate", f), project("up", f))));
  }
  return rmsNorm(x, wiring.weight(finalNormSpec(config)), config.eps);
}

function attention({ headSize, attentionScale }: ModelConfig): LayerAttention {
  return { window: 0, scale: attentionScale ?? 1 / Math.sqrt(headSize), rotary: "rotary" };
}

function layerWeights(config: ModelConfig, layer: number): WeightSpec[] {
  const { q, k, v, o, gate, up, down } = linearSpecs(config, layer);
  const norms = normSpecs(config, layer);
  return [norms.attention, q, k, v, o, norms.feedForward, gate, up, down];
}

function normSpecs({ channels }: ModelConfig, layer: number) {
  return {
    attention: normSpec(layer, "input_layernorm", "attn_norm", channels),
    feedForward: normSpec(layer, "post_attention_layernorm", "ffn_norm", channels),
  };
}

/**
 * llama.cpp stores the rows of q and k with the pairs of the rotation side by side, Hugging Face with the first halves of all pairs
 * before the second halves.
 */
function fileRow({ role }: WeightSpec, { headSize }: ModelConfig) {
  if (role !== "q" && role !== "k") return undefined;
  return (row: number) => {
    const [inHead, half] = [row % headSize, headSize / 2];
    return row - inHead + (inHead < half ? 2 * inHead : 2 * (inHead - half) + 1);
  };
}
