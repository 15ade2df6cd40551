/** Text to tokens and back on a JavaScript host, by the same wasm code that every other host runs. */
import { readFileSync } from "node:fs";
import {
  DETOKENIZE_CONTINUE,
  DETOKENIZE_CONTROL,
  NO_TOKEN,
  RECORD_BYTES,
  RECORD_TEXT,
  RECORD_TEXT_BYTES,
  RECORD_TYPE,
  TOKENIZE_BOS,
  TOKENIZE_CONTINUE,
  TOKENIZE_CONTROL,
  TOKENIZE_EOS,
  TOKENIZE_WORK_FIXED,
  TOKENIZE_WORK_PER_BYTE,
  TYPE_CONTROL,
  TYPE_NORMAL,
  TYPE_UNKNOWN,
  TYPE_USER_DEFINED,
  V_RECORDS,
} from "../../../kernels/session/vocabulary.ts";
import { asset } from "../../engine/host/assets.ts";
import { checkPlatform } from "../../engine/host/features.ts";
import { InputError } from "../../errors.ts";
import { giveBack } from "../files/borrowed.ts";
import type { Metadata } from "../files/metadata.ts";
import { vocabularySection } from "./tables.ts";
import { type Vocabulary, vocabularyFromGguf } from "./vocabulary.ts";

const PAGE = 65536;
/** The section stands behind the first page, where the engine's control block would be. */
const TABLES_AT = PAGE;

interface TokenizerExports {
  memory: WebAssembly.Memory;
  tokenize(
    tables: number,
    text: number,
    textBytes: number,
    out: number,
    outCapacity: number,
    work: number,
    workBytes: number,
    flags: number,
  ): number;
  detokenize(
    tables: number,
    tokens: number,
    count: number,
    out: number,
    capacity: number,
    flags: number,
  ): number;
}

export interface EncodeOptions {
  /** Begin with BOS; by default as the file says. */
  bos?: boolean;
  /** End with EOS; by default as the file says. */
  eos?: boolean;
  /** Control tokens written out in the text (`<|im_start|>`) become themselves; by default they stay text. */
  special?: boolean;
  /** The text goes on after other text: SentencePiece puts no space in front of it. */
  continued?: boolean;
}

export interface DecodeOptions {
  /** The tokens go on after others, so a leading space is theirs. */
  continued?: boolean;
  /** Control tokens are written out. */
  special?: boolean;
}

export interface Marker {
  readonly token: number;
  readonly text: string;
  /** Control tokens; tokens that any text may have, cut out of it before anything else (`defined`) or made by merging (`word`). */
  readonly kind: "control" | "defined" | "word";
}

/** Markers of conversations that a file types as words: `<|user|>`, `<start_of_turn>`, `[INST]`. */
const WORD_MARKER = /^(<[|｜].+[|｜]>|<\/?[a-z_][\w -]*>|\[\/?[A-Z][A-Z_]+\])$/iu;

let wasm: WebAssembly.Module | undefined;

/** Tokens of a vocabulary. Each has its own small wasm memory, which grows with the longest text. */
export class Tokenizer {
  readonly vocabularySize: number;
  readonly bos: number | undefined;
  readonly eos: number | undefined;
  /** Any of these ends a generation: EOS, the ends of a turn and of a message, and control tokens known by name. */
  readonly endTokens: ReadonlySet<number>;
  /** Bytes that no token stands for; they are left out of what is tokenized, as llama.cpp and Hugging Face do. */
  readonly missingBytes: readonly number[];
  readonly #addBos: boolean;
  readonly #addEos: boolean;
  readonly #exports: TokenizerExports;
  readonly #free: number;
  readonly #records: number;

