/** The tiny Llama models of test/golden/llama, and what PyTorch computed with them (make_llama.py says how). */
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect } from "vitest";
import type { Engine } from "../../src/engine/host/engine.ts";
import type { AdamW } from "../../src/engine/ops/optimizer.ts";
import { readGguf } from "../../src/llm/files/gguf.ts";
import { readSafetensors } from "../../src/llm/files/safetensors.ts";
import { memorySource } from "../../src/llm/files/source.ts";
import type { ModelFile } from "../../src/llm/model_file.ts";
import type { Role } from "../../src/llm/models/config.ts";
import { configFromGguf } from "../../src/llm/models/from_gguf.ts";
import type { AdapterBank, ModelSpec } from "../../src/llm/models/graphs.ts";
import { loadWeights, type WeightType, weightDtypes } from "../../src/llm/models/load.ts";
import type { Example } from "../../src/llm/train/example.ts";
import { Trainer } from "../../src/llm/train/trainer.ts";
import { noise } from "../cases.ts";

export const goldenDirectory = path.join(import.meta.dirname, "../golden/llama");
export const goldenModels = ["tied", "untied"] as const;
/** What is trained: every weight, or adapters on q and v or on all linears. */
export const goldenRuns = ["full", "qv", "all"] as const;
export type GoldenRun = (typeof goldenRuns)[number];
/** Positions of every program here, and its most rows and sequences. */
export const CONTEXT = 32;
export const SLOTS = { rows: 40, sequences: 5 };

interface Facts {
  rank: number;
  scales: number[];
  adamw: AdamW & { maxNorm: number };
  learningRates: number[];
  /** Micro-batches of even and of odd steps. */
  batches: { tokens: number[]; weights: number[]; adapter: number | null }[][][];
  runs: Record<GoldenRun, { roles: Role[] | null; losses: number[]; norms: number[] }>;
  /** Loss sum of the first step over weights that were quantized, by type. */
  quantized?: Record<string, number>;
}

export interface Golden {
  readonly name: string;
  readonly file: ModelFile;
  readonly facts: Facts;
  /** A tensor that PyTorch made, in float64 or rounded to float32. */
  tensor(name: string): Float64Array;
}

export async function openGolden(name: string, directory = goldenDirectory): Promise<Golden> {
  const at = (ending: string) => path.join(directory, `${name}.${ending}`);
  const inMemory = (ending: string) => memorySource(readFileSync(at(ending)), `${name}.${ending}`);
  const { tensors, read } = await readSafetensors(inMemory("safetensors"));
  const values = new Map<string, Float64Array>();
  for (const [key, tensor] of tensors) {
    const { buffer } = (await read(tensor)).slice();
    values.set(
      key,
      tensor.dtype === "F64" ? new Float64Array(buffer) : Float64Array.from(new Float32Array(buffer)),
    );
  }
  const source = inMemory("gguf");
  const gguf = await readGguf(source);
  return {
    name,
    file: { path: at("gguf"), source, gguf, config: configFromGguf(gguf) },
    facts: JSON.parse(readFileSync(at("json"), "utf8")) as Facts,
    tensor: (key) => values.get(key)!,
  };
}

export function bankOf({ facts }: Golden, run: GoldenRun): AdapterBank | undefined {
  const { roles } = facts.runs[run];
  return roles ? { rank: facts.rank, roles, adapters: facts.scales.length } : undefined;
}

export function specOf(golden: Golden, run: GoldenRun, type: WeightType = "file"): ModelSpec {
  const { config, gguf } = golden.file;
  return { config, dtype: weightDtypes(gguf, type), bank: bankOf(golden, run) };
}

/** The micro-batches of a step, from 0. */
export function examplesOf({ facts }: Golden, step: number): Example[][] {
  return facts.batches[step % 2].map((batch) =>
    batch.map(({ tokens, weights, adapter }) => ({
      tokens,
      weights,
      adapter,
      scale: adapter === null ? undefined : facts.scales[adapter],
    })),
  );
}

/** Names and initial values of the adapters' tensors: neither half is zero, so that every gradient is some. */
export function bankValues({ file }: Golden, bank: AdapterBank, sizeOf: (name: string) => number) {
  const names = Array.from({ length: file.config.layers }, (_, layer) =>
    bank.roles.flatMap((role) => ["a", "b"].map((half) => `adapter.${layer}.${role}.${half}`)),
  ).flat();
  return names.map((name, i) => {
    const value = noise(100 + i);
    return [name, Float32Array.from({ length: sizeOf(name) }, (_, at) => 0.3 * value(at))] as const;
  });
}

export function fillBank(engine: Engine, golden: Golden, bank: AdapterBank): void {
  for (const [name, values] of bankValues(golden, bank, (name) => engine.f32(name).length))
    engine.f32(name).set(values);
}

/** A trainer of a golden model with its weights and, where it trains adapters, their golden values. */
export async function openGoldenTrainer(
  golden: Golden,
  run: GoldenRun,
  setup: { type?: WeightType; threads?: number; inProcess?: boolean; sideBySide?: boolean } = {},
): Promise<Trainer> {
  const { adamw } = golden.facts;
  const { type, threads = 1, sideBySide, inProcess = threads === 1 } = setup;
  const maxNorm = sideBySide ? 0 : adamw.maxNorm;
  const options = { ...adamw, maxNorm, context: CONTEXT, full: run === "full" };
  const model = specOf(golden, run, type);
  const trainer = await Trainer.open({ model, options, ...SLOTS, threads, inProcess, sideBySide });
  await loadWeights(trainer.engine, golden.file.config, golden.file.gguf);
  if (model.bank) fillBank(trainer.engine, golden, model.bank);
  return trainer;
}

/** Four sums Σ value·noise. */
function projections(values: ArrayLike<number>): number[] {
  return [0, 1, 2, 3].map((seed) => {
    const weight = noise(seed);
    return Array.from(values).reduce((sum, value, i) => sum + value * weight(i), 0);
  });
}

/** Largest |projection − golden| over the largest element, over all tensors. */
export function projectionDeviation(
  golden: Golden,
  key: string,
  names: readonly string[],
  get: (name: string) => ArrayLike<number>,
): number {
  const wanted = golden.tensor(key);
  const deviations = [...names].sort().map((name, i) => {
    const values = get(name);
    const errors = projections(values).map((sum, j) => Math.abs(sum - wanted[4 * i + j]));
    return Math.max(...errors) / largestOf(values);
  });
  return Math.max(...deviations);
}

/** Asserts, and prints how close it is. */
export function within(what: string, found: number, limit: number): void {
  console.log(`${what}: ${found.toExponential(1)} (limit ${limit})`);
  expect(found, what).toBeLessThanOrEqual(limit);
}

/** max|a − b| / max|b| */
export function deviation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [largest, top] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    largest = Math.max(largest, Math.abs(a[i] - b[i])); // NaN stays
    top = Math.max(top, Math.abs(b[i]));
  }
  return a.length === b.length ? largest / top : Number.NaN;
}

function largestOf(values: ArrayLike<number>): number {
  return Array.from(values).reduce((top, value) => Math.max(top, Math.abs(value)), 0);
}
