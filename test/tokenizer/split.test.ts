/**
 * How text is cut into words, beside the published regular expressions run by JavaScript's RegExp: llama.cpp, src/llama-vocab.cpp
 * (llm_tokenizer_bpe), the same as in the tokenizer.json of GPT-2, SmolLM2, Llama 3 and Qwen 2. \s there is White_Space. Where a rule has
 * several expressions, each cuts what the one before has left in one piece, matches and gaps alike.
 */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, it } from "vitest";
import {
  SPLIT_DEFAULT,
  SPLIT_GPT2,
  SPLIT_LLAMA_BPE,
  SPLIT_QWEN2,
  SPLIT_SMOLLM,
} from "../../kernels/session/vocabulary.ts";
import { asset } from "../../src/engine/host/assets.ts";
import { classTable } from "../../src/llm/tokenizer/character_classes.ts";

const published = (source: string) =>
  new RegExp(
    source
      .replaceAll("[^\\s", "[^\\p{White_Space}")
      .replaceAll("\\s", "\\p{White_Space}")
      .replaceAll("\\S", "\\P{White_Space}"),
    "gu",
  );
const gpt2 = published("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+");
const llama3 = (digits: string) =>
  published(
    "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" +
      `${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
  );
const RULES: readonly (readonly [string, number, readonly RegExp[]])[] = [
  ["gpt-2", SPLIT_GPT2, [gpt2]],
  ["smollm", SPLIT_SMOLLM, [/\p{N}/gu, gpt2]],
  ["llama-bpe", SPLIT_LLAMA_BPE, [llama3("\\p{N}{1,3}")]],
  ["qwen2", SPLIT_QWEN2, [llama3("\\p{N}")]],
  ["default", SPLIT_DEFAULT, [/[\p{P}$+<=>^~|]+/gu, gpt2, /\p{N}+/gu, /[0-9][0-9][0-9]/gu]],
];

function cut(text: string, expressions: readonly RegExp[]): string[] {
  const [first, ...rest] = expressions;
  if (first === undefined) return text === "" ? [] : [text];
  const words: string[] = [];
  let at = 0;
  for (const match of text.matchAll(first)) {
    words.push(...cut(text.slice(at, match.index), rest), ...cut(match[0], rest));
    at = match.index + match[0].length;
  }
  return [...words, ...cut(text.slice(at), rest)];
}

const { memory, word_end } = new WebAssembly.Instance(
  new WebAssembly.Module(readFileSync(asset("kernels/simd.wasm"))),
).exports as {
  memory: WebAssembly.Memory;
  word_end(split: number, classes: number, at: number, end: number): number;
};
const CLASSES = 1024;
const TEXT = CLASSES + Math.ceil(classTable().length / 8) * 8;
memory.grow(1);
new Uint8Array(memory.buffer, CLASSES).set(classTable());

function cutByWasm(text: string, split: number): string[] {
  const bytes = new TextEncoder().encode(text);
  new Uint8Array(memory.buffer, TEXT).set(bytes);
  const words: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = word_end(split, CLASSES, TEXT + at, TEXT + bytes.length) - TEXT;
    words.push(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(at, end)));
    at = end;
  }
  return words;
}

/** Characters on which some rule turns, and any others. */
const turning = fc.string({
  unit: fc.constantFrom(
    ..."ab Z019'’sStTrReEvVmMlLdDſK\n\r\t\v\f\u00a0\u0085\u2028\u3000\ufeff é一٣½Ⅳ².,!-—$+<=>^~|©\u0301\u200d🦙\u0000",
  ),
  maxLength: 40,
});
const anything = fc.string({ unit: "binary", maxLength: 30 });

it.each(RULES)("%s cuts as its regular expressions do", (_, split, expressions) => {
  fc.assert(
    fc.property(fc.oneof(turning, anything), (text) => {
      expect(cutByWasm(text, split)).toEqual(cut(text, expressions));
    }),
    { numRuns: 4000 },
  );
});

it("has a class for every code point", () => {
  for (const [kind, expression] of [/\p{L}/u, /\p{N}/u, /\p{White_Space}/u, /\p{P}/u].entries()) {
    const table = classTable();
    for (let point = 0; point < 0x110000; point += point < 0x30000 ? 1 : 97) {
      if (point >= 0xd800 && point < 0xe000) continue;
      const found = table[4352 + table[point >> 8] * 256 + (point & 255)];
      if ((found === kind + 1) !== expression.test(String.fromCodePoint(point)))
        expect.fail(`U+${point.toString(16)} has class ${found}, ${expression}`);
    }
  }
});
