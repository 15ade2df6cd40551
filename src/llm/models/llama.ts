/** The Llama family: pre-norm decoder with rotary positions, grouped-query attention and SwiGLU.     Touvron et al. 2023, arXiv:2302.13971 */
import type { Value } from "../../engine/graph/graph.ts";
import { embedding } from "../../engine/ops/embedding.ts";
import { linear } from "../../engine/ops/linear.ts";
import { add } from "../../engine/ops/primitives.ts";
import { rmsNorm } from "../../engine/ops/rms_norm.ts";
import { rope } from "../../engine/ops/rope.ts";
import { swiglu } from "../../engine/ops/swiglu.ts";
import type { ModelConfig, Role, WeightSpec } from "./config.ts";
import type { Family, Wiring } from "./family.ts";

export const llama: Family = { weights, hidden, head, fileRow };

function hidden(config: ModelConfig, wiring: Wiring): Value {
  const { token, position, rotary } = wiring;
  const specs = layerSpecs(config);
  let x = embedding(wiring.weight(embedSpec(config)), token);
  for (let layer = 0; layer < config.layers; layer++) {
    const { norm, linears } = specs(layer);
    const project = (role: Role, input: Value) =>
      wiring.adapt(role, layer, input, linear(input, wiring.weight(linears[role])));
    const turn = (value: Value, heads: number) => rope(value, position, rotary, heads, config.headSize);

    const a = rmsNorm(x, wiring.weight(norm.attention), config.eps);
    const [q, k, v] = [project("q", a), project("k", a), project("v", a)];
    x = add(x, project("o", wiring.attend(layer, turn(q, config.heads), turn(k, config.kvHeads), v)));

    const f = rmsNorm(x, wiring.weight(norm.feedForward), config.eps);
    x = add(x, project("down", swiglu(project("gate", f), project("up", f))));
  }
  return rmsNorm(x, wiring.weight(finalNormSpec(config)), config.eps);
}

function head(config: ModelConfig, x: Value, weight: Wiring["weight"]): Value {
  return linear(x, weight(headSpec(config)));
}

function weights(config: ModelConfig): WeightSpec[] {
  const layers = Array.from({ length: config.layers }, (_, layer) => {
    const { norm, linears } = layerSpecs(config)(layer);
    const { q, k, v, o, gate, up, down } = linears;
    return [norm.attention, q, k, v, o, norm.feedForward, gate, up, down];
  });
  return [
    embedSpec(config),
    ...layers.flat(),
    finalNormSpec(config),
    ...(config.tied ? [] : [headSpec(config)]),
  ];
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

function embedSpec({ vocabulary, channels }: ModelConfig): WeightSpec {
  return { name: "model.embed_tokens.weight", shape: [vocabulary, channels], role: "embed" };
}

function headSpec(config: ModelConfig): WeightSpec {
  if (config.tied) return embedSpec(config);
  return { name: "lm_head.weight", shape: [config.vocabulary, config.channels], role: "head" };
}

function finalNormSpec({ channels }: ModelConfig): WeightSpec {
  return { name: "model.norm.weight", shape: [channels], role: "norm" };
}

function layerSpecs({ channels, heads, kvHeads, headSize, feedForward }: ModelConfig) {
  const sizes: Record<Role, readonly [string, number, number]> = {
    q: ["self_attn.q_proj", heads * headSize, channels],
    k: ["self_attn.k_proj", kvHeads * headSize, channels],
    v: ["self_attn.v_proj", kvHeads * headSize, channels],
    o: ["self_attn.o_proj", channels, heads * headSize],
    gate: ["mlp.gate_proj", feedForward, channels],
    up: ["mlp.up_proj", feedForward, channels],
    down: ["mlp.down_proj", channels, feedForward],
  };
  return (layer: number) => {
    const prefix = `model.layers.${layer}`;
    const linears = Object.fromEntries(
      Object.entries(sizes).map(([role, [name, out, into]]) => [
        role,
        { name: `${prefix}.${name}.weight`, shape: [out, into], role: role as Role, layer },
      ]),
    ) as unknown as Record<Role, WeightSpec>;
    const norm = (name: string): WeightSpec => ({
      name: `${prefix}.${name}.weight`,
      shape: [channels],
      role: "norm",
      layer,
    });
    return {
      linears,
      norm: { attention: norm("input_layernorm"), feedForward: norm("post_attention_layernorm") },
    };
  };
}
