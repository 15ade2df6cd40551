/** The library: from a file to pieces of text. */
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { GenerateOptions } from "../../src/llm/generate_options.ts";
import { type LanguageModel, load, type Piece } from "../../src/llm/language_model.ts";
import { StopStrings } from "../../src/llm/stop_strings.ts";
import { cachedModel } from "../shared.ts";

const MODEL = path.join(import.meta.dirname, "../../models/edgewise-m.gguf");
const PROMPT = "I have the honour";

let lm: LanguageModel;
beforeAll(async () => {
  lm = await load(MODEL, { inProcess: true, context: 160 });
});
afterAll(() => lm.dispose());

async function collect(pieces: AsyncIterable<Piece>): Promise<Piece[]> {
  const found: Piece[] = [];
  for await (const piece of pieces) found.push(piece);
  return found;
}

async function answer(prompt: string | readonly number[], options: GenerateOptions, model = lm) {
  const pieces = await collect(model.generate(prompt, options));
  const text = pieces.map((piece) => piece.text).join("");
  const tokens = pieces.flatMap((piece) => piece.tokens);
  expect(pieces.slice(0, -1).every((piece) => piece.text !== "" && !piece.finish_reason)).toBe(true);
  return { text, tokens, pieces, finish: pieces.at(-1)!.finish_reason };
}

describe("generate", () => {
  test("streams whole characters, and says how it ended and what it took", async () => {
    const { text, tokens, finish } = await answer(PROMPT, { max_tokens: 12 });
    expect(tokens).toHaveLength(12);
    expect(text).toBe(lm.tokenizer.decode(tokens, { continued: true }));
    expect(finish).toBe("length");
    const prompt = lm.tokenizer.encode(PROMPT).length;
    expect(lm.usage).toMatchObject({
      prompt_tokens: prompt,
      cached_tokens: 0,
      completion_tokens: 12,
      total_tokens: prompt + 12,
    });
    for (const [name, value] of Object.entries(lm.usage!))
      if (/_s$/.test(name)) expect(value, name).toBeGreaterThan(0);
  });

  test("a conversation of three turns computes only what is new, and says what it would say from the start", async () => {
    await using fresh = await load(MODEL, { inProcess: true, context: 160 });
    await using talking = await load(MODEL, { inProcess: true, context: 160 });
    const options = { max_tokens: 6, temperature: 0.8, top_k: 20, repetition_penalty: 1.2, seed: 5 };
    let conversation: number[] = [];
    let cached = 0;
    for (const said of ["The state of the Union", " and the people", " shall not be forgotten"]) {
      conversation = [
        ...conversation,
        ...lm.tokenizer.encode(said, { bos: conversation.length === 0 ? undefined : false }),
      ];
      const before = talking.rows;
      const { tokens, finish } = await answer(conversation, options, talking);
      expect(finish).toBe("length");
      expect(talking.usage!.cached_tokens).toBe(cached);
      // The answer's last token is not fed; it is computed with the next turn.
      expect(talking.rows - before).toBe(conversation.length - cached + tokens.length - 1);
      await answer("Something else", { max_tokens: 1 }, fresh);
      expect((await answer(conversation, options, fresh)).tokens).toEqual(tokens);
      cached = conversation.length + tokens.length - 1;
      conversation = [...conversation, ...tokens];
    }
    // The same prompt once more costs its last row.
    const before = talking.rows;
    await answer(conversation, { max_tokens: 1 }, talking);
    await answer(conversation, { max_tokens: 1 }, talking);
    expect(talking.usage!.cached_tokens).toBe(conversation.length - 1);
    expect(talking.rows - before).toBe(conversation.length - cached + 1);
  });

  test("ends before a stop string, wherever tokens are cut, and returns nothing of it", async () => {
    const { text } = await answer(PROMPT, { max_tokens: 40 });
    for (const [from, to] of [
      [3, 4],
      [5, 12],
      [10, 25],
      [0, 6],
    ]) {
      const stop = text.slice(from, to);
      const found = await answer(PROMPT, { max_tokens: 40, stop: ["never ever", stop] });
      expect(found.text).toBe(text.slice(0, text.indexOf(stop)));
      expect(found.finish).toBe("stop");
    }
    // What only begins like a stop string comes out in the end.
    const end = text.slice(-4);
    const held = await answer(PROMPT, { max_tokens: 40, stop: `${end}, and no more` });
    expect(held).toMatchObject({ text, finish: "length" });
  });

  test("ends at an end token, which is neither returned nor counted", async () => {
    const { tokens } = await answer(PROMPT, { max_tokens: 30 });
    const end = tokens[9];
    const ends = lm.tokenizer.endTokens as Set<number>;
    const [first] = [tokens.indexOf(end)];
    ends.add(end);
    try {
      const found = await answer(PROMPT, { max_tokens: 30 });
      expect(found.tokens).toEqual(tokens.slice(0, first));
      expect(found.finish).toBe("stop");
      expect(lm.usage!.completion_tokens).toBe(first);
    } finally {
      ends.delete(end);
    }
  });

  test("a full context ends with length; a prompt beyond it is refused, and nothing is dropped", async () => {
    const prompt = Array.from({ length: 157 }, (_, i) => 260 + (i % 40));
    const { tokens, finish } = await answer(prompt, {});
    // Positions 157, 158 and 159 are fed; the token after the last position is made, too.
    expect(tokens).toHaveLength(4);
    expect(finish).toBe("length");
    expect(await answer([...prompt, 1, 2, 3], {})).toMatchObject({ finish: "length" });
    expect(lm.usage!.completion_tokens).toBe(1);
    expect(() => lm.generate([...prompt, 1, 2, 3, 4], {})).toThrow(
      /prompt has 161 tokens, the context is 160; load the model with a larger one/,
    );
    expect(() => lm.generate([], {})).toThrow(/prompt is empty/);
    expect(() => lm.generate([5, 1e6], {})).toThrow(/prompt has the token 1000000 at 1; tokens are whole/);
  });

  test("log-probabilities of the raw logits, whatever the sampling", async () => {
    const sampling = { temperature: 1.5, top_k: 5, repetition_penalty: 1.5, seed: 2 };
    const { pieces, tokens } = await answer(PROMPT, { max_tokens: 8, logprobs: 5, ...sampling });
    const all = pieces.flatMap((piece) => piece.logprobs!);
    expect(all.map(({ id }) => id)).toEqual(tokens);
    for (const { token, bytes, logprob, top_logprobs } of all) {
      expect(new TextDecoder().decode(Uint8Array.from(bytes))).toBe(token);
      expect(top_logprobs).toHaveLength(5);
      const sorted = [...top_logprobs].sort((a, b) => b.logprob - a.logprob);
      expect(top_logprobs).toEqual(sorted);
      expect(logprob).toBeLessThanOrEqual(top_logprobs[0].logprob);
      expect(top_logprobs.reduce((sum, top) => sum + Math.exp(top.logprob), 0)).toBeLessThan(1 + 1e-9);
    }
    const [scores] = await lm.score([[...lm.tokenizer.encode(PROMPT), ...tokens]]);
    scores.logprobs.slice(-8).forEach((value, i) => {
      expect(all[i].logprob).toBeCloseTo(value!, 4);
    });
    expect((await answer(PROMPT, { max_tokens: 1 })).pieces[0]).not.toHaveProperty("logprobs");
  });

  test("the same seed gives the same text, another one another", async () => {
    const say = (seed: number) => answer(PROMPT, { max_tokens: 20, temperature: 1, seed });
    const first = await say(1);
    expect((await say(1)).text).toBe(first.text);
    expect((await say(2)).text).not.toBe(first.text);
  });

  test("options out of their range are refused by name", () => {
    const wrong: [GenerateOptions, RegExp][] = [
      [{ max_tokens: 0 }, /max_tokens is 0; must be a whole number from 1/],
      [{ temperature: -1 }, /temperature is -1; must be from 0 to 100/],
      [{ temperature: Number.NaN }, /temperature is NaN/],
      [{ top_k: 1.5 }, /top_k is 1.5/],
      [{ top_p: 0 }, /top_p is 0; must be above 0 and at most 1/],
      [{ min_p: 2 }, /min_p is 2/],
      [{ repetition_penalty: 0 }, /repetition_penalty is 0/],
      [{ seed: -1 }, /seed is -1/],
      [{ logprobs: 21 }, /logprobs is 21; must be a whole number from 0 to 20/],
      [{ stop: ["a", ""] }, /stop has an empty string/],
      [{ seed: "1" as unknown as number }, /seed is 1; must be/],
    ];
    for (const [options, message] of wrong) expect(() => lm.generate("a", options)).toThrow(message);
  });
});

