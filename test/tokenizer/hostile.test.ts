/** Vocabularies that do not fit together are refused with one message that says why. */
import { describe, expect, it } from "vitest";
import { InputError } from "../../src/errors.ts";
import { lettersOf } from "../../src/llm/tokenizer/byte_letters.ts";
import { hashBytes } from "../../src/llm/tokenizer/hash.ts";
import { Tokenizer } from "../../src/llm/tokenizer/tokenizer.ts";
import { metadataOf } from "./vocabularies.ts";

type Values = Parameters<typeof metadataOf>[0];

const byteTokens = Array.from(
  { length: 256 },
  (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
);
const pieces = ["<unk>", "<s>", ...byteTokens, "a", "b", "ab"];
const sentencepiece = (changes: Values = {}) =>
  metadataOf({
    model: "llama",
    tokens: pieces,
    scores: new Float32Array(pieces.length),
    token_type: Int32Array.from(pieces, (_, id) => [2, 3][id] ?? (id < 258 ? 6 : 1)),
    bos_token_id: 1,
    eos_token_id: 2 ** 32 - 1,
    ...changes,
  });

const letters = Array.from({ length: 256 }, (_, byte) => lettersOf(Uint8Array.of(byte)));
const byteLevel = (changes: Values = {}) =>
  metadataOf({
    model: "gpt2",
    pre: "edgewise",
    tokens: [...letters, "ab", "abc"],
    merges: ["a b", "ab c"],
    ...changes,
  });

const refusal = (metadata: ReturnType<typeof metadataOf>): string => {
  try {
    Tokenizer.fromGguf(metadata);
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
  return "accepted";
};

describe("settings", () => {
  it("that are not known are refused by name, and not those of other tokenizers", () => {
    expect(refusal(byteLevel({ split_digits: true }))).toBe(
      'tokenizer: test: metadata "tokenizer.ggml.split_digits" is not known, and tokens could be wrong without it',
    );
    expect(refusal(byteLevel({ suppress_tokens: Int32Array.of(1, 2) }))).toContain(
      '"tokenizer.ggml.suppress_tokens" names 2 tokens; none is suppressed here',
    );
    expect(refusal(byteLevel({ suppress_tokens: new Int32Array(0) }))).toBe("accepted");
    const others = {
      padding_token_id: 3,
      mask_token_id: 4,
      add_sep_token: false,
      remove_extra_whitespaces: true,
    };
    expect(refusal(byteLevel({ ...others, add_space_prefix: true, scores: new Float32Array(258) }))).toBe(
      "accepted",
    );
    expect(refusal(sentencepiece({ ...others, pre: "default", merges: ["a b"] }))).toBe("accepted");
    const wordpiece = (changes: Values) =>
      metadataOf({ model: "bert", tokens: ["[UNK]", "a"], unknown_token_id: 0, ...changes });
    expect(refusal(wordpiece({ "normalizer.lowercase": true }))).toBe("accepted");
    expect(refusal(wordpiece({ "normalizer.lowercase": false }))).toContain(
      '"tokenizer.ggml.normalizer.lowercase" is false, and is computed as true',
    );
  });

  it("name several tokens that end an answer, as Ollama writes them", () => {
    const tokenizer = Tokenizer.fromGguf(
      byteLevel({ eos_token_id: 5, eos_token_ids: Int32Array.of(5, 256) }),
    );
    expect([...tokenizer.endTokens]).toEqual([5, 256]);
    expect(refusal(byteLevel({ eos_token_ids: Int32Array.of(258) }))).toContain(
      '"tokenizer.ggml.eos_token_ids" has 258, the vocabulary has 258 tokens',
    );
  });
});

describe("SentencePiece vocabularies", () => {
  it("are taken when they are whole", () => {
    const tokenizer = Tokenizer.fromGguf(sentencepiece({ add_space_prefix: false }));
    expect(tokenizer.encode("abc")).toEqual([1, 260, 2 + 0x63]);
    expect(tokenizer.eos).toBeUndefined();
  });

  it("are refused with the reason", () => {
    const types = (id: number, type: number) => {
      const all = Int32Array.from(pieces, (_, i) => [2, 3][i] ?? (i < 258 ? 6 : 1));
      all[id] = type;
      return all;
    };
    const scores = new Float32Array(pieces.length).fill(Number.NaN, 5, 6);
    expect(refusal(metadataOf({}))).toBe('gguf: test: metadata "tokenizer.ggml.model" is missing');
    expect(refusal(sentencepiece({ model: "unigram" }))).toContain(
      'model "unigram" is not known; known are llama, gpt2, bert',
    );
    expect(refusal(sentencepiece({ tokens: [] }))).toContain("the vocabulary is empty");
    expect(refusal(sentencepiece({ scores: new Float32Array(3) }))).toContain("261 tokens but 3 scores");
    expect(refusal(sentencepiece({ scores }))).toContain("the score of token 5 is NaN");
    expect(refusal(sentencepiece({ token_type: new Int32Array(2) }))).toContain(
      "261 tokens but 2 token types",
    );
    expect(refusal(sentencepiece({ token_type: types(7, 9) }))).toContain(
      "token 7 has type 9, known are 1 to 6",
    );
    expect(refusal(sentencepiece({ token_type: types(258, 6) }))).toContain('token 258 "a" has type byte');
    expect(refusal(sentencepiece({ token_type: types(2, 1) }))).toContain("no token stands for byte 0");
    const twice = [...pieces.slice(0, -1), "a"];
    expect(refusal(sentencepiece({ tokens: twice }))).toContain('tokens 258 and 260 are both "a"');
    expect(refusal(sentencepiece({ bos_token_id: 261 }))).toContain("is 261, the vocabulary has 261 tokens");
    const long = ["<unk>", "x".repeat(513), ...pieces.slice(2)];
    expect(refusal(sentencepiece({ tokens: long }))).toContain("special token 1 has 513 bytes, at most 512");
  });
});

it("vocabularies that are made to collide are refused, not searched for hours", () => {
  // Pieces that all belong in the first eighth of their table, so that each is tried behind those before it.
  const chosen: string[] = [];
  for (let i = 0; chosen.length < 8000; i++) {
    if (hashBytes(new TextEncoder().encode(`${i}`)) % 16384 < 2048) chosen.push(`${i}`);
  }
  const tokens = ["<unk>", "<s>", ...byteTokens, ...chosen];
  const all = sentencepiece({
    tokens,
    scores: new Float32Array(tokens.length),
    token_type: Int32Array.from(tokens, (_, id) => [2, 3][id] ?? (id < 258 ? 6 : 1)),
  });
  expect(refusal(all)).toContain("thousands of tokens share one hash");
});

describe("byte-level vocabularies", () => {
  it("are taken when they are whole", () => {
    expect(Tokenizer.fromGguf(byteLevel()).encode("abcab")).toEqual([257, 256]);
  });

  it("are refused with the reason", () => {
    expect(refusal(byteLevel({ pre: "klingon" }))).toContain(
      'pre-tokenizer "klingon" is not known; known are edgewise, gpt-2, smollm, llama-bpe, qwen2, default',
    );
    expect(refusal(byteLevel({ merges: ["a b", "a d"] }))).toContain('merge 1 "a d" needs the token "ad"');
    expect(refusal(byteLevel({ merges: ["ab", "ab c"] }))).toContain('merge 0 "ab" must be two tokens');
    expect(refusal(byteLevel({ merges: [" ab"] }))).toContain('merge 0 " ab" must be two tokens');
    expect(refusal(byteLevel({ merges: ["a b", "a b"] }))).toContain('merges 0 and 1 are both "a b"');
    expect(refusal(byteLevel({ merges: ["a b", "ab "] }))).toContain('merge 1 "ab " must be two tokens');
    expect(refusal(byteLevel({ merges: ["abc abc"] }))).toContain(
      'needs the token "abcabc", which is missing',
    );
    const control = Int32Array.from({ length: 258 }, (_, id) => (id === 256 ? 3 : 1));
    expect(refusal(byteLevel({ token_type: control }))).toContain(
      'merge 0 "a b" makes the control token 256',
    );
    expect(refusal(byteLevel({ tokens: [...letters, "ab", "ab"] }))).toContain(
      'tokens 256 and 257 are both "ab"',
    );
    expect(refusal(byteLevel({ eos_token_id: 258 }))).toContain(
      '"tokenizer.ggml.eos_token_id" is 258, the vocabulary has 258 tokens',
    );
    const long = [...letters, "ab", "abc", "x".repeat(2049)];
    expect(refusal(byteLevel({ tokens: long }))).toContain("token 258 has 2049 bytes, at most 2048");
    expect(refusal(byteLevel({ tokens: letters.filter((letter) => letter !== "a"), merges: [] }))).toContain(
      "no token stands for byte 97",
    );
    expect(refusal(byteLevel({ tokens: [...letters, "中"], merges: [] }))).toContain(
      'has "中", which stands for no byte',
    );
  });
});

describe("WordPiece vocabularies", () => {
  it("are refused with the reason", () => {
    const wordpiece = (changes: Values = {}) =>
      metadataOf({ model: "bert", tokens: ["[UNK]", "▁a", "b"], unknown_token_id: 0, ...changes });
    expect(Tokenizer.fromGguf(wordpiece()).encode("ab a c")).toEqual([1, 2, 1, 0]);
    expect(refusal(wordpiece({ unknown_token_id: 2 ** 32 - 1 }))).toContain(
      "needs a token for unknown words",
    );
    expect(refusal(wordpiece({ unknown_token_id: 3 }))).toContain("is 3, the vocabulary has 3 tokens");
    expect(refusal(wordpiece({ cls_token_id: 9 }))).toContain('"tokenizer.ggml.cls_token_id" is 9');
  });
});
