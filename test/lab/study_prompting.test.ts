/** From items to tokens: what a sequence begins with, how an answer follows its question, and what is cut. */
import { describe, expect, test } from "vitest";
import { Prompter } from "../../src/lab/study/prompting.ts";
import { lampTask } from "../../src/lab/tasks/lamp_users.ts";
import type { Item } from "../../src/lab/tasks/types.ts";
import { Metadata, type MetadataValue } from "../../src/llm/files/metadata.ts";
import { Tokenizer } from "../../src/llm/tokenizer/tokenizer.ts";
import { bpeMetadata, trainBpe } from "../../src/llm/tokenizer/train_bpe.ts";
import { metadataOf } from "../tokenizer/vocabularies.ts";

const text = "a grand song about wolves: calm\na quiet film about bread: wry\n";
const bpe = bpeMetadata(trainBpe([text.repeat(3)], { vocabularySize: 290, specialTokens: ["<s>"] }));
const flag = (key: string, value: boolean): [string, MetadataValue] => [
  `tokenizer.ggml.${key}`,
  { type: "bool", value },
];
const byteLevel = (...changes: [string, MetadataValue][]) =>
  Tokenizer.fromGguf(new Metadata("test", [...bpe, ...changes]));

const bytes = Array.from(
  { length: 256 },
  (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
);
const pieces = [
  "▁",
  "▁▁",
  "c",
  "a",
  "l",
  "m",
  "▁c",
  "▁ca",
  "▁cal",
  "▁calm",
  "w",
  "r",
  "y",
  "▁w",
  "▁wr",
  "▁wry",
  ":",
];
const sentencePiece = (changes: Record<string, boolean> = {}) =>
  Tokenizer.fromGguf(
    metadataOf({
      model: "llama",
      tokens: ["<unk>", "<s>", "</s>", ...bytes, ...pieces],
      scores: Float32Array.from({ length: 259 + pieces.length }, (_, id) => Math.min(0, 259 - id)),
      token_type: Int32Array.from(
        { length: 259 + pieces.length },
        (_, id) => [2, 3, 3][id] ?? (id < 259 ? 6 : 1),
      ),
      bos_token_id: 1,
      eos_token_id: 2,
      unknown_token_id: 0,
      ...changes,
    }),
  );

const task = lampTask({ name: "LaMP_4", samples: [] });
const item = (time: number, input: string, output: string, options?: string[]): Item => ({
  id: `${time}`,
  time,
  input,
  output,
  options,
});
const history = [item(0, "a quiet film about bread", "wry")];
const query = item(1, "a grand song about wolves", "calm", ["calm", "wry"]);

describe.each([
  ["byte-level, with BOS", byteLevel(), [0]],
  ["byte-level that has a BOS and does not ask for it", byteLevel(flag("add_bos_token", false)), []],
  ["byte-level that asks for EOS behind a text", byteLevel(flag("add_eos_token", true)), [0]],
  ["SentencePiece", sentencePiece(), [1]],
  ["SentencePiece without BOS", sentencePiece({ add_bos_token: false }), []],
  ["SentencePiece without a space in front", sentencePiece({ add_space_prefix: false }), [1]],
])("%s", (_, tokenizer, start) => {
  const prompter = new Prompter(tokenizer, 400);
  const whole = (written: string) => [...start, ...tokenizer.encode(written, { bos: false, eos: false })];
  const line = "a quiet film about bread: wry\n";

  test("a prompt and each of its answers are the tokens of the text written in one piece", () => {
    const { prompt, plain, options } = prompter.query(task, history, query, 1);
    expect([...prompt, ...options[0]]).toEqual(whole(`${line}a grand song about wolves: calm`));
    expect([...prompt, ...options[1]]).toEqual(whole(`${line}a grand song about wolves: wry`));
    expect(plain).toEqual(whole("a grand song about wolves:"));
  });

  test("so is what an adapter learns from", () => {
    const { tokens, weights, cut } = prompter.example(task, history, query, 1);
    expect(tokens).toEqual(whole(`${line}a grand song about wolves: calm`));
    const told = tokens.filter((_, i) => weights[i] > 0);
    expect(tokenizer.decode(told, { continued: true })).toBe(" calm");
    expect(cut).toBe(false);
  });

  test("of what is longer than the context, the beginning of every sequence stays, and that it was cut is said", () => {
    const short = new Prompter(tokenizer, 24);
    const asked = short.example(task, [], item(0, `${"wolves and ".repeat(20)}bread`, "calm"), 0);
    expect(asked.tokens).toHaveLength(24);
    expect(asked.tokens.slice(0, start.length)).toEqual(start);
    expect(tokenizer.decode(asked.tokens, { continued: true })).toMatch(/bread: calm$/);
    expect(asked.cut).toBe(true);
    const told = short.example(task, [], item(0, "bread", "calm and wry and ".repeat(20)), 0);
    expect(told.tokens).toHaveLength(24);
    expect(told.tokens.slice(0, start.length)).toEqual(start);
    expect(told.weights.at(-1)).toBe(1);
    expect(told.cut).toBe(true);
  });
});
