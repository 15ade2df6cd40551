/** The generation loop that is in the wasm itself, as a host without JavaScript calls it. */
import { expect, test } from "vitest";
import * as layout from "../../kernels/layout.ts";
import { planError } from "../../src/engine/host/errors.ts";
import type { InProcessHost } from "../../src/engine/host/in_process.ts";
import { Generator } from "../../src/llm/generate.ts";
import { openGolden } from "../models/golden.ts";

const PROMPT = [3, 17, 31, 5, 22];
const CONTEXT = 16;
const NEVER = 0xffffffff;

async function openSession() {
  const { file } = await openGolden("tied");
  const generator = await Generator.open(file, { context: CONTEXT, rows: 2, inProcess: true });
  const { engine } = generator;
  const [session, prompt] = ["session", "prompt"].map((name) => engine.place(name).offset);
  // the rest of the prompt's leaf takes the tokens that come out
  const out = prompt + 4 * PROMPT.length;
  const call = (name: string, ...values: number[]) =>
    (engine.host as InProcessHost).callSync(name, ...values) | 0;
  const put = (tokens: readonly number[]) => engine.u32("prompt").set(tokens);
  const made = (count: number) => [...engine.u32("prompt").subarray(PROMPT.length, PROMPT.length + count)];
  return { generator, session, prompt, out, call, put, made };
}

test("its tokens are those of the loop in JavaScript, up to the limit or the end token", async () => {
  const { generator, session, prompt, out, call, put, made } = await openSession();
  const expected: number[] = [];
  for await (const token of generator.generate(PROMPT, { maxTokens: 8 })) expected.push(token);
  const generate = (limit: number, end: number) => {
    generator.reset();
    put(PROMPT);
    return call("generate", session, prompt, PROMPT.length, out, limit, end);
  };
  expect(generate(8, NEVER)).toBe(8);
  expect(made(8)).toEqual(expected);
  const end = expected[3];
  const length = expected.indexOf(end) + 1;
  expect(generate(8, end)).toBe(length);
  expect(made(length)).toEqual(expected.slice(0, length));
  expect(generate(0, NEVER)).toBe(0);
});

test("it ends at any of the session's end tokens, and samples as the slots say", async () => {
  const { generator, session, prompt, out, call, put, made } = await openSession();
  const sampling = { temperature: 1.2, top_k: 20, top_p: 0.9, min_p: 0.01, repetition_penalty: 1.3, seed: 9 };
  const expected: number[] = [];
  for await (const token of generator.generate(PROMPT, { maxTokens: 8, ...sampling })) expected.push(token);
  const greedy: number[] = [];
  for await (const token of generator.generate(PROMPT, { maxTokens: 8 })) greedy.push(token);
  expect(greedy).not.toEqual(expected);
  const generate = (ends: number[]) => {
    generator.reset();
    generator.sample(sampling);
    generator.endTokens(ends);
    put(PROMPT);
    return call("generate", session, prompt, PROMPT.length, out, 8, NEVER);
  };
  expect(generate([])).toBe(8);
  expect(made(8)).toEqual(expected);
  const end = expected[4];
  const length = expected.indexOf(end) + 1;
  expect(generate([...new Array(15).fill(9999), end])).toBe(length);
  expect(made(length)).toEqual(expected.slice(0, length));
  expect(() => generator.endTokens(new Array(17).fill(1))).toThrow(/17 tokens .* holds 16/);
});

test("each call reports its own failure, whatever failed before", async () => {
  const { generator, session, prompt, out, call, put } = await openSession();
  const errorOf = () => planError(generator.engine.host.memory).record;
  put([9999]);
  expect(call("feed", session, prompt, 1)).toBe(layout.STATUS_FAILED);
  expect(errorOf().code).toBe(layout.ERROR_TOKEN);
  expect(call("feed", session, prompt, CONTEXT + 1)).toBe(layout.STATUS_FAILED);
  const tooLong = {
    code: layout.ERROR_POSITION,
    plan: 0,
    value: BigInt(CONTEXT + 1),
    limit: BigInt(CONTEXT),
  };
  expect(errorOf()).toMatchObject(tooLong);
  for (const limit of [0, 3])
    expect(call("generate", session, prompt, CONTEXT + 1, out, limit, NEVER)).toBe(-layout.STATUS_FAILED);
});
