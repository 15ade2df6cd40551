/** Scores of whole texts: what they share is computed once, and the bits are those of each alone. */
import path from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Generator } from "../../src/llm/generate.ts";
import { type LanguageModel, load } from "../../src/llm/language_model.ts";
import { logprobsOf } from "../../src/llm/logprobs.ts";
import { openModel } from "../../src/llm/model_file.ts";
import { loadWeights, weightDtypes } from "../../src/llm/models/load.ts";
import { Scorer } from "../../src/llm/score.ts";
import { scoreTexts } from "../../src/llm/score_texts.ts";
import { openGolden } from "../models/golden.ts";

const MODEL = path.join(import.meta.dirname, "../../models/edgewise-m.gguf");
const PROMPT = "I have the honour to be, gentlemen of the Senate, your obedient servant; the answer is";

let one: LanguageModel;
let three: LanguageModel;
beforeAll(async () => {
  one = await load(MODEL, { inProcess: true, rows: 16, context: 128 });
  three = await load(MODEL, { inProcess: true, rows: 16, context: 128, scoring: { sequences: 3 } });
});
afterAll(async () => {
  await one.dispose();
  await three.dispose();
});

const bits = (values: readonly (number | null)[]) =>
  values.map((value) => value && Math.fround(value) === value);

test("each token's log-likelihood is that of the graph without a cache, to the bit, and of teacher-forced logits", async () => {
  const text = `${PROMPT} yes`;
  const [{ tokens, logprobs }] = await one.score([text]);
  expect(tokens).toEqual(one.tokenizer.encode(text));
  expect(logprobs).toHaveLength(tokens.length);
  expect(logprobs[0]).toBeNull();
  expect(bits(logprobs.slice(1)).every(Boolean)).toBe(true);

  const file = await openModel(MODEL);
  const model = { config: file.config, dtype: weightDtypes(file.gguf, "file") };
  const scorer = await Scorer.open({ model, context: 128, rows: 128, sequences: 1, inProcess: true });
  await loadWeights(scorer.engine, file.config, file.gguf);
  for (const from of [1, 5, tokens.length - 1]) {
    const [expected] = await scorer.continuations([{ tokens: tokens.slice(0, from + 1), from }]);
    expect(logprobs[from]).toBe(expected);
  }
  const generator = await Generator.open(file, { inProcess: true, context: 128 });
  for (let i = 1; i < tokens.length; i++) {
    await generator.feed([tokens[i - 1]]);
    expect(logprobsOf(generator.logits, tokens[i], 0, one.tokenizer).logprob).toBeCloseTo(logprobs[i]!, 4);
  }
  await scorer.close();
  await generator.close();
  await file.source.close();
});

test("four choices after one prompt compute the prompt once, and nothing twice", async () => {
  const prompt = one.tokenizer.encode(PROMPT);
  const choices = [[260], [261, 262], [263, 264, 265], [266]].map((tokens) => [...prompt, ...tokens]);
  for (const lm of [one, three]) {
    const before = lm.rows;
    const scores = await lm.score(choices);
    // The last token of a text predicts nothing and is not run.
    expect(lm.rows - before).toBe(prompt.length + 0 + 1 + 2 + 0);
    const alone = await Promise.all(choices.map(async (choice) => (await lm.score([choice]))[0]));
    expect(scores).toEqual(alone);
    // A second time everything but what other texts have overwritten is there; a text that is known as a whole costs its last row.
    const again = lm.rows;
    await lm.score([choices[0]]);
    expect(lm.rows - again).toBeLessThanOrEqual(prompt.length);
  }
});

test("texts of any shape: in one cache, in three, and one by one the same bits; rows are those of their common tree", async () => {
  const token = fc.integer({ min: 259, max: 261 });
  const text = fc.array(token, { minLength: 1, maxLength: 24 });
  const tree = (texts: readonly (readonly number[])[]) => {
    const nodes = new Set<string>();
    for (const each of texts)
      for (let end = 1; end < each.length; end++) nodes.add(each.slice(0, end).join());
    return nodes.size;
  };
  const golden = await openGolden("tied");
  const open = (sequences: number) =>
    Generator.open(golden.file, { context: 32, rows: 8, inProcess: true, scoring: { sequences } });
  const [single, triple] = [await open(1), await open(3)];
  await fc.assert(
    fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 7 }), async (given) => {
      const texts = given.map((each) => each.map((id) => id % 48));
      const alone = [];
      for (const each of texts) {
        single.reset();
        alone.push(...(await scoreTexts(single, [each])));
      }
      for (const generator of [single, triple]) {
        for (const cache of generator.caches) cache.keep(0);
        const before = generator.rows;
        expect(await scoreTexts(generator, texts)).toEqual(alone);
        if (generator === single) expect(generator.rows - before).toBe(tree(texts));
        else expect(generator.rows - before).toBeGreaterThanOrEqual(tree(texts));
      }
    }),
    { numRuns: 25 },
  );
});

test("a conversation goes on after scores, and scores use what it has left", async () => {
  const collect = async () => {
    let text = "";
    for await (const piece of one.generate(PROMPT, { max_tokens: 8 })) text += piece.text;
    return text;
  };
  const first = await collect();
  const before = one.rows;
  const prompt = one.tokenizer.encode(PROMPT);
  await one.score([[...prompt, 300]]);
  // Every token needs its log-probability, which generation did not compute.
  expect(one.rows - before).toBe(prompt.length);
  expect(await collect()).toBe(first);
  await one.score(["Something else altogether"]);
  expect(await collect()).toBe(first);
});

test("texts without anything to score, too long ones, and a model loaded without scoring", async () => {
  expect(await one.score([])).toEqual([]);
  expect(await one.score([[], [5]])).toEqual([
    { tokens: [], logprobs: [] },
    { tokens: [5], logprobs: [null] },
  ]);
  await expect(one.score([new Array(129).fill(5)])).rejects.toThrow(
    /text 0 has 129 tokens, the context is 128/,
  );
  await expect(one.score(["a"], { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow(
    "enough",
  );
  await using plain = await load(MODEL, { inProcess: true, context: 128, scoring: false });
  expect(plain.memory.plans).toBeLessThan(one.memory.plans);
  expect(three.memory.state).toBe(3 * one.memory.state);
  await expect(plain.score(["a"])).rejects.toThrow(/scoring: false/);
});
