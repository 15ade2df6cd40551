/** What the metadata of a GGUF file says of its tokenizer, checked: the input of tables.ts. */
import {
  NO_TOKEN,
  SPLIT_DEFAULT,
  SPLIT_EDGEWISE,
  SPLIT_GPT2,
  SPLIT_LLAMA_BPE,
  SPLIT_QWEN2,
  SPLIT_SMOLLM,
  TYPE_BYTE,
  TYPE_CONTROL,
  TYPE_NORMAL,
  TYPE_UNKNOWN,
  TYPE_UNUSED,
  TYPE_USER_DEFINED,
} from "../../../kernels/session/vocabulary.ts";
import { InputError } from "../../errors.ts";
import type { Metadata } from "../files/metadata.ts";
import { bytesOfLetters } from "./byte_letters.ts";

export interface Token {
  /** What the token stands for: ▁ is a space already, GPT-2's letters are bytes already. */
  bytes: Uint8Array;
  type: number;
}

export interface Merge {
  left: number;
  right: number;
  merged: number;
}

export interface Vocabulary {
  model: "sentencepiece" | "byte-level" | "wordpiece";
  tokens: Token[];
  /** SentencePiece: the pair with the best score merges first. */
  scores: ArrayLike<number>;
  /** Byte-level BPE: in the order of their rank. */
  merges: Merge[];
  /** Token of each byte, or NO_TOKEN. */
  byteTokens: Uint32Array;
  split: number;
  /** A word that is a token is taken whole, without merging (`llama-bpe`). */
  ignoreMerges: boolean;
  spacePrefix: boolean;
  addBos: boolean;
  addEos: boolean;
  bos: number;
  eos: number;
  /** Whatever ends a generation. */
  endTokens: number[];
  unknown: number;
}

/** By `tokenizer.ggml.pre`; the rules are in kernels/session/split.ts and words.ts. */
const SPLITS: Readonly<Record<string, number>> = {
  edgewise: SPLIT_EDGEWISE,
  "gpt-2": SPLIT_GPT2,
  smollm: SPLIT_SMOLLM,
  "llama-bpe": SPLIT_LLAMA_BPE,
  qwen2: SPLIT_QWEN2,
  default: SPLIT_DEFAULT,
};
/** Control tokens with these texts end a generation whatever the file says of EOS: chat models end their turns with them. */
const END_NAMES =
  "<|im_end|> <|eot_id|> <|eom_id|> <|end_of_text|> <|endoftext|> <|end|> <end_of_turn> <eos> </s>".split(
    " ",
  );
/** By `tokenizer.ggml.model`. */
const MODELS: Readonly<Record<string, Vocabulary["model"]>> = {
  llama: "sentencepiece",
  gpt2: "byte-level",
  bert: "wordpiece",
};
/** Special tokens are tried at every place of a text, and pieces are hashed at every merge, so their lengths are bounded. */
const SPECIAL_BYTES_MAX = 512;
const TOKEN_BYTES_MAX = 2048;
const SPACE_MARK = "\u2581";
const utf8 = new TextEncoder();

/** Reads `tokenizer.ggml.*`; an InputError says what does not fit together. */
export function vocabularyFromGguf(metadata: Metadata): Vocabulary {
  const model = readModel(metadata);
  const texts = metadata.strings("tokenizer.ggml.tokens");
  if (texts.length === 0) throw problem(metadata, "the vocabulary is empty");
  const types = readTypes(metadata, texts.length);
  checkDuplicates(metadata, texts);
  const tokens = readTokens(metadata, model, texts, types);
  checkLengths(metadata, tokens);
  const id = (...keys: string[]) => tokenId(metadata, keys, texts.length);
  const unknown = id("unknown");
  const wordpiece = model === "wordpiece";
  if (wordpiece && unknown === NO_TOKEN) throw problem(metadata, "WordPiece needs a token for unknown words");
  const split = model === "byte-level" ? readSplit(metadata) : 0;
  const ends = metadata.has("tokenizer.ggml.add_sep_token") && wordpiece ? "add_sep_token" : "add_eos_token";
  return {
    model,
    tokens,
    scores: model === "sentencepiece" ? readScores(metadata, texts.length) : [],
    merges: model === "byte-level" ? readMerges(metadata, texts, types) : [],
    byteTokens: wordpiece
      ? new Uint32Array(256).fill(NO_TOKEN)
      : readByteTokens(metadata, tokens, model === "sentencepiece", unknown),
    split,
    ignoreMerges: split === SPLIT_LLAMA_BPE,
    spacePrefix:
      wordpiece || (model === "sentencepiece" && metadata.boolean("tokenizer.ggml.add_space_prefix", true)),
    addBos: metadata.boolean("tokenizer.ggml.add_bos_token", model !== "byte-level"),
    addEos: metadata.boolean(`tokenizer.ggml.${ends}`, wordpiece),
    // BERT begins with [CLS] and ends with [SEP]; files spell the latter both ways.
    bos: wordpiece ? id("cls", "bos") : id("bos"),
    eos: wordpiece ? id("seperator", "separator", "eos") : id("eos"),
    endTokens: endTokens([id("eos"), id("eot"), id("eom")], texts, types),
    unknown,
  };
}

