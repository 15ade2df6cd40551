/** The plan of memory is exact: with every slot at its maximum each part is written up to its planned end, and nothing behind it. */
import { describe, expect, test } from "vitest";
import * as layout from "../../kernels/layout.ts";
import type { Graph } from "../../src/engine/graph/graph.ts";
import { Engine } from "../../src/engine/host/engine.ts";
import { initialSchedule } from "../../src/engine/ops/optimizer.ts";
import { compile } from "../../src/engine/plan/program.ts";
import { type Sequence, writeBatch } from "../../src/llm/batch.ts";
import { generateGraph, type ModelSpec, scoreGraph, trainGraph } from "../../src/llm/models/graphs.ts";
import { bankOf, openGolden, specOf } from "./golden.ts";

const CANARY = 0xa5;
/** As float32, float16 or int8 a harmless weight: 0.0115, 1.06, 60. */
const WEIGHT = 0x3c;
const ALIGNMENT = 64;
const parts = [
  ["io", layout.REGION_IO],
  ["state", layout.REGION_STATE],
  ["arena", layout.REGION_ARENA],
  ["scratch", layout.REGION_SCRATCH],
] as const;

const CONTEXT = 45;
const SLOTS = { rows: CONTEXT, sequences: 3, outputs: CONTEXT };
const tokens = (count: number) => Array.from({ length: count }, (_, i) => (i * 11) % 40);
/** A full cache for each of three users, then all of them at once. */
const batches: Sequence[][] = [
  ...[0, 1, 2].map((cache) => [{ tokens: tokens(CONTEXT), cache, adapter: cache % 2 }]),
  [30, 1, CONTEXT - 31].map((count, cache) => ({ tokens: tokens(count), cache, adapter: cache % 2 })),
];

const options = { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, maxNorm: 1, context: CONTEXT };
const graphs: Record<string, (model: ModelSpec) => Graph> = {
  generate: (model) => generateGraph(model, { context: CONTEXT, caches: SLOTS.sequences }),
  "generate with halves": (model) =>
    generateGraph(model, { context: CONTEXT, caches: SLOTS.sequences, cacheType: "f16" }),
  score: (model) => scoreGraph(model, { context: CONTEXT }),
  "train adapters": (model) => trainGraph(model, { ...options, full: false }),
  "train everything": (model) => trainGraph({ ...model, bank: undefined }, { ...options, full: true }),
};

/** Canaries everywhere but in what the run reads. */
function prepare(engine: Engine): void {
  const { regions, leaves } = engine.program;
  for (const [, region] of parts) engine.bytes(regions[region].offset, regions[region].bytes).fill(CANARY);
  engine.bytes(behind(engine), engine.host.memory.byteLength - behind(engine)).fill(CANARY);
  const { offset, bytes } = regions[layout.REGION_CONSTANTS];
  engine.bytes(offset, bytes).fill(WEIGHT);
  for (const [name, { kind }] of leaves) {
    if (kind !== "state" || name === "norm_pieces" || name.startsWith("cache.")) continue;
    engine.f32(name).fill(/^(adapter|model)\./.test(name) ? 0.01 : 0);
  }
  if (engine.has("schedule")) engine.f32("schedule").set(initialSchedule().data);
  engine.u32("output_row").set(tokens(CONTEXT).map((_, row) => row));
  if (engine.has("target")) engine.u32("target").set(tokens(CONTEXT));
  if (engine.has("weight")) engine.f32("weight").fill(1);
}

/** First byte that no part owns. */
function behind({ program }: Engine): number {
  const { offset, bytes } = program.regions[layout.REGION_SCRATCH];
  return offset + bytes;
}

/** Bytes up to and with the last one that is no canary any more. */
function touched(engine: Engine, offset: number, bytes: number): number {
  return engine.bytes(offset, bytes).findLastIndex((byte) => byte !== CANARY) + 1;
}

describe.each(Object.keys(graphs))("%s", (mode) => {
  test.each(["f32", "f16", "q8_0", "q4_0"] as const)("%s", async (type) => {
    const golden = await openGolden("tied");
    const model = { ...specOf(golden, "all", type), bank: bankOf(golden, "all") };
    const program = compile({ plan: graphs[mode](model) }, { slots: SLOTS, threads: 1 });
    const engine = await Engine.open(program, { inProcess: true });
    prepare(engine);
    for (const batch of batches) {
      const sizes = writeBatch(engine, batch);
      const sampling = { temperature: 1, top_k: 3, repetition_penalty: 2 };
      const slots = { ...sizes, ...sampling, outputs: sizes.rows, learning_rate: 0.01, step: 1 };
      await engine.run("plan", "all", slots);
    }
    const found = Object.fromEntries(
      parts.map(([name, region]) => {
        const { offset, bytes } = program.regions[region];
        return [name, { planned: bytes, left: bytes - touched(engine, offset, bytes) }];
      }),
    );
    console.log(
      `${mode}, ${type}: ${parts.map(([name]) => `${name} ${found[name].planned} − ${found[name].left}`).join(", ")}`,
    );
    for (const [name] of parts) expect(found[name].left, name).toBeLessThan(ALIGNMENT);
    expect(touched(engine, behind(engine), engine.host.memory.byteLength - behind(engine)), "behind").toBe(0);
  });
});
