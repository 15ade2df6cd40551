/** Vocabularies that the tests of tokenizers use. */
import { readFileSync } from "node:fs";
import type { MetadataValue } from "../../src/llm/files/metadata.ts";
import { Metadata } from "../../src/llm/files/metadata.ts";
import { sharedData } from "../shared.ts";

export function metadataOf(
  values: Record<string, string | number | boolean | string[] | Float32Array | Int32Array>,
): Metadata {
  const entry = (value: (typeof values)[string]): MetadataValue => {
    if (typeof value === "string") return { type: "string", value };
    if (typeof value === "boolean") return { type: "bool", value };
    if (typeof value === "number") return { type: "uint32", value };
    if (value instanceof Float32Array) return { type: "array", of: "float32", value };
    if (value instanceof Int32Array) return { type: "array", of: "int32", value };
    return { type: "array", of: "string", value };
  };
  const pairs = Object.entries(values).map(
    ([key, value]) => [`tokenizer.ggml.${key}`, entry(value)] as const,
  );
  return new Metadata("test", pairs);
}

/** Strings of a GGUF array that starts behind `key`; for files whose other bytes were damaged on their way (see below). */
function stringsBehind(file: Buffer, key: string, count: number): string[] {
  let at = file.indexOf(key) + key.length + 16;
  return Array.from({ length: count }, () => {
    const bytes = file.readUInt32LE(at);
    at += 8 + bytes;
    return file.toString("utf8", at - bytes, at);
  });
}

/**
 * The vocabulary of Llama 2. In the shared file every byte that is no UTF-8 was replaced by U+FFFD, so counts, scores and types are
 * lost; the tokens are whole, types follow from their place, and the score of piece i is −(i − 259), as SentencePiece's trainer
 * numbers BPE pieces, but −10⁹ for runs of spaces (what is left of the scores shows both).
 */
export function llama2(): Metadata | undefined {
  const path = sharedData("tokenizers/ggml-vocab-llama-spm.gguf");
  if (path === undefined) return undefined;
  const tokens = stringsBehind(readFileSync(path), "tokenizer.ggml.tokens", 32000);
  return metadataOf({
    model: "llama",
    tokens,
    scores: Float32Array.from(tokens, (text, id) => (/^▁▁+$/.test(text) ? -1e9 : Math.min(0, 259 - id))),
    token_type: Int32Array.from(tokens, (_, id) => [2, 3, 3][id] ?? (id < 259 ? 6 : 1)),
    bos_token_id: 1,
    eos_token_id: 2,
    unknown_token_id: 0,
  });
}

/** Texts and their expected tokens as llama.cpp keeps them: in `.inp` a marker line ends each text, `.out` has one line per text. */
export function expectedTokens(name: string): { text: string; tokens: number[] }[] | undefined {
  const [inp, out] = [`tokenizers/${name}.gguf.inp`, `tokenizers/${name}.gguf.out`].map(sharedData);
  if (inp === undefined || out === undefined) return undefined;
  const texts = readFileSync(inp, "utf8").split("\n__ggml_vocab_test__\n").slice(0, -1);
  const lines = readFileSync(out, "utf8").split("\n");
  return texts.map((text, i) => ({ text, tokens: lines[i].split(" ").filter(Boolean).map(Number) }));
}

/** Lines of a vocabulary in text form. */
function lines(path: string): string[] {
  return readFileSync(path, "utf8").replace(/\n$/, "").split("\n");
}

/**
 * The vocabulary of BERT, uncased, from its own vocab.txt, with ## or in llama.cpp's form with ▁. (The shared GGUF file has the same
 * tokens, and bytes of other values damaged.)
 */
export function bert(form: "##" | "▁"): Metadata | undefined {
  const path = sharedData("tokenizers/bert-base-uncased-vocab.txt");
  if (path === undefined) return undefined;
  const texts = lines(path);
  const controls = ["[PAD]", "[CLS]", "[SEP]", "[MASK]"];
  const marked = (text: string) =>
    text.startsWith("##") ? text.slice(2) : /^\[.+\]$/.test(text) ? text : `▁${text}`;
  return metadataOf({
    model: "bert",
    tokens: form === "##" ? texts : texts.map(marked),
    token_type: Int32Array.from(texts, (text) => (text === "[UNK]" ? 2 : controls.includes(text) ? 3 : 1)),
    unknown_token_id: texts.indexOf("[UNK]"),
    cls_token_id: texts.indexOf("[CLS]"),
    seperator_token_id: texts.indexOf("[SEP]"),
  });
}

/** The vocabulary of GPT-2 from its own vocab.json and merges.txt (in the shared GGUF file bytes are damaged). */
export function gpt2(pre = "gpt-2"): Metadata | undefined {
  const [vocabulary, merges] = ["tokenizers/gpt2-vocab.json", "tokenizers/gpt2-merges.txt"].map(sharedData);
  if (vocabulary === undefined || merges === undefined) return undefined;
  const ids: Record<string, number> = JSON.parse(readFileSync(vocabulary, "utf8"));
  const tokens = Object.keys(ids).sort((a, b) => ids[a] - ids[b]);
  return metadataOf({
    model: "gpt2",
    pre,
    tokens,
    token_type: Int32Array.from(tokens, (text) => (text === "<|endoftext|>" ? 3 : 1)),
    merges: lines(merges).filter((line) => !line.startsWith("#version")),
    bos_token_id: ids["<|endoftext|>"],
    eos_token_id: ids["<|endoftext|>"],
  });
}
