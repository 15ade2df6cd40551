/** lm.chat.completions in OpenAI's shape, on a tiny model of random weights. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { InputError } from "../../src/errors.ts";
import type { ChatCompletionChunk } from "../../src/llm/chat/completions.ts";
import type { ChatMessage, ChatRequest } from "../../src/llm/chat/request.ts";
import { type LanguageModel, load } from "../../src/llm/language_model.ts";
import { chatModel } from "./models.ts";

let lm: LanguageModel;
beforeAll(async () => {
  lm = await load(await chatModel(), { inProcess: true });
});
afterAll(() => lm.dispose());

const user = (content: string): ChatMessage => ({ role: "user", content });
const greedy = { temperature: 0, max_tokens: 12 } as const;

async function stream(request: ChatRequest, model = lm): Promise<ChatCompletionChunk[]> {
  const chunks: ChatCompletionChunk[] = [];
  for await (const chunk of await model.chat.completions.create({ ...request, stream: true }))
    chunks.push(chunk);
  return chunks;
}
const textOf = (chunks: readonly ChatCompletionChunk[]) =>
  chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("");

test("a whole answer", async () => {
  const answer = await lm.chat.completions.create({ model: "any", messages: [user("The quick")], ...greedy });
  expect(answer).toMatchObject({ object: "chat.completion", model: "any" });
  expect(answer.id).toMatch(/^chatcmpl-/);
  expect(Math.abs(answer.created - Date.now() / 1e3)).toBeLessThan(60);
  const [choice] = answer.choices;
  expect(choice).toMatchObject({ index: 0, logprobs: null, finish_reason: "length" });
  expect(choice.message.role).toBe("assistant");
  const { usage } = answer;
  expect(usage.prompt_tokens).toBe((await lm.chat.tokens([{ role: "user", content: "The quick" }])).length);
  expect(usage).toMatchObject({ completion_tokens: 12, total_tokens: usage.prompt_tokens + 12 });
  expect(Object.keys(usage.extra)).toContain("time_to_first_token_s");
});

test("a stream: role, text, end, usage; the same text as in one piece", async () => {
  const request = { messages: [user("The dog")], ...greedy } as const;
  const answer = await lm.chat.completions.create(request);
  const chunks = await stream({ ...request, stream_options: { include_usage: true } });
  expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
  expect(chunks[0].choices[0].delta).toEqual({ role: "assistant", content: "" });
  expect(textOf(chunks)).toBe(answer.choices[0].message.content);
  const ends = chunks.map(({ choices }) => choices[0]?.finish_reason ?? null).filter((end) => end !== null);
  expect(ends).toEqual(["length"]);
  expect(chunks.at(-2)!.choices[0]).toMatchObject({ delta: {}, finish_reason: "length" });
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 12 } });
  expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
  expect((await stream(request)).some((chunk) => "usage" in chunk)).toBe(false);
});

test("log-probabilities of the tokens that were made", async () => {
  const asked = { ...greedy, logprobs: true, top_logprobs: 2 } as const;
  const answer = await lm.chat.completions.create({ messages: [user("The fox")], ...asked });
  const content = answer.choices[0].logprobs!.content;
  expect(content).toHaveLength(12);
  for (const each of content) {
    expect(each.top_logprobs).toHaveLength(2);
    expect(each.logprob).toBe(each.top_logprobs[0].logprob); // greedy takes the likeliest
    expect(Object.keys(each).sort()).toEqual(["bytes", "logprob", "token", "top_logprobs"]);
  }
  const chunks = await stream({ messages: [user("The fox")], ...asked });
  expect(chunks.flatMap(({ choices }) => choices[0].logprobs?.content ?? [])).toEqual(content);
});

test("a stop string ends the answer before it", async () => {
  const whole = await lm.chat.completions.create({ messages: [user("The rug")], ...greedy });
  const text = whole.choices[0].message.content;
  const stop = text.slice(4, 6);
  const answer = await lm.chat.completions.create({ messages: [user("The rug")], ...greedy, stop });
  expect(answer.choices[0]).toMatchObject({
    finish_reason: "stop",
    message: { content: text.slice(0, text.indexOf(stop)) },
  });
});

test("a second turn computes only what is new, whatever tokens the answer was made of", async () => {
  const fresh = await load(await chatModel(), { inProcess: true });
  for (const seed of [1, 2, 3]) {
    const messages = [user(`The quick ${seed}`)];
    for (let turn = 0; turn < 3; turn++) {
      const rows = fresh.rows;
      const asked = { messages, temperature: 2, seed: seed + turn, max_tokens: 10 };
      const { choices, usage } = await fresh.chat.completions.create(asked);
      const cached = usage.prompt_tokens_details.cached_tokens;
      // The last token made is sampled, not computed; an end token neither.
      const computed =
        choices[0].finish_reason === "stop" ? usage.completion_tokens : usage.completion_tokens - 1;
      expect(fresh.rows - rows).toBe(usage.prompt_tokens - cached + computed);
      // All of the last turn but its last token and what the template writes behind it.
      const kept = (await fresh.chat.tokens(messages as never)).length;
      expect(kept).toBe(usage.prompt_tokens);
      if (turn > 0) expect(cached).toBeGreaterThanOrEqual(previous - 1);
      previous = usage.total_tokens;
      messages.push(choices[0].message, user("and"));
    }
    previous = 0;
  }
  await fresh.dispose();
});
let previous = 0;

test("a full context ends the answer with length; a prompt beyond it is refused", async () => {
  const small = await load(await chatModel(), { inProcess: true, context: 32 });
  const { choices, usage } = await small.chat.completions.create({ messages: [user("The")], temperature: 0 });
  expect(choices[0].finish_reason).toBe("length");
  expect(usage.total_tokens).toBeGreaterThanOrEqual(32);
  const long = small.chat.completions.create({ messages: [user("quick ".repeat(40))] });
  await expect(long).rejects.toThrow(/the context is 32/);
  await small.dispose();
});

test("a signal ends the answer with abort; the next goes on", async () => {
  const controller = new AbortController();
  let text = "";
  const request = {
    messages: [user("The")],
    temperature: 0,
    stream: true,
    signal: controller.signal,
  } as const;
  let finish: string | null = null;
  for await (const { choices } of await lm.chat.completions.create(request)) {
    text += choices[0].delta.content ?? "";
    finish = choices[0].finish_reason;
    if (text.length > 3) controller.abort();
  }
  expect(finish).toBe("abort");
  expect((await lm.chat.completions.create({ messages: [user("The")], ...greedy })).choices).toHaveLength(1);
});

test("several at once wait for each other", async () => {
  const ask = (text: string) => lm.chat.completions.create({ messages: [user(text)], ...greedy });
  const alone = [await ask("fox"), await ask("dog")].map(({ choices }) => choices[0].message.content);
  const together = await Promise.all([ask("fox"), ask("dog")]);
  expect(together.map(({ choices }) => choices[0].message.content)).toEqual(alone);
});

describe("is refused by name", () => {
  const messages = [user("hi")];
  const cases: readonly (readonly [string, object, RegExp])[] = [
    ["tools", { messages, tools: [] }, /"tools" is not supported; these fields are: model, messages/],
    ["a misspelt field", { messages, temprature: 1 }, /"temprature"/],
    ["two answers", { messages, n: 2 }, /n is 2; only 1/],
    ["two limits", { messages, max_tokens: 1, max_completion_tokens: 2 }, /mean the same/],
    ["top_logprobs alone", { messages, top_logprobs: 2 }, /logprobs is not true/],
    ["stream_options alone", { messages, stream_options: {} }, /stream is not true/],
    ["a temperature below 0", { messages, temperature: -1 }, /temperature is -1/],
    ["no messages", {}, /messages must be a list/],
    ["no message", { messages: [] }, /messages must be a list/],
    [
      "a role that is not known",
      { messages: [{ role: "tool", content: "x" }] },
      /messages\[0\] has role "tool"/,
    ],
    ["a picture", { messages: [{ role: "user", content: [{ type: "image_url" }] }] }, /type "image_url"/],
    ["no content", { messages: [{ role: "user" }] }, /has no content of text/],
    ["a call of a tool", { messages: [{ role: "assistant", content: "", tool_calls: [] }] }, /"tool_calls"/],
  ];
  test.each(cases)("%s", async (_what, request, message) => {
    const answer = lm.chat.completions.create(request as ChatRequest);
    await expect(answer).rejects.toThrow(InputError);
    await expect(answer).rejects.toThrow(message);
  });
});

test("fields that are null are absent, parts of text are joined", async () => {
  const parts = [
    { type: "text", text: "The " },
    { type: "text", text: "fox" },
  ] as const;
  const plain = await lm.chat.completions.create({ messages: [user("The fox")], ...greedy });
  const asked = { messages: [{ role: "user", content: parts }], tools: null, seed: null, ...greedy } as const;
  expect((await lm.chat.completions.create(asked as ChatRequest)) as unknown).toMatchObject({
    choices: [{ message: plain.choices[0].message }],
  });
});

test("a model without a template says so; one can be chosen", async () => {
  const bare = await load(await chatModel(null), { inProcess: true });
  const ask = () => bare.chat.completions.create({ messages: [user("The fox")], ...greedy });
  await expect(ask()).rejects.toThrow(/has no chat template/);
  await expect(ask()).rejects.toThrow(/has no chat template/);
  await expect(bare.chat.use("gemma")).rejects.toThrow(/needs the token/);
  await bare.chat.use("chatml");
  expect((await ask()).usage.prompt_tokens).toBeGreaterThan(5);
  await bare.dispose();
});
