/** Token ids beside other libraries, over random texts: gpt-tokenizer (GPT-2's ranks, cl100k) and llama-tokenizer-js (Llama 2). */
import fc from "fast-check";
import cl100kRanks from "gpt-tokenizer/bpeRanks/cl100k_base";
import { encode as cl100k } from "gpt-tokenizer/encoding/cl100k_base";
import { encode as r50k } from "gpt-tokenizer/encoding/r50k_base";
import llamaTokenizer from "llama-tokenizer-js";
import { beforeAll, describe, expect, it } from "vitest";
import { lettersOf } from "../../src/llm/tokenizer/byte_letters.ts";
import { Tokenizer } from "../../src/llm/tokenizer/tokenizer.ts";
import { expectedTokens, gpt2, llama2, metadataOf } from "./vocabularies.ts";

const words = fc.constantFrom(
  ..."The quick brown fox's I'll DON'T we'Ve 1 12 1234567 3.14 foo() { return x; } naïve Größe привет 世界 🦙 👩‍👩‍👧 -- ... == Ⅳ ½".split(
    " ",
  ),
);
const blanks = fc.constantFrom(" ", " ", " ", "  ", "\n", "\n\n", "\t", " \n", "\r\n", "    ", "");
const prose = fc.array(fc.tuple(words, blanks), { maxLength: 30 }).map((parts) => parts.flat().join(""));
const anything = fc.string({ unit: "binary", maxLength: 40 });
const texts = fc.oneof(prose, anything);
/** JavaScript's \s, which gpt-tokenizer uses, has U+FEFF and lacks U+0085. */
const whiteSpace = /[\ufeff\u0085]/g;
const plain = { bos: false } as const;

describe.skipIf(gpt2() === undefined)("GPT-2 (needs shared/data)", () => {
  let tokenizer: Tokenizer;
  beforeAll(() => {
    tokenizer = Tokenizer.fromGguf(gpt2()!);
  });

  it("gives the expected tokens of llama.cpp's list", () => {
    const cases = expectedTokens("ggml-vocab-gpt-2")!;
    expect(cases).toHaveLength(46);
    for (const { text, tokens } of cases)
      expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(tokens);
  });

  it("gives the tokens of gpt-tokenizer", () => {
    fc.assert(
      fc.property(texts, (made) => {
        const text = made.replace(whiteSpace, "");
        expect(tokenizer.encode(text, plain)).toEqual(r50k(text));
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("cl100k, cut as llama-bpe", () => {
  it("gives the tokens of gpt-tokenizer", () => {
    const tokenizer = Tokenizer.fromGguf(byteLevel(cl100kRanks as unknown as (string | number[])[]));
    fc.assert(
      fc.property(texts, (made) => {
        // At the end of a text cl100k keeps white space behind a newline with it, llama-bpe does not.
        const text = `${made.replace(whiteSpace, "")}.`;
        expect(tokenizer.encode(text, plain)).toEqual(cl100k(text));
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
      }),
      { numRuns: 2000 },
    );
  });
});

describe.skipIf(llama2() === undefined)("Llama 2 (needs shared/data)", () => {
  it("gives the tokens of llama-tokenizer-js", () => {
    const tokenizer = Tokenizer.fromGguf(llama2()!);
    fc.assert(
      fc.property(texts, (made) => {
        // U+2581 is a space there, and stays itself here.
        const text = made.replaceAll("\u2581", "");
        fc.pre(text !== "");
        expect(tokenizer.encode(text)).toEqual(llamaTokenizer.encode(text));
      }),
      { numRuns: 1000 },
    );
  });
});

/** A vocabulary of ranks; the pair from which a token comes is what its bytes merge to by the ranks before it. */
function byteLevel(ranks: readonly (string | number[])[]) {
  const tokens = ranks.map((token) =>
    lettersOf(typeof token === "string" ? new TextEncoder().encode(token) : Uint8Array.from(token)),
  );
  const places = new Map(tokens.map((token, rank) => [token, rank]));
  const merges: string[] = [];
  tokens.forEach((token, rank) => {
    if (token.length < 2) return;
    let parts = [...token];
    while (parts.length > 2) {
      let best = rank;
      let at = -1;
      for (let i = 0; i + 1 < parts.length; i++) {
        const place = places.get(parts[i] + parts[i + 1]) ?? rank;
        if (place < best) [best, at] = [place, i];
      }
      if (at < 0) return;
      parts = [...parts.slice(0, at), parts[at] + parts[at + 1], ...parts.slice(at + 2)];
    }
    merges.push(parts.join(" "));
  });
  return metadataOf({ model: "gpt2", pre: "llama-bpe", tokens, merges });
}
