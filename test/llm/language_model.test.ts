/** The library: from a file to pieces of text. */
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { GenerateOptions } from "../../src/llm/generate_options.ts";
import { type LanguageModel, load, type Piece } from "../../src/llm/language_model.ts";

const MODEL = path.join(import.meta.dirname, "../../models/edgewise-m.gguf");
const PROMPT = "I have the honour";

let lm: LanguageModel;
beforeAll(async () => {
  lm = await load(MODEL, { inProcess: true });
});
afterAll(() => lm.dispose());

async function collect(pieces: AsyncIterable<Piece>): Promise<Piece[]> {
  const found: Piece[] = [];
  for await (const piece of pieces) found.push(piece);
  return found;
}
const textOf = (pieces: readonly Piece[]) => pieces.map(({ text }) => text).join("");
const answer = async (prompt: string | number[], options: GenerateOptions, model = lm) => {
  const pieces = await collect(model.generate(prompt, options));
  return {
    text: textOf(pieces),
    tokens: pieces.flatMap(({ tokens }) => tokens),
    pieces,
    last: pieces.at(-1)!,
  };
};

describe("generate", () => {
  test("streams whole characters, and says how it ended and what it took", async () => {
    const { text, tokens, pieces, last } = await answer(PROMPT, { max_tokens: 12 });
    expect(tokens).toHaveLength(12);
    expect(text).toBe(lm.tokenizer.decode(tokens, { continued: true }));
    expect(pieces.slice(0, -1).every((piece) => piece.text !== "" && !piece.finish_reason)).toBe(true);
    expect(last.finish_reason).toBe("length");
    const prompt = lm.tokenizer.encode(PROMPT).length;
    expect(lm.usage).toMatchObject({
      prompt_tokens: prompt,
      cached_tokens: 0,
      completion_tokens: 12,
      total_tokens: prompt + 12,
    });
    for (const [name, value] of Object.entries(lm.usage!))
      if (/_s$/.test(name)) expect(value, name).toBeGreaterThan(0);
  });
});
