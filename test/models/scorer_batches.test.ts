import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openModel } from "../../src/llm/model_file.ts";
import type { AdapterBank } from "../../src/llm/models/graphs.ts";
import { adapterName } from "../../src/llm/models/graphs.ts";
import { loadWeights, type WeightType, weightDtypes } from "../../src/llm/models/load.ts";
import { type Choice, Scorer } from "../../src/llm/score.ts";
import { noise } from "../cases.ts";
import { tinyConfig, writeTinyModel } from "../lab/tiny.ts";

const SEED = 20_263;
const bank: AdapterBank = { rank: 4, roles: ["q", "k", "v", "o", "gate", "up", "down"], adapters: 5 };
const scorers = new Map<string, Scorer>();
let folder: string;
let model: string;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "edgewise-scorer-"));
  model = await writeTinyModel(folder);
});
afterAll(async () => {
  for (const scorer of scorers.values()) await scorer.close();
  rmSync(folder, { recursive: true });
});

/** A scorer with five adapters of random values in its bank; a narrow one holds one sequence of the whole context at a time. */
async function scorerOf(type: WeightType, narrow: boolean, threads = 1): Promise<Scorer> {
  const key = `${type} ${narrow} ${threads}`;
  const known = scorers.get(key);
  if (known) return known;
  const { config, gguf, source } = await openModel(model);
  const { context } = config;
  const sizes = narrow
    ? { rows: context, sequences: 1, outputs: 1 }
    : { rows: 700, sequences: 40, outputs: 16 };
  const spec = { config, dtype: weightDtypes(gguf, type), bank };
  const scorer = await Scorer.open({ model: spec, context, ...sizes, threads });
  await loadWeights(scorer.engine, config, gguf);
  await source.close();
  for (let layer = 0, seed = 0; layer < config.layers; layer++)
    for (const role of bank.roles)
      for (const half of ["a", "b"] as const) {
        const random = noise(seed++);
        const values = scorer.engine.f32(adapterName(layer, role, half));
        values.forEach((_, i) => {
          values[i] = random(i) / 4;
        });
      }
  scorers.set(key, scorer);
  return scorer;
}

const token = fc.integer({ min: 0, max: tinyConfig.vocabulary - 1 });
const tokens = (most: number) => fc.array(token, { minLength: 1, maxLength: most });
const choice: fc.Arbitrary<Choice> = fc
  .record({
    prompt: tokens(60),
    options: fc.oneof(
      fc.array(fc.tuple(token), { minLength: 2, maxLength: 12 }),
      fc.array(tokens(20), { minLength: 1, maxLength: 4 }),
    ),
    adapter: fc.option(fc.nat(bank.adapters - 1), { nil: undefined }),
    scale: fc.constantFrom(0.5, 1, 2),
  })
  .map(({ adapter, scale, ...rest }) => (adapter === undefined ? rest : { ...rest, adapter, scale }));

describe("many users with their own adapters in one plan score as each alone, to the bit", () => {
  test.each<[WeightType, number]>([
    ["f32", 1],
    ["f32", 2],
    ["f16", 1],
    ["q8_0", 1],
    ["q4_0", 1],
  ])(`%s, %i threads (seed ${SEED})`, async (type, threads) => {
    const together = await scorerOf(type, false, threads);
    const alone = await scorerOf(type, true);
    await fc.assert(
      fc.asyncProperty(fc.array(choice, { minLength: 1, maxLength: 24 }), async (requests) => {
        const one: number[][] = [];
        for (const request of requests) one.push(...(await alone.choices([request])));
        expect(await together.choices(requests)).toEqual(one);
      }),
      { seed: SEED, numRuns: 12 },
    );
  });

  test("an adapter makes a difference, and each another one", async () => {
    const scorer = await scorerOf("f32", false);
    const request = { prompt: [5, 6, 7], options: [[8], [9, 10]] };
    const scores = await scorer.choices([
      request,
      ...[0, 1, 2, 3, 4].map((adapter) => ({ ...request, adapter, scale: 1 })),
    ]);
    expect(new Set(scores.map((own) => own.join())).size).toBe(6);
  });

  test("options of one token are what they are as sequences of their own", async () => {
    const scorer = await scorerOf("f32", false);
    const prompt = [5, 6, 7, 300, 20];
    const options = [[8], [9], [200], [855]];
    const [together] = await scorer.choices([{ prompt, options }]);
    const apart = await scorer.continuations(
      options.map((option) => ({ tokens: [...prompt, ...option], from: prompt.length })),
    );
    // All options from the first one's loss and the logits beside it, against each option's own loss: rounded in another order.
    const errors = together.map((score, i) => Math.abs(score - apart[i]));
    expect(Math.max(...errors)).toBeLessThan(1e-5);
  });
});
