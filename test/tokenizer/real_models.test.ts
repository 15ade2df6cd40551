/** SmolLM2 (byte-level, pre-tokenizer smollm) and Gemma 3 (SentencePiece, 262,144 tokens) beside llama.cpp. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readGguf } from "../../src/llm/files/gguf.ts";
import { openFile } from "../../src/llm/files/source.ts";
import { TextStream } from "../../src/llm/tokenizer/text_stream.ts";
import { Tokenizer } from "../../src/llm/tokenizer/tokenizer.ts";
import { cachedModel } from "../shared.ts";

const golden: Record<string, number[][]> & { texts: string[] } = JSON.parse(
  gunzipSync(readFileSync(path.join(import.meta.dirname, "../golden/tokens.json.gz"))).toString(),
);

const opened = new Map<string, Promise<Tokenizer>>();

function open(file: string): Promise<Tokenizer> {
  if (!opened.has(file)) opened.set(file, read(file));
  return opened.get(file)!;
}

async function read(file: string): Promise<Tokenizer> {
  const source = await openFile(file);
  const { metadata } = await readGguf(source);
  await source.close();
  return Tokenizer.fromGguf(metadata);
}

const smollm2 = cachedModel("SmolLM2-135M-Instruct.Q4_1.gguf");
const gemma3 = cachedModel("gemma-3-270m-q4_k_m.gguf");
const anyText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.constantFrom(..."ab 1\n\t'é🦙　") }),
);

/** One token at a time, as a model makes them. */
function streamed(tokenizer: Tokenizer, tokens: number[]): string {
  const stream = new TextStream(tokenizer);
  const pieces = tokens.map((token) => stream.push([token]));
  return pieces.join("") + stream.end();
}

describe.skipIf(smollm2 === undefined)("SmolLM2 (needs npm run models)", () => {
  it("gives llama.cpp's tokens", async () => {
    const tokenizer = await open(smollm2!);
    golden.texts.forEach((text, i) => {
      expect(tokenizer.encode(text, { special: true }), JSON.stringify(text)).toEqual(golden.smollm2[i]);
    });
  });

  it("gives back any text, whole or token by token, but for the characters that it has no bytes for", async () => {
    const tokenizer = await open(smollm2!);
    const missing = new Set(tokenizer.missingBytes);
    const writable = (text: string) => ![...new TextEncoder().encode(text)].some((byte) => missing.has(byte));
    fc.assert(
      fc.property(anyText, (text) => {
        fc.pre(writable(text));
        const tokens = tokenizer.encode(text);
        expect(tokenizer.decode(tokens)).toBe(text);
        expect(streamed(tokenizer, tokens)).toBe(text);
      }),
      { numRuns: 500 },
    );
    expect(tokenizer.missingBytes).toHaveLength(21);
    expect(tokenizer.decode(tokenizer.encode("a\u0004b"))).toBe("ab");
  });

  it("ends with the tokens that llama.cpp ends with", async () => {
    const tokenizer = await open(smollm2!);
    expect([...tokenizer.endTokens].map((token) => tokenizer.tokenText(token))).toEqual([
      "<|endoftext|>",
      "<|im_end|>",
      "<reponame>",
    ]);
    expect(tokenizer.isControl(2)).toBe(true);
    expect(tokenizer.isControl(19556)).toBe(false);
    expect(tokenizer.encode("<|im_end|>")).not.toContain(2);
  });
});

describe.skipIf(gemma3 === undefined)("Gemma 3 (needs npm run models)", () => {
  it("gives llama.cpp's tokens", async () => {
    const tokenizer = await open(gemma3!);
    golden.texts.forEach((text, i) => {
      const tokens = tokenizer.encode(text, { special: true, bos: false });
      expect(tokens, JSON.stringify(text)).toEqual(golden.gemma3[i]);
    });
    // A space is written U+2581 in SentencePiece's pieces, so the two cannot be told apart.
    expect(golden.texts.filter((text) => text.includes("\u2581")).length).toBeGreaterThan(5);
    expect(tokenizer.decode(tokenizer.encode("a\u2581b"))).toBe("a b");
  });

  it("gives back any text, whole or token by token", async () => {
    const tokenizer = await open(gemma3!);
    fc.assert(
      fc.property(anyText, (text) => {
        const tokens = tokenizer.encode(text);
        expect(tokens[0]).toBe(tokenizer.bos);
        expect(tokenizer.decode(tokens)).toBe(text);
        expect(streamed(tokenizer, tokens)).toBe(text);
      }),
      { numRuns: 500 },
    );
    expect([...tokenizer.endTokens].map((token) => tokenizer.tokenText(token))).toEqual([
      "<eos>",
      "<end_of_turn>",
      "</s>",
    ]);
  });
});
