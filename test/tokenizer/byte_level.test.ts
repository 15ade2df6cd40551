import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { asset } from "../../src/engine/host/assets.ts";
import { Metadata } from "../../src/llm/files/metadata.ts";
import { lettersOf } from "../../src/llm/tokenizer/byte_letters.ts";
import { TextStream } from "../../src/llm/tokenizer/text_stream.ts";
import { Tokenizer } from "../../src/llm/tokenizer/tokenizer.ts";
import { bpeMetadata, trainBpe } from "../../src/llm/tokenizer/train_bpe.ts";
import { splitWords } from "../../src/llm/tokenizer/words.ts";
import { expectProportional } from "../proportional.ts";
import { metadataOf } from "./vocabularies.ts";

const sentence = "The old harbour was quiet; the older harbours were not, in 1850 or later. ";
const rare = Array.from(
  { length: 200 },
  (_, i) => ` q${(i * 7919).toString(26).replace(/[0-9]/g, "x")}`,
).join("");
const texts = [
  rare,
  sentence.repeat(2000),
  "banana bandana\n\n\tcabana — naïve café ".repeat(10),
  "aaaaaaaaaaaaaaaaaaaaa",
];
const options = {
  vocabularySize: 520,
  specialTokens: ["<s>", "</s>"],
  wholeWords: [" lantern", " harbour", "The"],
};
const vocabulary = trainBpe(texts, options);
const tokenizer = Tokenizer.fromGguf(new Metadata("test", bpeMetadata(vocabulary)));
/** Text of all the kinds of bytes that the rule for words tells apart. */
const mixed = fc.string({ unit: fc.constantFrom(..."ab Z09.,-'\n\r\t\v\f é—\u{1f999}\u0000") });

/** Byte-pair encoding as its definition says: the pair of lowest rank, everywhere, until none is left. */
function plainBpe(word: string): string[] {
  let pieces = [...lettersOf(new TextEncoder().encode(word))];
  for (const [left, right] of vocabulary.merges) {
    const merged: string[] = [];
    for (let i = 0; i < pieces.length; i++) {
      const meets = pieces[i] === left && pieces[i + 1] === right;
      merged.push(meets ? left + right : pieces[i]);
      if (meets) i++;
    }
    pieces = merged;
  }
  return pieces;
}

