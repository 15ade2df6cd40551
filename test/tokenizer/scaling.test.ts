/** No text takes quadratic time: a megabyte takes at most 20 times what 100 kB take, and less than a second. */
import { describe, expect, it } from "vitest";
import { Tokenizer } from "../../src/llm/tokenizer/tokenizer.ts";
import { bert, gpt2, llama2 } from "./vocabularies.ts";

const sentence = "The quick brown fox, aged 12, jumps over the lazy dog's 3 friends.\n";
const TEXTS = ["a", " ", "\n", "<", "a\u0301", sentence];
/** Below this a measurement says nothing. */
const LEAST_MS = 8;

describe.each([
  ["byte-level, default", () => gpt2("default")],
  ["byte-level, llama-bpe", () => gpt2("llama-bpe")],
  ["SentencePiece", llama2],
  ["WordPiece", () => bert("▁")],
])("%s (needs shared/data)", (_, metadata) => {
  const found = metadata();

  it.skipIf(found === undefined)(
    "takes time in proportion to the text",
    { retry: 2, timeout: 30_000 },
    () => {
      const tokenizer = Tokenizer.fromGguf(found!);
      for (const text of TEXTS) {
        const short = milliseconds(tokenizer, text.repeat(1e5 / text.length));
        const long = milliseconds(tokenizer, text.repeat(1e6 / text.length));
        expect(long, JSON.stringify(text)).toBeLessThan(20 * Math.max(short, LEAST_MS));
        expect(long, JSON.stringify(text)).toBeLessThan(1000);
      }
    },
  );
});

/** Processor time, because the machine may be busy with other tests. */
function milliseconds(tokenizer: Tokenizer, text: string): number {
  const start = process.cpuUsage();
  tokenizer.encode(text);
  return process.cpuUsage(start).user / 1000;
}