describe("one thing at a time", () => {
  test("a second generation waits for the first, also when its loop is left", async () => {
    const alone = [await answer("The people", { max_tokens: 10 }), await answer("No", { max_tokens: 10 })];
    const both = await Promise.all([
      answer("The people", { max_tokens: 10 }),
      answer("No", { max_tokens: 10 }),
      lm.score(["A text"]),
    ]);
    expect(both.slice(0, 2)).toMatchObject(alone.map(({ text }) => ({ text })));
    for await (const piece of lm.generate("The people", {})) if (piece.text) break;
    expect((await answer("No", { max_tokens: 10 })).text).toBe(alone[1].text);
  });

  test("a signal ends an answer, and one that is waiting", async () => {
    const alone = await answer("The people", { max_tokens: 8 });
    const pieces = lm.generate("The people", { max_tokens: 8 });
    const first = (await pieces.next()).value!;
    expect(first).not.toHaveProperty("finish_reason");
    const controller = new AbortController();
    const waiting = collect(lm.generate("No", { signal: controller.signal }));
    controller.abort();
    expect(await waiting).toMatchObject([{ text: "", tokens: [], finish_reason: "abort" }]);
    // The one that runs notices nothing of it.
    const rest = await collect(pieces);
    expect([first, ...rest].map(({ text }) => text).join("")).toBe(alone.text);
    const given = await collect(lm.generate("No", { signal: AbortSignal.abort() }));
    expect(given).toMatchObject([{ tokens: [], finish_reason: "abort" }]);
    const half = new AbortController();
    const found: Piece[] = [];
    for await (const piece of lm.generate("The people", { signal: half.signal })) {
      found.push(piece);
      if (found.length === 3) half.abort();
    }
    expect(found).toHaveLength(4);
    expect(found[3].finish_reason).toBe("abort");
  });

  test("dispose ends an answer cleanly; after it everything is refused", async () => {
    const model = await load(MODEL, { context: 64 });
    const pieces = model.generate(PROMPT, { max_tokens: 50 });
    await pieces.next();
    const waiting = collect(model.generate(PROMPT, {}));
    const disposed = model.dispose();
    expect((await collect(pieces)).at(-1)!.finish_reason).toBe("abort");
    expect((await waiting).at(-1)!.finish_reason).toBe("abort");
    await disposed;
    await model.dispose();
    expect(() => model.generate(PROMPT)).toThrow(/disposed; load it again/);
    await expect(model.score([PROMPT])).rejects.toThrow(/disposed; load it again/);
  });

  test("using and await using dispose", async () => {
    let kept: LanguageModel;
    {
      await using model = await load(MODEL, { inProcess: true, context: 32 });
      kept = model;
    }
    expect(() => kept.generate(PROMPT)).toThrow(/disposed/);
    {
      using model = await load(MODEL, { inProcess: true, context: 32 });
      kept = model;
    }
    expect(() => kept.generate(PROMPT)).toThrow(/disposed/);
  });
});

