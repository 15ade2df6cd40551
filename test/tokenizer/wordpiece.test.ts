import { readFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Tokenizer } from "../../src/llm/tokenizer/tokenizer.ts";
import { bert, expectedTokens } from "./vocabularies.ts";

const metadata = bert("▁");

describe.skipIf(metadata === undefined)("WordPiece, vocabulary of BERT (needs shared/data)", () => {
  it("gives the expected tokens of llama.cpp's list, with pieces marked either way", () => {
    for (const form of ["▁", "##"] as const) {
      const tokenizer = Tokenizer.fromGguf(bert(form)!);
      const cases = expectedTokens("ggml-vocab-bert-bge")!;
      expect(cases).toHaveLength(46);
      for (const { text, tokens } of cases)
        expect(tokenizer.encode(text, { bos: false, eos: false }), JSON.stringify(text)).toEqual(tokens);
    }
  });

  it("gives Hugging Face's tokens", () => {
    const golden: { texts: string[]; tokens: number[][] } = JSON.parse(
      readFileSync(path.join(import.meta.dirname, "../golden/wordpiece.json"), "utf8"),
    );
    const tokenizer = Tokenizer.fromGguf(metadata!);
    golden.texts.forEach((text, i) => {
      expect(tokenizer.encode(text, { special: true }), JSON.stringify(text)).toEqual(golden.tokens[i]);
    });
  });

  it("begins with [CLS] and ends with [SEP]; an unknown word is one token", () => {
    const tokenizer = Tokenizer.fromGguf(metadata!);
    expect(tokenizer.encode("Hello")).toEqual([101, 7592, 102]);
    expect(tokenizer.encode("🦙x a", { bos: false, eos: false })).toEqual([100, 1037]);
    expect(tokenizer.encode("a".repeat(101), { bos: false, eos: false })).toEqual([100]);
    expect(tokenizer.decode(tokenizer.encode("The naïve café, Ωmega"))).toBe("the naive cafe , ωmega");
  });

  it("takes any text and keeps to its memory", () => {
    const tokenizer = Tokenizer.fromGguf(metadata!);
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 100 }), (text) => {
        const tokens = tokenizer.encode(text);
        expect(tokens[0]).toBe(101);
        expect(tokens.at(-1)).toBe(102);
      }),
      { numRuns: 200 },
    );
  });
});
