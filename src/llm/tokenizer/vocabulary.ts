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
import type { ByteStrings } from "../files/byte_strings.ts";
import type { Metadata } from "../files/metadata.ts";
import type { StringList } from "../files/string_list.ts";
import { mergeTwins, readMerges } from "./merges.ts";
import { checkSettings } from "./settings.ts";
import { specialTokens } from "./special_tokens.ts";
import { TextIndex } from "./text_index.ts";
import { hasSpace, tokenBytes } from "./token_bytes.ts";

export interface Vocabulary {
  model: "sentencepiece" | "byte-level" | "wordpiece";
  /** What the tokens stand for: ▁ is a space already, GPT-2's letters are bytes already. */
  tokens: ByteStrings;
  types: Uint8Array;
  /** SentencePiece: the pair with the best score merges first. */
  scores: ArrayLike<number>;
  /** Byte-level BPE: left, right and merged token of each, in the order of their rank. */
  merges: Uint32Array;
  /** Token of each byte, or NO_TOKEN. */
  byteTokens: Uint32Array;
  split: number;
  /** A word that is a token is taken whole, without merging. */
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

interface PreTokenizer {
  readonly split: number;
  /** A word that is a token is taken whole, without merging. */
  readonly ignoreMerges?: boolean;
  /** Texts begin with BOS unless the file says otherwise. */
  readonly addBos?: boolean;
}

const LLAMA_3: PreTokenizer = { split: SPLIT_LLAMA_BPE, ignoreMerges: true, addBos: true };
/** By `tokenizer.ggml.pre`; the rules of `split` are in kernels/session/split.ts and words.ts, the defaults are llama.cpp's. */
const PRE_TOKENIZERS: Readonly<Record<string, PreTokenizer>> = {
  edgewise: { split: SPLIT_EDGEWISE },
  "gpt-2": { split: SPLIT_GPT2 },
  smollm: { split: SPLIT_SMOLLM },
  "llama-bpe": LLAMA_3,
  qwen2: { split: SPLIT_QWEN2 },
  default: { split: SPLIT_DEFAULT },
  llama3: LLAMA_3,
  "llama-v3": LLAMA_3,
  falcon3: LLAMA_3,
};
/** By `tokenizer.ggml.model`. */
const MODELS: Readonly<Record<string, Vocabulary["model"]>> = {
  llama: "sentencepiece",
  gpt2: "byte-level",
  bert: "wordpiece",
};
/** Special tokens are tried at every place of a text, and pieces are hashed at every merge, so their lengths are bounded. */
const SPECIAL_BYTES_MAX = 512;
const TOKEN_BYTES_MAX = 2048;

/** Reads `tokenizer.ggml.*`, into memory some of which is borrowed; an InputError says what does not fit together. */
export function vocabularyFromGguf(metadata: Metadata): Vocabulary {
  const model = readModel(metadata);
  const texts = metadata.stringList("tokenizer.ggml.tokens");
  if (texts.length === 0) throw problem(metadata, "the vocabulary is empty");
  const id = (...keys: string[]) => tokenId(metadata, keys, texts.length);
  const index = indexOf(metadata, texts);
  const fileTypes = readTypes(metadata, texts.length);
  const { types, ends } = specialTokens(index, fileTypes, id, endIds(metadata, texts.length));
  const tokens = readTokens(metadata, model, texts, types);
  checkLengths(metadata, tokens, types);
  const unknown = id("unknown");
  const wordpiece = model === "wordpiece";
  if (wordpiece && unknown === NO_TOKEN) throw problem(metadata, "WordPiece needs a token for unknown words");
  const pre = model === "byte-level" ? readPreTokenizer(metadata) : { split: 0, addBos: true };
  const addEnd =
    metadata.has("tokenizer.ggml.add_sep_token") && wordpiece ? "add_sep_token" : "add_eos_token";
  const vocabulary: Vocabulary = {
    model,
    tokens,
    types,
    scores: model === "sentencepiece" ? readScores(metadata, texts.length) : [],
    merges: model === "byte-level" ? mergesOf(metadata, index, fileTypes, types) : new Uint32Array(0),
    byteTokens: wordpiece
      ? new Uint32Array(256).fill(NO_TOKEN)
      : readByteTokens(metadata, tokens, types, model === "sentencepiece", unknown),
    split: pre.split,
    ignoreMerges: pre.ignoreMerges ?? false,
    spacePrefix:
      wordpiece || (model === "sentencepiece" && metadata.boolean("tokenizer.ggml.add_space_prefix", true)),
    addBos: metadata.boolean("tokenizer.ggml.add_bos_token", pre.addBos ?? false),
    addEos: metadata.boolean(`tokenizer.ggml.${addEnd}`, wordpiece),
    // BERT begins with [CLS] and ends with [SEP]; files spell the latter both ways.
    bos: wordpiece ? id("cls", "bos") : id("bos"),
    eos: wordpiece ? id("seperator", "separator", "eos") : id("eos"),
    endTokens: ends,
    unknown,
  };
  checkSettings(metadata, wordpiece, (rule) => problem(metadata, rule));
  index.release();
  return vocabulary;
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
  texts: StringList,
  types: Uint8Array,
): ByteStrings {
  const tokens = tokenBytes(model, texts, types, (id, rule) =>
    problem(metadata, `token ${id} ${name(texts, id)} ${rule}`),
  );
  if (model !== "sentencepiece") return tokens;
  // A piece with a real space where the others have ▁ is never met in text, and would be taken for its twin.
  for (let id = 0; id < types.length; id++)
    if (types[id] === TYPE_NORMAL && hasSpace(texts, id)) types[id] = TYPE_UNUSED;
  return tokens;
}

function problem(metadata: Metadata, rule: string): InputError {
  return new InputError(`tokenizer: ${metadata.file}: ${rule}`);
}

const SHOWN_MAX = 60;

/** One of the texts, as messages show it. */
function name(texts: StringList, index: number): string {
  const text = texts.textAt(index);
  return JSON.stringify(text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text);
}

/** A copy: pieces that are never met are marked in it. */
function readTypes(metadata: Metadata, count: number): Uint8Array {
  if (!metadata.has("tokenizer.ggml.token_type")) return new Uint8Array(count).fill(TYPE_NORMAL);
  const types = metadata.numbers("tokenizer.ggml.token_type");
  if (types.length !== count) {
    throw problem(metadata, `${count} tokens but ${types.length} token types`);
  }
  const found = new Uint8Array(count);
  for (let id = 0; id < count; id++) {
    if (!(types[id] >= TYPE_NORMAL && types[id] <= TYPE_BYTE && Number.isInteger(types[id])))
      throw problem(metadata, `token ${id} has type ${types[id]}, known are ${TYPE_NORMAL} to ${TYPE_BYTE}`);
    found[id] = types[id];
  }
  return found;
}

function indexOf(metadata: Metadata, texts: StringList): TextIndex {
  const index = new TextIndex(texts);
  if (!index.twins) return index;
  const [before, id] = index.twins;
  throw problem(metadata, `tokens ${before} and ${id} are both ${name(texts, id)}`);
}

function readScores(metadata: Metadata, count: number): ArrayLike<number> {
  const scores = metadata.numbers("tokenizer.ggml.scores");
  if (scores.length !== count) throw problem(metadata, `${count} tokens but ${scores.length} scores`);
  for (let id = 0; id < count; id++) {
    if (!Number.isFinite(scores[id])) throw problem(metadata, `the score of token ${id} is ${scores[id]}`);
  }
  return scores;
}

function checkLengths(metadata: Metadata, tokens: ByteStrings, types: Uint8Array): void {
  for (let id = 0; id < tokens.length; id++) {
    const type = types[id];
    const special = type === TYPE_CONTROL || type === TYPE_USER_DEFINED || type === TYPE_UNKNOWN;
    const most = special ? SPECIAL_BYTES_MAX : TOKEN_BYTES_MAX;
    const size = tokens.size(id);
    if (size > most)
      throw problem(metadata, `${special ? "special " : ""}token ${id} has ${size} bytes, at most ${most}`);
  }
}

/** Those that make a token that only its text tells to be a control token are left out. */
function mergesOf(
  metadata: Metadata,
  index: TextIndex,
  fileTypes: Uint8Array,
  types: Uint8Array,
): Uint32Array {
  const lines = metadata.stringList("tokenizer.ggml.merges");
  const merges = readMerges(lines, index, fileTypes, (rank, rule) =>
    problem(metadata, `merge ${rank} ${name(lines, rank)} ${rule}`),
  );
  const twins = mergeTwins(merges);
  if (twins) throw problem(metadata, `merges ${twins[0]} and ${twins[1]} are both ${name(lines, twins[1])}`);
  let kept = 0;
  for (let at = 0; at < merges.length; at += 3) {
    if (types[merges[at + 2]] === TYPE_CONTROL) continue;
    merges.copyWithin(kept, at, at + 3);
    kept += 3;
  }
  return merges.subarray(0, kept);
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
  tokens: ByteStrings,
  types: Uint8Array,
  sentencepiece: boolean,
  unknown: number,
): Uint32Array {
  const byteTokens = new Uint32Array(256).fill(NO_TOKEN);
  const type = sentencepiece ? TYPE_BYTE : TYPE_NORMAL;
  for (let id = 0; id < tokens.length; id++) {
    if (types[id] !== type || tokens.size(id) !== 1) continue;
    const byte = tokens.bytes[tokens.start(id)];
    if (byteTokens[byte] !== NO_TOKEN)
      throw problem(metadata, `tokens ${byteTokens[byte]} and ${id} both stand for byte ${byte}`);
    byteTokens[byte] = id;
  }
  const none = sentencepiece && unknown !== NO_TOKEN && byteTokens.every((id) => id === NO_TOKEN);
  const missing = byteTokens.findIndex((id, byte) => id === NO_TOKEN && (sentencepiece || !isRare(byte)));
  if (missing >= 0 && !none) {
    throw problem(metadata, `no token stands for byte ${missing}, so some text could not be written`);
  }
  return byteTokens;
}

function readPreTokenizer(metadata: Metadata): PreTokenizer {
  const pre = metadata.name("tokenizer.ggml.pre");
  if (Object.hasOwn(PRE_TOKENIZERS, pre)) return PRE_TOKENIZERS[pre];
  const known = Object.keys(PRE_TOKENIZERS).join(", ");
  throw problem(metadata, `pre-tokenizer "${pre}" is not known; known are ${known}`);
}

/** Files of Ollama name several tokens that end an answer. */
function endIds(metadata: Metadata, count: number): number[] {
  const key = "tokenizer.ggml.eos_token_ids";
  if (!metadata.has(key)) return [];
  const ids = Array.from(metadata.numbers(key));
  const bad = ids.find((id) => !(id >= 0 && id < count && Number.isInteger(id)));
  if (bad === undefined) return ids;
  throw problem(metadata, `"${key}" has ${bad}, the vocabulary has ${count} tokens`);
}

/** The first of the keys that the file has. Files say "none" by leaving the key out or by 2^32 − 1. */
function tokenId(metadata: Metadata, names: string[], count: number): number {
  const keys = names.map((name) => `tokenizer.ggml.${name}_token_id`);
  const key = keys.find((found) => metadata.has(found)) ?? keys[0];
  const id = metadata.integer(key, 0, NO_TOKEN, NO_TOKEN);
  if (id < count || id === NO_TOKEN) return id;
  throw problem(metadata, `"${key}" is ${id}, the vocabulary has ${count} tokens`);
}
