/** KV caches of whole models: rings and full caches, every dtype, going back, and what they take. */
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CacheType } from "../../src/engine/dtypes/cache.ts";
import { InputError } from "../../src/errors.ts";
import { compileGeneration, type GenerationSetup, Generator } from "../../src/llm/generate.ts";
import { type ModelFile, openModel } from "../../src/llm/model_file.ts";
import {
  cacheCapacity,
  cacheGroups,
  canRewind,
  type LayerCache,
  layerCaches,
  ringSlack,
} from "../../src/llm/models/caches.ts";
import { cachedModel } from "../shared.ts";
import { goldenDirectory, openGolden } from "./golden.ts";

const CONTEXT = 128;

/** Logits after each piece of a text, fed to one generator. */
async function feedPieces(generator: Generator, tokens: readonly number[], pieces: readonly number[]) {
  const logits: number[][] = [];
  let from = 0;
  for (const count of pieces) {
    await generator.feed(tokens.slice(from, from + count));
    logits.push([...generator.logits]);
    from += count;
  }
  return logits;
}

async function withGenerator<T>(
  file: ModelFile,
  setup: GenerationSetup,
  use: (generator: Generator) => Promise<T>,
): Promise<T> {
  const generator = await Generator.open(file, { inProcess: true, ...setup });
  try {
    return await use(generator);
  } finally {
    await generator.close();
  }
}

/** Largest difference, of the largest magnitude. */
function deviation(a: readonly number[], b: readonly number[]): number {
  const largest = b.reduce((top, x) => Math.max(top, Math.abs(x)), 0);
  return a.reduce((worst, x, i) => Math.max(worst, Math.abs(x - b[i])), 0) / largest;
}

describe("a tiny Gemma 3: window 5 in two of three layers", async () => {
  const { file } = await openGolden("tiny", path.join(goldenDirectory, "../gemma3"));
  const tokens = Array.from({ length: 100 }, (_, i) => (i * i * 7 + 3 * i) % file.config.vocabulary);
  const pieces = [1, 40, 2, 30, 27];
  const logitsOf = (setup: GenerationSetup) =>
    withGenerator(file, { context: CONTEXT, ...setup }, (generator) => feedPieces(generator, tokens, pieces));
  const graphOf = (setup: GenerationSetup) =>
    compileGeneration(file, { context: CONTEXT, ...setup }).plans.get("generate")!.lowered.calls[0].node
      .graph;

  test.each(["f32", "f16"] as const)(
    "%s: rings of 16 and 32 keys give the bits of full caches",
    async (cacheType) => {
      const rows = [1, 3, 11, 27, CONTEXT];
      expect(
        rows.map((rows) => layerCaches(graphOf({ cacheType, rows })).map(({ capacity }) => capacity)),
      ).toEqual(
        [16, 16, 16, 32, CONTEXT].map((ring) => file.config.windowed!.map((yes) => (yes ? ring : CONTEXT))),
      );
      const whole = await logitsOf({ cacheType, rows: CONTEXT });
      for (const most of rows.slice(0, -1)) expect(await logitsOf({ cacheType, rows: most })).toEqual(whole);
      expect(await logitsOf({ cacheType, rows: 11, threads: 2, inProcess: false })).toEqual(whole);
    },
  );

  test("halves change the logits by less than 1 % of the largest", async () => {
    const [f32, f16] = [await logitsOf({}), await logitsOf({ cacheType: "f16" })];
    const worst = Math.max(...f16.map((logits, i) => deviation(logits, f32[i])));
    console.log(`f16 cache: logits differ by ${worst.toExponential(1)} of the largest`);
    expect(worst).toBeLessThan(0.01);
    expect(worst).toBeGreaterThan(0);
  });

  test("q8_0 is refused where a head is no whole number of blocks", () => {
    const compile = () => compileGeneration(file, { context: CONTEXT, cacheType: "q8_0" });
    expect(compile).toThrow(InputError);
    expect(compile).toThrow(
      "q8_0 has blocks of 32 values, but a head of this model has 8; use --cache-type f16 or f32",
    );
  });

  test("a conversation goes back where the ring still has the keys, and starts anew where not", async () => {
    const whole = (text: readonly number[]) =>
      withGenerator(file, { context: CONTEXT, rows: CONTEXT }, (generator) =>
        feedPieces(generator, text, [text.length]),
      );
    await withGenerator(file, { context: CONTEXT, rows: 11 }, async (generator) => {
      const slack = ringSlack(layerCaches(graphOf({ rows: 11 })));
      expect(slack).toBe(12);
      await generator.feed(tokens.slice(0, 80));
      for (const [keep, kept] of [
        [80 - slack, 80 - slack],
        [80 - slack - 1, 0],
      ]) {
        const text = [...tokens.slice(0, keep), ...tokens.slice(50, 60).map((token) => (token + 1) % 40)];
        expect(generator.rewind(text)).toBe(kept);
        await generator.feed(text.slice(kept));
        expect([[...generator.logits]]).toEqual(await whole(text));
        expect(generator.rewind(tokens)).toBe(keep);
        await generator.feed(tokens.slice(keep, 80));
      }
    });
  });

  test("bytes are those of the program's leaves", () => {
    for (const cacheType of ["f32", "f16"] as const) {
      const program = compileGeneration(file, { context: CONTEXT, rows: 11, cacheType });
      const { graph } = program.plans.get("generate")!.lowered.calls[0].node;
      const bytes = (name: string) => program.leaves.get(name)!.bytes;
      for (const { layer, bytes: all } of layerCaches(graph))
        expect(all).toBe(bytes(`cache.${layer}.k`) + bytes(`cache.${layer}.v`));
      const element = cacheType === "f32" ? 4 : 2;
      expect(cacheGroups(graph)).toEqual([
        {
          kind: "ring",
          type: cacheType,
          capacity: 16,
          caches: 1,
          layers: [0, 2],
          bytes: 2 * 2 * 16 * 16 * element,
        },
        {
          kind: "full",
          type: cacheType,
          capacity: 128,
          caches: 1,
          layers: [1],
          bytes: 2 * 128 * 16 * element,
        },
      ]);
    }
  });
});

