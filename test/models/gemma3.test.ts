/** A tiny random Gemma 3 beside PyTorch: windowed and global layers, grouped queries, heads larger than channels / heads. */
import path from "node:path";
import { expect, test } from "vitest";
import { Engine } from "../../src/engine/host/engine.ts";
import { compile } from "../../src/engine/plan/program.ts";
import { writeBatch } from "../../src/llm/batch.ts";
import { generateGraph, scoreGraph } from "../../src/llm/models/graphs.ts";
import { loadWeights, STAGING_BYTES } from "../../src/llm/models/load.ts";
import { noise } from "../cases.ts";
import { besidePyTorch } from "./beside_pytorch.ts";
import { CONTEXT, goldenDirectory, openGolden, specOf } from "./golden.ts";

const directory = path.join(goldenDirectory, "../gemma3");

besidePyTorch("gemma3", () => openGolden("tiny", directory));

/** Logits of every row of a sequence that comes in pieces, the keys of earlier ones from the cache. */
async function logitsInPieces(
  engine: Engine,
  plan: string,
  tokens: readonly number[],
  pieces: readonly number[],
): Promise<Float32Array> {
  const found: number[] = [];
  let first = 0;
  for (const rows of pieces) {
    const piece = { tokens: tokens.slice(first, first + rows), cache: 0, firstKey: first };
    const sizes = writeBatch(engine, [piece]);
    engine.u32("output_row").set(Array.from({ length: rows }, (_, row) => row));
    await engine.run(plan, "all", { ...sizes, outputs: rows });
    found.push(...engine.f32("logits").subarray(0, rows * 40));
    first += rows;
  }
  return Float32Array.from(found);
}

test("a prompt in pieces and token by token, the windows' keys in rings, gives the bits of the whole", async () => {
  const { file, ...golden } = await openGolden("tiny", directory);
  const model = specOf({ file, ...golden }, "full");
  const value = noise(5);
  const tokens = Array.from({ length: CONTEXT }, (_, i) => Math.floor((value(i) + 1) * 20));
  const slots = { sequences: 1, outputs: CONTEXT };
  const open = async (plan: Parameters<typeof compile>[0], rows: number) => {
    const setup = { slots: { ...slots, rows }, threads: 1, arenaBytes: STAGING_BYTES };
    const engine = await Engine.open(compile(plan, setup), { inProcess: true });
    await loadWeights(engine, file.config, file.gguf);
    return engine;
  };
  const whole = await open({ score: scoreGraph(model, { context: CONTEXT }) }, CONTEXT);
  const expected = await logitsInPieces(whole, "score", tokens, [CONTEXT]);
  const rows = 4;
  const generator = await open(
    { generate: generateGraph(model, { context: CONTEXT, caches: 1, rows }) },
    rows,
  );
  const keys = [0, 1, 2].map((layer) => generator.place(`cache.${layer}.k`).value.shape[0]);
  expect(keys).toEqual([16, CONTEXT, 16]);
  const cut = [4, 4, 3, 4, 1, 4, ...Array.from({ length: 12 }, () => 1)];
  expect(await logitsInPieces(generator, "generate", tokens, cut)).toEqual(expected);
});