describe("load", () => {
  test("says how far it is, and ends with a signal", async () => {
    const steps: [number, number][] = [];
    await using model = await load(MODEL, {
      inProcess: true,
      context: 32,
      onProgress: (done, total) => steps.push([done, total]),
    });
    expect(model.context).toBe(32);
    expect(steps.length).toBeGreaterThan(3);
    expect(steps.every(([done], i) => i === 0 || done >= steps[i - 1][0])).toBe(true);
    expect(steps.at(-1)![0]).toBe(steps[0][1]);
    const controller = new AbortController();
    const stopped = load(MODEL, { onProgress: () => controller.abort(), signal: controller.signal });
    await expect(stopped).rejects.toThrow(/abort/);
  });

  test("what does not fit is refused with every part, before anything is allocated", async () => {
    await expect(load(MODEL, { memoryLimit: 1 << 20 })).rejects.toThrow(
      /needs .*constants .* limit is 1.00 MiB/,
    );
    await expect(load("no such file.gguf")).rejects.toThrow(/no such file/);
  });
});

test("stop strings: the text before the first one, however it is cut", () => {
  const letters = (max: number) => fc.string({ unit: fc.constantFrom("a", "b", "é"), maxLength: max });
  const stops = fc.array(
    letters(4).filter((stop) => stop !== ""),
    { maxLength: 3 },
  );
  fc.assert(
    fc.property(fc.array(letters(5), { maxLength: 8 }), stops, (parts, strings) => {
      const stream = new StopStrings(strings);
      const out: string[] = [];
      for (const part of parts) out.push(stream.push(part));
      const before = out.join("");
      const all = parts.join("");
      const starts = strings.map((stop) => all.indexOf(stop)).filter((at) => at >= 0);
      if (stream.found) {
        // A longer one that begins earlier may not have been complete when the first was found.
        const least = Math.min(...starts);
        expect(before.length).toBeGreaterThanOrEqual(least);
        expect(strings.some((stop) => all.startsWith(stop, before.length))).toBe(true);
        for (const stop of strings) expect(before.includes(stop)).toBe(false);
      } else {
        expect(starts).toEqual([]);
        expect(before + stream.end()).toBe(all);
        // No more is held back than may yet become one.
        const held = all.slice(before.length);
        if (held) expect(strings.some((stop) => stop.startsWith(held))).toBe(true);
      }
    }),
    { numRuns: 2000 },
  );
});

const smol = cachedModel("SmolLM2-135M-Instruct.Q4_1.gguf");
describe.skipIf(!smol)(`SmolLM2${smol ? "" : " (skipped: not in the cache; npm run models)"}`, () => {
  test("stops in the middle of a long prompt, and goes on from what was computed", async () => {
    await using model = await load(smol!, { context: 2048, threads: 1 });
    const prompt = Array.from({ length: 1500 }, (_, i) => 1000 + ((i * 37) % 20000));
    // until the first of twelve parts of the prompt is done: the second takes no longer than that
    for (let wait = 100; model.rows === 0; wait *= 2) {
      const controller = new AbortController();
      const pieces = collect(model.generate(prompt, { signal: controller.signal }));
      await sleep(wait);
      controller.abort();
      expect(await pieces).toMatchObject([{ text: "", tokens: [], finish_reason: "abort" }]);
    }
    const rows = model.rows;
    expect(rows).toBeLessThan(prompt.length);
    const { tokens } = await answer(prompt.slice(0, rows + 20), { max_tokens: 2 }, model);
    expect(model.usage!.cached_tokens).toBe(rows);
    expect(tokens).toHaveLength(2);
  });
});