function readModel(metadata: Metadata): Vocabulary["model"] {
  const model = metadata.name("tokenizer.ggml.model");
  if (Object.hasOwn(MODELS, model)) return MODELS[model];
  const known = Object.keys(MODELS).join(", ");
  throw problem(metadata, `tokenizer model "${model}" is not known; known are ${known}`);
}

function readTokens(
  metadata: Metadata,
  model: Vocabulary["model"],
  texts: string[],
  types: ArrayLike<number>,
): Token[] {
  if (model === "wordpiece") {
    const marked = texts.some((text) => text.startsWith(SPACE_MARK));
    return texts.map((text, id) => ({ bytes: wordBytes(text, types[id], marked), type: types[id] }));
  }
  return texts.map((text, id) =>
    model === "sentencepiece"
      ? {
          bytes: pieceBytes(metadata, text, id, types[id]),
          // A piece with a real space where the others have ▁ is never met in text, and would be taken for its twin.
          type: types[id] === TYPE_NORMAL && text.includes(" ") ? TYPE_UNUSED : types[id],
        }
      : { bytes: letterBytes(metadata, text, id, types[id]), type: types[id] },
  );
}

/**
 * WordPiece: a piece that begins a word has a space in front. Files mark either those, with ▁ (llama.cpp), or the others, with ## (BERT's
 * own vocab.txt).
 */
function wordBytes(text: string, type: number, marked: boolean): Uint8Array {
  if (type !== TYPE_NORMAL && type !== TYPE_UNUSED) return utf8.encode(text);
  if (marked) return utf8.encode(text.startsWith(SPACE_MARK) ? ` ${text.slice(1)}` : text);
  return utf8.encode(text.startsWith("##") ? text.slice(2) : ` ${text}`);
}

/** Those that the file names, and control tokens that are known by name. Other types are text: Gemma's `</s>` is a tag of HTML. */
function endTokens(named: number[], texts: string[], types: ArrayLike<number>): number[] {
  const found = named.filter((token) => token !== NO_TOKEN);
  texts.forEach((text, token) => {
    if (types[token] === TYPE_CONTROL && END_NAMES.includes(text)) found.push(token);
  });
  return [...new Set(found)].sort((a, b) => a - b);
}

function problem(metadata: Metadata, rule: string): InputError {
  return new InputError(`tokenizer: ${metadata.file}: ${rule}`);
}

function name(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}

function readTypes(metadata: Metadata, count: number): ArrayLike<number> {
  if (!metadata.has("tokenizer.ggml.token_type")) return new Array<number>(count).fill(TYPE_NORMAL);
  const types = metadata.numbers("tokenizer.ggml.token_type");
  if (types.length !== count) {
    throw problem(metadata, `${count} tokens but ${types.length} token types`);
  }
  for (let id = 0; id < count; id++) {
    if (types[id] >= TYPE_NORMAL && types[id] <= TYPE_BYTE && Number.isInteger(types[id])) continue;
    throw problem(metadata, `token ${id} has type ${types[id]}, known are ${TYPE_NORMAL} to ${TYPE_BYTE}`);
  }
  return types;
}

function checkDuplicates(metadata: Metadata, texts: string[]): void {
  if (new Set(texts).size === texts.length) return;
  const ids = new Map<string, number>();
  texts.forEach((text, id) => {
    const before = ids.get(text);
    if (before !== undefined) throw problem(metadata, `tokens ${before} and ${id} are both ${name(text)}`);
    ids.set(text, id);
  });
}

function readScores(metadata: Metadata, count: number): ArrayLike<number> {
  const scores = metadata.numbers("tokenizer.ggml.scores");
  if (scores.length !== count) throw problem(metadata, `${count} tokens but ${scores.length} scores`);
  for (let id = 0; id < count; id++) {
    if (!Number.isFinite(scores[id])) throw problem(metadata, `the score of token ${id} is ${scores[id]}`);
  }
  return scores;
}

/** SentencePiece: `<0x0A>` of type byte is one byte; ▁ in a normal token is a space. */
function pieceBytes(metadata: Metadata, text: string, id: number, type: number): Uint8Array {
  if (type === TYPE_BYTE) {
    const hex = /^<0x([0-9A-Fa-f]{2})>$/.exec(text);
    if (hex === null)
      throw problem(metadata, `token ${id} ${name(text)} has type byte, must be written <0x00>`);
    return Uint8Array.of(Number.parseInt(hex[1], 16));
  }
  return utf8.encode(type === TYPE_NORMAL || type === TYPE_UNUSED ? text.replaceAll(SPACE_MARK, " ") : text);
}