  constructor(vocabulary: Vocabulary) {
    checkPlatform();
    this.#addBos = vocabulary.addBos;
    this.#addEos = vocabulary.addEos;
    this.vocabularySize = vocabulary.tokens.length;
    this.bos = vocabulary.bos === NO_TOKEN ? undefined : vocabulary.bos;
    this.eos = vocabulary.eos === NO_TOKEN ? undefined : vocabulary.eos;
    this.missingBytes = missingBytes(vocabulary);
    this.endTokens = new Set(vocabulary.endTokens);
    wasm ??= new WebAssembly.Module(readFileSync(asset("kernels/simd.wasm")));
    this.#exports = new WebAssembly.Instance(wasm).exports as unknown as TokenizerExports;
    // Written where it is read: a vocabulary of 262,144 tokens takes 8 MiB.
    const section = vocabularySection(vocabulary, (bytes) => this.#bytes(TABLES_AT, bytes));
    this.#free = TABLES_AT + section.length;
    this.#records = TABLES_AT + this.#words(TABLES_AT + V_RECORDS, 1)[0];
  }

  /** The vocabulary section, for a program's constants: a view that the next call of another method may end. */
  get section(): Uint8Array {
    return this.#bytes(TABLES_AT, this.#free - TABLES_AT);
  }

  /** From `tokenizer.ggml.*` of a GGUF file; an InputError says what does not fit together. */
  static fromGguf(metadata: Metadata): Tokenizer {
    const vocabulary = vocabularyFromGguf(metadata);
    const tokenizer = new Tokenizer(vocabulary);
    giveBack(vocabulary.tokens.bytes, vocabulary.tokens.ends, vocabulary.merges);
    return tokenizer;
  }

  /** Ids of the tokens of a text. */
  encode(text: string, options: EncodeOptions = {}): number[] {
    const { bos = this.#addBos, eos = this.#addEos, special = false, continued = false } = options;
    const bytes = new TextEncoder().encode(text);
    // At most a token a byte, one more in front of each fragment, BOS and EOS.
    const capacity = 2 * bytes.length + 4;
    const out = this.#free;
    const textAt = out + 4 * capacity;
    const work = align(textAt + bytes.length);
    const workBytes = TOKENIZE_WORK_FIXED + TOKENIZE_WORK_PER_BYTE * bytes.length;
    this.#reserve(work + workBytes);
    const { memory, tokenize } = this.#exports;
    new Uint8Array(memory.buffer, textAt).set(bytes);
    const flags =
      (bos ? TOKENIZE_BOS : 0) |
      (eos ? TOKENIZE_EOS : 0) |
      (special ? TOKENIZE_CONTROL : 0) |
      (continued ? TOKENIZE_CONTINUE : 0);
    const count = tokenize(TABLES_AT, textAt, bytes.length, out, capacity, work, workBytes, flags);
    if (count < 0) throw new Error(`tokenizer: tokenize returned ${count} for ${bytes.length} bytes`);
    return Array.from(new Uint32Array(memory.buffer, out, count));
  }

  /** The text of the tokens; a character cut at either end becomes U+FFFD. */
  decode(tokens: ArrayLike<number>, options: DecodeOptions = {}): string {
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.decodeBytes(tokens, options));
  }

  /** The bytes of the tokens, which may begin or end within a character. */
  decodeBytes(tokens: ArrayLike<number>, options: DecodeOptions = {}): Uint8Array {
    let capacity = 0;
    for (let i = 0; i < tokens.length; i++) capacity += this.#record(tokens[i], i)[RECORD_TEXT_BYTES / 4];
    const tokensAt = align(this.#free);
    const out = tokensAt + 4 * tokens.length;
    this.#reserve(out + capacity);
    const { memory, detokenize } = this.#exports;
    new Uint32Array(memory.buffer, tokensAt, tokens.length).set(tokens);
    const flags = (options.continued ? DETOKENIZE_CONTINUE : 0) | (options.special ? DETOKENIZE_CONTROL : 0);
    const count = detokenize(TABLES_AT, tokensAt, tokens.length, out, capacity, flags);
    if (count < 0) throw new Error(`tokenizer: detokenize returned ${count} for ${tokens.length} tokens`);
    return new Uint8Array(memory.buffer, out, count).slice();
  }

  /** What a token stands for, control tokens written out; bytes that are no character by themselves become U+FFFD. */
  tokenText(token: number): string {
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.#textOf(this.#record(token)));
  }

  /** Tokens that are no words: control tokens, and others that are written in brackets as control tokens are. */
  markers(): Marker[] {
    const found: Marker[] = [];
    for (let token = 0; token < this.vocabularySize; token++) {
      const record = this.#record(token);
      const type = record[RECORD_TYPE / 4];
      const bytes = this.#textOf(record);
      const control = type === TYPE_CONTROL || type === TYPE_UNKNOWN;
      const bracket = bytes[0] === 0x3c || bytes[0] === 0x5b; // < and [
      if (bytes.length === 0 || !(control || (bracket && bytes.length > 2))) continue;
      const text = this.tokenText(token);
      if (control) found.push({ token, text, kind: "control" });
      else if (type === TYPE_USER_DEFINED && /[>\]]$/.test(text))
        found.push({ token, text, kind: "defined" });
      else if (type === TYPE_NORMAL && WORD_MARKER.test(text)) found.push({ token, text, kind: "word" });
    }
    return found;
  }

  /** Whether a token is written out only on demand, such as `<|im_start|>`. */
  isControl(token: number): boolean {
    const type = this.#record(token)[RECORD_TYPE / 4];
    return type === TYPE_CONTROL || type === TYPE_UNKNOWN;
  }

  #record(token: number, index = 0): Uint32Array {
    if (!(token >= 0 && token < this.vocabularySize && Number.isInteger(token)))
      throw this.#badToken(token, index);
    return this.#words(this.#records + token * RECORD_BYTES, RECORD_BYTES / 4);
  }

  #textOf(record: Uint32Array): Uint8Array {
    return this.#bytes(TABLES_AT + record[RECORD_TEXT / 4], record[RECORD_TEXT_BYTES / 4]);
  }

  #words(at: number, count: number): Uint32Array {
    return new Uint32Array(this.#exports.memory.buffer, at, count);
  }

  /** Of the wasm's memory, which grows where it is too small. */
  #bytes(at: number, length: number): Uint8Array {
    this.#reserve(at + length);
    return new Uint8Array(this.#exports.memory.buffer, at, length);
  }

  #badToken(token: number, index: number): InputError {
    return new InputError(
      `tokenizer: token ${token} at ${index} is not one of the ${this.vocabularySize} of the vocabulary`,
    );
  }

  #reserve(bytes: number): void {
    const { memory } = this.#exports;
    const missing = bytes - memory.buffer.byteLength;
    if (missing <= 0) return;
    try {
      memory.grow(Math.ceil(missing / PAGE));
    } catch {
      throw new InputError(`tokenizer: ${bytes} bytes of memory are not to be had; split the text`);
    }
  }
}

/** Of byte-level BPE; SentencePiece and WordPiece have an unknown token. */
function missingBytes({ model, byteTokens }: Vocabulary): number[] {
  if (model !== "byte-level") return [];
  return Array.from(byteTokens.keys()).filter((byte) => byteTokens[byte] === NO_TOKEN);
}

function align(at: number): number {
  return Math.ceil(at / 8) * 8;
}