test("canRewind says exactly when every key that is needed stands in its slot", () => {
  const size = { window: fc.integer({ min: 1, max: 12 }), rows: fc.integer({ min: 1, max: 20 }) };
  const move = fc.record({ back: fc.integer({ min: 0, max: 40 }), on: fc.integer({ min: 1, max: 30 }) });
  fc.assert(
    fc.property(fc.record(size), fc.array(move, { maxLength: 12 }), ({ window, rows }, moves) => {
      const context = 1000;
      const capacity = cacheCapacity(context, window, rows);
      const layer: LayerCache = { layer: 0, type: "f32", window, context, capacity, caches: 1, bytes: 0 };
      const slots = new Array<number>(capacity).fill(-1);
      let [position, highest] = [0, 0];
      for (const { back, on } of moves) {
        const to = Math.max(0, position - back);
        const needed = Array.from({ length: Math.min(to, window - 1) }, (_, i) => to - 1 - i);
        const possible = needed.every((key) => slots[key % capacity] === key);
        expect(canRewind([layer], highest, to)).toBe(possible);
        if (!possible) continue;
        if (to === 0) highest = 0;
        for (position = to; position < to + on; position++) slots[position % capacity] = position;
        highest = Math.max(highest, position);
      }
    }),
    { numRuns: 300 },
  );
});

const smol = cachedModel("SmolLM2-135M-Instruct.Q4_1.gguf");
describe.skipIf(!smol)(
  `SmolLM2${smol ? "" : " (skipped: the model is not in the cache; npm run models)"}`,
  () => {
    let file: ModelFile;
    beforeAll(async () => {
      file = await openModel(smol!);
    });
    afterAll(() => file?.source.close());

    test("a prompt cut anywhere gives the same bits; logits are near those over f32", async () => {
      const tokens = Array.from({ length: 36 }, (_, i) => (i * 7919 + 13) % 49152);
      const last = (cacheType: CacheType, rows: number) =>
        withGenerator(file, { context: 64, cacheType, rows, activations: "f32" }, async (generator) => {
          await generator.feed(tokens);
          return [...generator.logits];
        });
      const exact = await last("f32", 36);
      for (const [type, tolerance] of [
        ["f16", 0.002],
        ["q8_0", 0.03],
      ] as const) {
        const prompt = await last(type, 36);
        const difference = deviation(prompt, exact);
        console.log(`${type} cache: logits differ by ${difference.toExponential(1)} of the largest`);
        expect(difference).toBeLessThan(tolerance);
        expect(await last(type, 5)).toEqual(prompt);
      }
    });
  },
);