/** Byte-level BPE: normal tokens are written in GPT-2's letters, the others as they are. */
function letterBytes(metadata: Metadata, text: string, id: number, type: number): Uint8Array {
  if (type !== TYPE_NORMAL && type !== TYPE_UNUSED) return utf8.encode(text);
  const bytes = bytesOfLetters(text);
  if (bytes instanceof Uint8Array) return bytes;
  throw problem(metadata, `token ${id} ${name(text)} has ${name(bytes.unknown)}, which stands for no byte`);
}

function checkLengths(metadata: Metadata, tokens: Token[]): void {
  tokens.forEach(({ bytes, type }, id) => {
    const special = type === TYPE_CONTROL || type === TYPE_USER_DEFINED || type === TYPE_UNKNOWN;
    const most = special ? SPECIAL_BYTES_MAX : TOKEN_BYTES_MAX;
    if (bytes.length <= most) return;
    throw problem(
      metadata,
      `${special ? "special " : ""}token ${id} has ${bytes.length} bytes, at most ${most}`,
    );
  });
}

/** `left right` in GPT-2's letters; both and what they make must be tokens. A merge makes a longer text, so none can be part of itself. */
function readMerges(metadata: Metadata, texts: string[], types: ArrayLike<number>): Merge[] {
  const ids = new Map(texts.map((text, id) => [text, id]));
  const ranks = new Map<string, number>();
  return metadata.strings("tokenizer.ggml.merges").map((line, rank) => {
    const parts = line.split(" ");
    if (parts.length !== 2 || parts.includes("")) {
      throw problem(metadata, `merge ${rank} is ${name(line)}, must be two tokens with a space between`);
    }
    const before = ranks.get(line);
    if (before !== undefined) throw problem(metadata, `merges ${before} and ${rank} are both ${name(line)}`);
    ranks.set(line, rank);
    const [left, right, merged] = [parts[0], parts[1], parts.join("")].map((text) => {
      const id = ids.get(text);
      if (id === undefined)
        throw problem(
          metadata,
          `merge ${rank} ${name(line)} needs the token ${name(text)}, which is missing`,
        );
      return id;
    });
    // Else plain text could become a control token.
    if (types[merged] === TYPE_CONTROL || types[merged] === TYPE_UNKNOWN)
      throw problem(metadata, `merge ${rank} ${name(line)} makes the control token ${merged}`);
    return { left, right, merged };
  });
}

/** Bytes that a byte-level vocabulary may lack: SmolLM2 lacks some controls and bytes that begin no or very rare characters. */
function isRare(byte: number): boolean {
  return (
    (byte < 0x20 && byte !== 9 && byte !== 10 && byte !== 13) || byte === 0xc0 || byte === 0xc1 || byte > 0xf0
  );
}

/**
 * Token of each byte. SentencePiece: all 256, or none where there is an unknown token. Byte-level: all but some rare ones, which are left
 * out of what is tokenized. Else an error that names the first that is missing.
 */
function readByteTokens(
  metadata: Metadata,
  tokens: Token[],
  sentencepiece: boolean,
  unknown: number,
): Uint32Array {
  const byteTokens = new Uint32Array(256).fill(NO_TOKEN);
  const type = sentencepiece ? TYPE_BYTE : TYPE_NORMAL;
  tokens.forEach((token, id) => {
    if (token.type !== type || token.bytes.length !== 1) return;
    const [byte] = token.bytes;
    if (byteTokens[byte] !== NO_TOKEN) {
      throw problem(metadata, `tokens ${byteTokens[byte]} and ${id} both stand for byte ${byte}`);
    }
    byteTokens[byte] = id;
  });
  const none = sentencepiece && unknown !== NO_TOKEN && byteTokens.every((id) => id === NO_TOKEN);
  const missing = byteTokens.findIndex((id, byte) => id === NO_TOKEN && (sentencepiece || !isRare(byte)));
  if (missing >= 0 && !none) {
    throw problem(metadata, `no token stands for byte ${missing}, so some text could not be written`);
  }
  return byteTokens;
}

function readSplit(metadata: Metadata): number {
  const split = metadata.name("tokenizer.ggml.pre");
  if (Object.hasOwn(SPLITS, split)) return SPLITS[split];
  throw problem(
    metadata,
    `pre-tokenizer "${split}" is not known; known are ${Object.keys(SPLITS).join(", ")}`,
  );
}

/** The first of the keys that the file has. Files say "none" by leaving the key out or by 2^32 − 1. */
function tokenId(metadata: Metadata, names: string[], count: number): number {
  const keys = names.map((name) => `tokenizer.ggml.${name}_token_id`);
  const key = keys.find((found) => metadata.has(found)) ?? keys[0];
  const id = metadata.integer(key, 0, NO_TOKEN, NO_TOKEN);
  if (id < count || id === NO_TOKEN) return id;
  throw problem(metadata, `"${key}" is ${id}, the vocabulary has ${count} tokens`);
}