describe("byte-level BPE of our own", () => {
  it("has the size asked for, no token twice, and the same tokens again", () => {
    expect(vocabulary.tokens.length).toBe(520);
    expect(new Set(vocabulary.tokens).size).toBe(520);
    expect(trainBpe(texts, options)).toEqual(vocabulary);
  });

  it("makes whole words single tokens", () => {
    for (const word of options.wholeWords) expect(tokenizer.encode(word, { bos: false })).toHaveLength(1);
  });

  it("says so where the vocabulary is too small for the whole words, or the texts too small for it", () => {
    expect(() => trainBpe(texts, { ...options, vocabularySize: 270 })).toThrow(
      "leave 3 whole words in pieces",
    );
    expect(() => trainBpe(["ab"], { vocabularySize: 300, specialTokens: [] })).toThrow("only 257 tokens");
  });

  it("cuts text into words in wasm as in training", () => {
    const wasm = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(asset("kernels/simd.wasm"))));
    const { memory, edgewise_word } = wasm.exports as {
      memory: WebAssembly.Memory;
      edgewise_word(at: number, end: number): number;
    };
    fc.assert(
      fc.property(mixed, (text) => {
        const bytes = new TextEncoder().encode(text);
        new Uint8Array(memory.buffer, 1024).set(bytes);
        const words: string[] = [];
        for (let at = 0; at < bytes.length; ) {
          const end = edgewise_word(1024 + at, 1024 + bytes.length) - 1024;
          words.push(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(at, end)));
          at = end;
        }
        expect(words).toEqual(splitWords(text));
        expect(words.join("")).toBe(text);
      }),
      { numRuns: 1000 },
    );
  });

  it("merges as the definition says", () => {
    const ids = new Map(vocabulary.tokens.map((token, id) => [token, id]));
    const words = fc.constantFrom("harbour", "banana", "The", "older", "aaa", "an", "ca", " ", "é", ".");
    fc.assert(
      fc.property(fc.array(words), (parts) => {
        const text = parts.join("");
        const expected = splitWords(text)
          .flatMap(plainBpe)
          .map((piece) => ids.get(piece));
        expect(tokenizer.encode(text, { bos: false })).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it("gives back any Unicode text, and bytes that are cut within a character", () => {
    fc.assert(
      fc.property(fc.oneof(mixed, fc.string({ unit: "binary" })), (text) => {
        const tokens = tokenizer.encode(text);
        expect(tokens[0]).toBe(tokenizer.bos);
        expect(tokenizer.decode(tokens)).toBe(
          new TextDecoder("utf-8", { ignoreBOM: true }).decode(new TextEncoder().encode(text)),
        );
      }),
      { numRuns: 500 },
    );
    const llama = tokenizer.encode("\u{1f999}", { bos: false });
    expect(llama).toHaveLength(4);
    expect(Array.from(tokenizer.decodeBytes(llama.slice(0, 2)))).toEqual([0xf0, 0x9f]);
  });

  it("streams any tokens as the text of all of them, with no half characters", () => {
    const all = fc.array(fc.integer({ min: 0, max: 519 }), { maxLength: 60 });
    fc.assert(
      fc.property(
        fc.oneof(
          all,
          mixed.map((text) => tokenizer.encode(text)),
        ),
        fc.boolean(),
        (tokens, special) => {
          const stream = new TextStream(tokenizer, { special });
          const pieces = tokens.map((token) => stream.push([token]));
          expect(pieces.join("") + stream.end()).toBe(tokenizer.decode(tokens, { special }));
        },
      ),
      { numRuns: 1000 },
    );
    // The first three bytes of four wait; a byte that cannot go on shows at once.
    const llama = tokenizer.encode("\u{1f999}", { bos: false });
    const stream = new TextStream(tokenizer);
    expect(llama.slice(0, 3).map((token) => stream.push([token]))).toEqual(["", "", ""]);
    expect(stream.push(tokenizer.encode("a", { bos: false }))).toBe("\ufffda");
    expect(stream.push(llama.slice(0, 2)) + stream.end()).toBe("\ufffd");
  });

  it("takes whole words before merging where the rule is llama-bpe, and user-defined tokens before anything", () => {
    const letters = Array.from({ length: 256 }, (_, byte) => lettersOf(Uint8Array.of(byte)));
    const small = (pre: string) =>
      Tokenizer.fromGguf(
        metadataOf({
          model: "gpt2",
          pre,
          tokens: [...letters, "ab", "abc", "b c", "<end>"],
          token_type: Int32Array.from({ length: 260 }, (_, id) => ({ 258: 4, 259: 3 })[id] ?? 1),
          merges: ["a b"],
          eot_token_id: 259,
        }),
      );
    const c = small("gpt-2").encode("c")[0];
    expect(small("gpt-2").encode("abc")).toEqual([256, c]);
    expect(small("llama-bpe").encode("abc")).toEqual([257]);
    expect(small("gpt-2").encode("ab cab")).toEqual([small("gpt-2").encode("a")[0], 258, 256]);
    expect([...small("gpt-2").endTokens]).toEqual([259]);
    expect(small("gpt-2").encode("<end>")).not.toContain(259);
    expect(small("gpt-2").encode("<end>", { special: true })).toEqual([259]);
  });

  it("keeps control tokens as text unless asked", () => {
    expect(tokenizer.decode(tokenizer.encode("a</s>"))).toBe("a</s>");
    expect(tokenizer.encode("a</s>b", { bos: false, special: true })).toContain(1);
    expect(tokenizer.decode([0, 1], { special: true })).toBe("<s></s>");
    expect(() => tokenizer.decode([520])).toThrow("token 520 at 0 is not one of the 520");
  });

  it("takes time in proportion to the text, also of one letter or of spaces, and gives back a megabyte", () => {
    for (const text of [sentence, "a", " "]) {
      expectProportional((long) => tokenizer.encode(long), text);
      const megabyte = text.repeat((1 << 20) / text.length);
      expect(tokenizer.decode(tokenizer.encode(megabyte)) === megabyte).toBe(true);
    }
  });
});
