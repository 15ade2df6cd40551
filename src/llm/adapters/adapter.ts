/** A low-rank adapter by itself, and its place in a program's bank. */
import type { Engine } from "../../engine/host/engine.ts";
import { InputError } from "../../errors.ts";
import { type ModelConfig, type Role, roles } from "../models/config.ts";
import { modelWeights } from "../models/family.ts";
import { adapterName } from "../models/graphs.ts";
import type { LoraConfig } from "./config.ts";

export interface Adapter {
  readonly config: LoraConfig;
  /** Halves by `adapterName`: a (rank, in), b (out, rank), Hugging Face row order. */
  readonly tensors: ReadonlyMap<string, Float32Array>;
}

/** One half of an adapter at one linear. */
export interface AdapterHalf {
  readonly name: string;
  readonly layer: number;
  readonly role: Role;
  readonly half: "a" | "b";
  readonly shape: readonly [number, number];
}

/** The halves that an adapter of this rank on these roles has, in the order of the model. */
export function adapterHalves(config: ModelConfig, rank: number, wanted: readonly Role[]): AdapterHalf[] {
  return modelWeights(config).flatMap(({ layer, role, shape }) => {
    if (layer === undefined || !(wanted as readonly string[]).includes(role)) return [];
    const [out, into] = shape;
    const half = (which: "a" | "b", size: readonly [number, number]): AdapterHalf => ({
      name: adapterName(layer, role as Role, which),
      layer,
      role: role as Role,
      half: which,
      shape: size,
    });
    return [half("a", [rank, into]), half("b", [out, rank])];
  });
}

/** Copies adapter `index` out of a program's bank. */
export function adapterFromBank(
  engine: Engine,
  model: ModelConfig,
  index: number,
  config: LoraConfig,
): Adapter {
  const halves = adapterHalves(model, config.r, config.roles);
  return {
    config,
    tensors: new Map(halves.map((half) => [half.name, slot(engine, half, index).slice()])),
  };
}

/**
 * Puts an adapter into place `index` of a program's bank. Roles of the bank that the adapter does not have are switched off by zeros;
 * rank and the adapter's roles must be the bank's.
 */
export function adapterIntoBank(engine: Engine, model: ModelConfig, index: number, adapter: Adapter): void {
  const { r, roles: own } = adapter.config;
  const inBank = roles.filter((role) => engine.has(adapterName(0, role, "a")));
  const missing = own.filter((role) => !inBank.includes(role));
  if (missing.length)
    throw new InputError(
      `adapter: has the roles ${own.join(", ")} but the program's bank only ${inBank.join(", ") || "none"}`,
    );
  for (const half of adapterHalves(model, r, inBank))
    slot(engine, half, index).set(adapter.tensors.get(half.name) ?? new Float32Array(product(half.shape)));
}

/** The place of one adapter's half in the bank. */
function slot(engine: Engine, { name, shape }: AdapterHalf, index: number): Float32Array {
  const [adapters, ...size] = engine.place(name).value.shape as readonly number[];
  if (size.join() !== shape.join() || index >= adapters)
    throw new InputError(
      `adapter: "${name}" (${shape}) does not fit place ${index} of a bank of ${adapters} adapters (${size})`,
    );
  const count = product(shape);
  return engine.f32(name).subarray(index * count, (index + 1) * count);
}

function product([a, b]: readonly [number, number]): number {
  return a * b;
}
