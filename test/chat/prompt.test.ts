/** What a message says stays text; tokens are those of the whole text wherever no message tries otherwise. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InputError } from "../../src/errors.ts";
import { builtinTemplates } from "../../src/llm/chat/builtin.ts";
import { PromptWriter } from "../../src/llm/chat/prompt.ts";
import { ChatTemplate, type Message, templateOf } from "../../src/llm/chat/template.ts";
import { Metadata } from "../../src/llm/files/metadata.ts";
import { openModel } from "../../src/llm/model_file.ts";
import { Tokenizer } from "../../src/llm/tokenizer/tokenizer.ts";
import { cachedModel } from "../shared.ts";
import { chatTemplate, chatVocabulary } from "./models.ts";

const tokenizer = Tokenizer.fromGguf(new Metadata("test", chatVocabulary()));
const [BOS, START, END] = [0, 1, 2];
const templateFor = (source: string) => ChatTemplate.open({ name: "t", source, builtin: false }, tokenizer);
const whole = (text: string) => tokenizer.encode(text, { bos: false, eos: false, special: true });
const controls = (tokens: readonly number[]) => tokens.filter((token) => tokenizer.isControl(token));
const seed = Number(process.env.FC_SEED ?? 20261123);

const TEMPLATES = {
  chatml: chatTemplate,
  trimming: builtinTemplates.chatml.source.replace("message.content", "message.content | trim"),
  thinking:
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content.split('</think>')[-1] }}<|im_end|>{% endfor %}",
};

/** Words that try to be more, and words that do not. */
const words = fc.constantFrom(
  "<|im_end|>",
  "<|im_start|>",
  "<s>",
  "<|im_",
  "end|>",
  "</think>",
  " ",
  "\n",
  "fox",
  "漢🦙",
  "\ue000",
  "{{ x }}",
);
const content = fc.array(words, { maxLength: 8 }).map((parts) => parts.join(""));
const conversation = fc
  .array(fc.record({ role: fc.constantFrom("user", "assistant", "system"), content }), {
    minLength: 1,
    maxLength: 4,
  })
  .map((messages) => messages as Message[]);

describe.each(Object.entries(TEMPLATES))("%s", (_name, source) => {
  test(`control tokens are the template's, the text is what it renders (seed ${seed})`, async () => {
    const template = await templateFor(source);
    const writer = new PromptWriter(tokenizer, template);
    fc.assert(
      fc.property(conversation, (messages) => {
        const tokens = writer.tokens(messages);
        const bare = messages.map((message) => ({ ...message, content: "fox" }));
        expect(controls(tokens)).toEqual(controls(whole(template.render(bare))));
        expect(tokenizer.decode(tokens, { special: true })).toBe(template.render(messages));
      }),
      { numRuns: 60, seed },
    );
  });

  test("messages without control tokens have the tokens of the whole text", async () => {
    const template = await templateFor(source);
    const writer = new PromptWriter(tokenizer, template);
    for (const text of ["The quick fox", " \n jumps over\n\n", "", "<b> |> im_end"]) {
      const messages: Message[] = [
        { role: "user", content: text },
        { role: "assistant", content: text },
      ];
      expect(writer.tokens(messages)).toEqual(whole(template.render(messages)));
    }
  });
});

test("what the template would make a control token of is refused", async () => {
  const writer = async (source: string) => new PromptWriter(tokenizer, await templateFor(source));
  const ask = (content: string): Message[] => [{ role: "user", content }];
  const lower = await writer("<|im_start|>{{ messages[0].content | lower }}<|im_end|>");
  expect(controls(lower.tokens(ask("Fox")))).toEqual([START, END]);
  expect(() => lower.tokens(ask("<|IM_END|>"))).toThrow(InputError);
  expect(() => lower.tokens(ask("<|IM_END|>"))).toThrow(/other control tokens.*<\|im_end\|> is the first/);
  const without = await writer("<|im_start|>{{ messages[0].content.replace('<think>', '') }}");
  expect(() => without.tokens(ask("<|im_<think>end|>"))).toThrow(/other control tokens/);
  const bracket = await writer("<|im_start|><{{ messages[0].content }}>");
  expect(() => bracket.tokens(ask("|im_end|"))).toThrow(/other control tokens/);
});

test("answers are taken as the tokens that were generated", async () => {
  const fox = tokenizer.encode("fox", { bos: false, eos: false });
  const odd = Array.from("fox", (letter) => tokenizer.encode(letter, { bos: false, eos: false })[0]);
  expect(odd).not.toEqual(fox);
  const messages: Message[] = [
    { role: "user", content: "fox" },
    { role: "assistant", content: "fox" },
    { role: "user", content: "dog" },
  ];
  const answers = [{ content: "fox", tokens: odd }];
  for (const source of [TEMPLATES.chatml, TEMPLATES.trimming]) {
    const writer = new PromptWriter(tokenizer, await templateFor(source));
    const before = writer.tokens(messages.slice(0, 1));
    const tokens = writer.tokens(messages, answers);
    expect(tokens.slice(0, before.length + 4)).toEqual([...before, ...odd, END]);
    expect(tokenizer.decode(tokens, { special: true })).toBe(
      tokenizer.decode(writer.tokens(messages), { special: true }),
    );
  }
  const changing = new PromptWriter(tokenizer, await templateFor("{{ messages[1].content | upper }}"));
  expect(tokenizer.decode(changing.tokens(messages, answers))).toBe("FOX");
});

test("the token that begins a text is the template's to write", async () => {
  const ask: Message[] = [{ role: "user", content: "fox" }];
  const first = async (source: string) =>
    new PromptWriter(tokenizer, await templateFor(source)).tokens(ask)[0];
  expect(await first("{{ bos_token }}{{ messages[0].content }}")).toBe(BOS);
  expect(await first("<|im_start|>{{ messages[0].content }}")).toBe(START);
});

const smollm2 = cachedModel("SmolLM2-135M-Instruct.Q4_1.gguf");

test.skipIf(!smollm2)("SmolLM2: the tokens that llama.cpp has (skipped without the model)", async () => {
  const file = await openModel(smollm2!);
  const own = Tokenizer.fromGguf(file.gguf.metadata);
  const template = await ChatTemplate.open(templateOf(file.gguf.metadata, own), own);
  const tokens = new PromptWriter(own, template).tokens([
    { role: "user", content: "What is the capital of France?" },
  ]);
  // llama_cpp.Llama.tokenize(rendered, add_bos=False, special=True)
  expect(tokens.join(" ")).toBe(
    "1 9690 198 2683 359 253 5356 5646 11173 3365 3511 308 34519 28 7018 411 407 19712 8182 2 198 1 4093 198 1780 314 260 3575 282 4649 47 2 198 1 520 9531 198",
  );
  await file.source.close();
});
