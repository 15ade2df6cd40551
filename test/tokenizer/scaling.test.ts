/** No text takes quadratic time. */
import { describe, it } from "vitest";
import { Tokenizer } from "../../src/llm/tokenizer/tokenizer.ts";
import { expectProportional } from "../proportional.ts";
import { bert, gpt2, llama2 } from "./vocabularies.ts";

const sentence = "The quick brown fox, aged 12, jumps over the lazy dog's 3 friends.\n";
const TEXTS = ["a", " ", "\n", "<", "a\u0301", sentence];

describe.each([
  ["byte-level, default", () => gpt2("default")],
  ["byte-level, llama-bpe", () => gpt2("llama-bpe")],
  ["SentencePiece", llama2],
  ["WordPiece", () => bert("▁")],
])("%s (needs shared/data)", (_, metadata) => {
  const found = metadata();

  it.skipIf(found === undefined)("takes time in proportion to the text", () => {
    const tokenizer = Tokenizer.fromGguf(found!);
    for (const text of TEXTS) expectProportional((long) => tokenizer.encode(long), text);
  });
});
