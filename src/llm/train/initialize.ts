/** Initial values, by counter-based random numbers: the same in any runtime. */
import type { Engine } from "../../engine/host/engine.ts";
import { normal, random, uniform } from "../../engine/random.ts";
import type { ModelConfig } from "../models/config.ts";
import { modelWeights } from "../models/family.ts";
import { type AdapterBank, adapterName } from "../models/graphs.ts";
import { fillRotary } from "../models/rotary.ts";

/**
 * Weights of a model that is trained from nothing: norms 1, matrices normal with deviation 0.02, and those that write into the residual
 * stream smaller by √(2·layers) (Radford et al. 2019, GPT-2 §2.3).
 */
export function initializeModel(engine: Engine, config: ModelConfig, seed: number): void {
  fillRotary(engine, config);
  modelWeights(config).forEach(({ name, role }, index) => {
    const values = engine.f32(name);
    const deviation = role === "o" || role === "down" ? 0.02 / Math.sqrt(2 * config.layers) : 0.02;
    for (let i = 0; i < values.length; i++)
      values[i] = role === "norm" ? 1 : deviation * normal(seed, index, i);
  });
}

/** LoRA as in PEFT: A uniform in ±1/√in (Kaiming with a = √5), B zero, so that an adapter starts as the identity. */
export function initializeAdapter(
  engine: Engine,
  { roles, rank }: AdapterBank,
  layers: number,
  adapter: number,
  seed: number,
): void {
  for (let layer = 0; layer < layers; layer++)
    roles.forEach((role, index) => {
      const [, , into] = engine.place(adapterName(layer, role, "a")).value.shape as readonly number[];
      const bound = 1 / Math.sqrt(into);
      const a = engine
        .f32(adapterName(layer, role, "a"))
        .subarray(adapter * rank * into, (adapter + 1) * rank * into);
      for (let i = 0; i < a.length; i++) a[i] = bound * (2 * uniform(random(seed, layer, index, i)) - 1);
      const b = engine.f32(adapterName(layer, role, "b"));
      const [adapters] = engine.place(adapterName(layer, role, "b")).value.shape as readonly number[];
      b.subarray((adapter * b.length) / adapters, ((adapter + 1) * b.length) / adapters).fill(0);
    });
}
