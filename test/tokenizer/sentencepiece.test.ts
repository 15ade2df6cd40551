import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readGguf } from "../../src/llm/files/gguf.ts";
import { openFile } from "../../src/llm/files/source.ts";
import { TextStream } from "../../src/llm/tokenizer/text_stream.ts";
import { Tokenizer } from "../../src/llm/tokenizer/tokenizer.ts";
import { expectProportional } from "../proportional.ts";
import { sharedData } from "../shared.ts";
import { expectedTokens, llama2, metadataOf } from "./vocabularies.ts";

const metadata = llama2();
const storiesPath = sharedData("models/stories260Ktok512.gguf");

describe.skipIf(metadata === undefined)("SentencePiece, vocabulary of Llama 2 (needs shared/data)", () => {
  const tokenizer = () => Tokenizer.fromGguf(metadata!);

  it("gives llama.cpp's tokens", () => {
    const { encode } = bound(tokenizer());
    const cases = expectedTokens("ggml-vocab-llama-spm")!;
    expect(cases.length).toBe(46);
    for (const { text, tokens } of cases)
      expect(encode(text, { bos: false }), JSON.stringify(text)).toEqual(tokens);
  });

  it("gives back any Unicode text", () => {
    const { encode, decode } = bound(tokenizer());
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        expect(decode(encode(text))).toBe(text.replaceAll("▁", " "));
      }),
      { numRuns: 500 },
    );
  });

  it("streams without the space that it puts in front, also behind BOS", () => {
    const tokens = tokenizer().encode("Hello world");
    for (const from of [0, 1]) {
      const stream = new TextStream(tokenizer());
      expect(
        tokens
          .slice(from)
          .map((token) => stream.push([token]))
          .join(""),
      ).toBe("Hello world");
    }
    const continued = new TextStream(tokenizer(), { continued: true });
    expect(continued.push(tokens)).toBe(" Hello world");
  });

  it("does not take control tokens from plain text unless asked", () => {
    const { encode, decode } = bound(tokenizer());
    expect(encode("</s>")).not.toContain(2);
    expect(decode(encode("a</s>"))).toBe("a</s>");
    expect(encode("a</s>", { special: true })).toEqual([...encode("a"), 2]);
  });

  it("takes time in proportion to the text, also of one letter or of spaces, and gives back a megabyte", () => {
    const { encode, decode } = bound(tokenizer());
    for (const text of ["The quick brown fox, aged 12, jumps over Größe и нещо.\n", "a", " "]) {
      expectProportional(encode, text);
      const megabyte = text.repeat((1 << 20) / text.length);
      expect(decode(encode(megabyte)) === megabyte).toBe(true);
    }
  });
});

describe.skipIf(storiesPath === undefined)("SentencePiece, stories260K (needs shared/data)", () => {
  it("gives the known tokens", async () => {
    const source = await openFile(storiesPath!);
    const { metadata } = await readGguf(source);
    await source.close();
    const { encode, decode } = bound(Tokenizer.fromGguf(metadata));
    const tokens = [1, 403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421, 395];
    expect(decode(tokens)).toBe("Once upon a time, there was a little girl named");
    expect(encode("Once upon a time, there was a little girl named")).toEqual(tokens);
  });
});

describe("SentencePiece, a vocabulary of three words", () => {
  const tokens = ["<unk>", "<s>", "</s>", "▁", "a", "b", "▁a", "▁b", "▁▁", "<▁>"];
  const small = (prefix: boolean) =>
    Tokenizer.fromGguf(
      metadataOf({
        model: "llama",
        tokens,
        scores: Float32Array.from(tokens, (_, id) => -id),
        token_type: Int32Array.from([2, 3, 3, 1, 1, 1, 1, 1, 1, 4]),
        unknown_token_id: 0,
        add_bos_token: false,
        add_space_prefix: prefix,
      }),
    );
  const pieces = (text: string, prefix: boolean, continued = false) =>
    small(prefix)
      .encode(text, { continued })
      .map((token) => tokens[token]);

  it("takes U+2581 in a text for the space that it stands for, as llama.cpp does", () => {
    for (const text of ["b▁a", "▁", "▁▁a", "a▁", "▁a▁▁b▁"])
      for (const prefix of [true, false])
        expect(pieces(text, prefix)).toEqual(pieces(text.replaceAll("▁", " "), prefix));
    // llama_cpp.Llama.tokenize of the same vocabulary
    expect(pieces("b▁a", true)).toEqual(["▁b", "▁a"]);
    expect(pieces("b▁a", false)).toEqual(["b", "▁a"]);
    expect(pieces("a<▁>▁b", false)).toEqual(["a", "<▁>", "▁b"]);
  });

  it("puts no space in front of a text that goes on", () => {
    expect(pieces("ab", true)).toEqual(["▁a", "b"]);
    expect(pieces("ab", true, true)).toEqual(["a", "b"]);
    expect(pieces("a<▁>a", true, true)).toEqual(["a", "<▁>", "▁a"]);
  });
});

function bound(tokenizer: Tokenizer) {
  return { encode: tokenizer.encode.bind(tokenizer), decode: tokenizer.decode.bind(tokenizer) };
}
