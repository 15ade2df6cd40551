/** Generation: a model that nobody here made beside transformers, threads and chunks to the bit, and several users at once. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { Engine } from "../../src/engine/host/engine.ts";
import { compile } from "../../src/engine/plan/program.ts";
import { type Sequence, writeBatch } from "../../src/llm/batch.ts";
import { type GenerationSetup, Generator } from "../../src/llm/generate.ts";
import { openModel } from "../../src/llm/model_file.ts";
import { generateGraph } from "../../src/llm/models/graphs.ts";
import { loadWeights, STAGING_BYTES, type WeightType, weightDtypes } from "../../src/llm/models/load.ts";
import { Scorer } from "../../src/llm/score.ts";
import { sharedData } from "../shared.ts";
import { CONTEXT, fillBank, openGolden, SLOTS, specOf } from "./golden.ts";

const stories = sharedData("models/stories260Ktok512.gguf");
const absent = stories ? "" : " (skipped: shared/data/models/stories260Ktok512.gguf is absent)";
/** The file says 128, but the model was trained with 512. */
const STORY_CONTEXT = 512;
const golden = JSON.parse(
  readFileSync(path.join(import.meta.dirname, "../golden/stories260k.json"), "utf8"),
) as { prompt: number[]; tokens: number[]; meanLoss: number };

async function withModel<T>(use: (file: Awaited<ReturnType<typeof openModel>>) => Promise<T>): Promise<T> {
  const file = await openModel(stories!);
  try {
    return await use(file);
  } finally {
    await file.source.close();
  }
}

/** Greedy tokens after the golden prompt, with the logits behind each. */
function continueStory(setup: GenerationSetup) {
  return withModel(async (file) => {
    const generator = await Generator.open(file, { context: STORY_CONTEXT, ...setup });
    const tokens: number[] = [];
    const logits: Float32Array[] = [];
    for await (const token of generator.generate(golden.prompt, { maxTokens: golden.tokens.length })) {
      tokens.push(token);
      logits.push(generator.logits.slice(0, file.config.vocabulary));
    }
    await generator.close();
    return { tokens, logits };
  });
}

describe.skipIf(!stories)(`stories260K${absent}`, () => {
  test("200 greedy tokens are those of transformers", async () => {
    expect((await continueStory({ inProcess: true })).tokens).toEqual(golden.tokens);
  });

  test("threads and chunks of the prompt change no bit of any logit", async () => {
    const whole = await continueStory({ inProcess: true });
    expect(await continueStory({ threads: 1 })).toEqual(whole);
    expect(await continueStory({ threads: 2 })).toEqual(whole);
    expect(await continueStory({ threads: 2, rows: 2 })).toEqual(whole);
    expect(await continueStory({ inProcess: true, rows: 1 })).toEqual(whole);
  });

  test("the logits of a long prompt are the same bits, whole, chunked and on threads", async () => {
    const prompt = [...golden.prompt, ...golden.tokens];
    const last = (setup: GenerationSetup) =>
      withModel(async (file) => {
        const generator = await Generator.open(file, { context: STORY_CONTEXT, ...setup });
        await generator.feed(prompt);
        const logits = generator.logits.slice(0, file.config.vocabulary);
        await generator.close();
        return logits;
      });
    const whole = await last({ inProcess: true, rows: 256 });
    for (const rows of [1, 7, 128]) expect(await last({ inProcess: true, rows })).toEqual(whole);
    for (const rows of [13, 256]) expect(await last({ threads: 2, rows })).toEqual(whole);
  });

  test("perplexity of Q8_0 is within 1 % of f32's", async () => {
    const perplexity = (type: WeightType) =>
      withModel(async (file) => {
        const model = { config: file.config, dtype: weightDtypes(file.gguf, type) };
        const scorer = await Scorer.open({
          model,
          context: STORY_CONTEXT,
          rows: 256,
          sequences: 1,
          inProcess: true,
        });
        await loadWeights(scorer.engine, file.config, file.gguf);
        const tokens = [...golden.prompt, ...golden.tokens];
        const [total] = await scorer.continuations([{ tokens, from: 1 }]);
        return Math.exp(-total / (tokens.length - 1));
      });
    const f32 = await perplexity("f32");
    expect(Math.log(f32)).toBeCloseTo(golden.meanLoss, 6);
    const [f16, q8, q4] = [await perplexity("f16"), await perplexity("q8_0"), await perplexity("q4_0")];
    const ratios = [f16, q8, q4].map((value) => (value / f32).toFixed(4));
    console.log(
      `perplexity f32 ${f32.toFixed(4)}; × f32: F16 ${ratios[0]}, Q8_0 ${ratios[1]}, Q4_0 ${ratios[2]}`,
    );
    expect(q8).toBeLessThanOrEqual(1.01 * f32);
    expect(q4).toBeGreaterThan(f32);
  });
});

test("several users decode in one batch what they decode alone, to the bit", async () => {
  const tiny = await openGolden("tied");
  const users = [
    { tokens: [3, 17, 31], adapter: 0, scale: 2 },
    { tokens: [5], adapter: 1, scale: 0.5 },
    { tokens: [22, 8, 9, 30, 1] },
  ];
  for (const type of ["file", "q8_0"] as const) {
    const model = specOf(tiny, "all", type);
    const program = compile(
      { generate: generateGraph(model, { context: CONTEXT, caches: users.length }) },
      { slots: { ...SLOTS, outputs: users.length }, threads: 1, arenaBytes: STAGING_BYTES },
    );
    const engine = await Engine.open(program, { inProcess: true });
    await loadWeights(engine, tiny.file.config, tiny.file.gguf);
    fillBank(engine, tiny, model.bank!);
    const together = await decode(engine, users);
    expect(together).toEqual([
      ...(await decode(engine, users.slice(0, 1))),
      ...(await decode(engine, users.slice(1, 2))),
      ...(await decode(engine, users.slice(2))),
    ]);
    expect(new Set(together.map((tokens) => tokens.join())).size).toBe(users.length);
  }
});

/** Eight greedy tokens of each user and the bits of the last logits, all users in one batch. */
async function decode(engine: Engine, users: readonly Sequence[]): Promise<number[][]> {
  const found: number[][] = users.map(() => []);
  let batch: Sequence[] = users.map((user, cache) => ({ ...user, cache, firstKey: 0 }));
  for (let step = 0; step < 8; step++) {
    const sizes = writeBatch(engine, batch);
    let end = 0;
    const last = batch.map(({ tokens }) => (end += tokens.length) - 1);
    engine.u32("output_row").set(last);
    engine.host.control.setSlots({ temperature: 0 });
    await engine.run("generate", "all", { ...sizes, outputs: batch.length });
    const next = engine.u32("next_token");
    batch = batch.map((one, i) => {
      found[i].push(next[i]);
      return { ...one, tokens: [next[i]], firstKey: (one.firstKey ?? 0) + one.tokens.length };
    });
  }
  const logits = new Uint32Array(engine.f32("logits").slice().buffer);
  const vocabulary = logits.length / engine.program.slots.outputs;
  return found.map((tokens, i) => [...tokens, ...logits.subarray(i * vocabulary, (i + 1) * vocabulary)]);
}
