/**
 * What tokens stand for, out of how files write them. SentencePiece: ▁ is a space, `<0x0A>` of type byte is one byte. Byte-level BPE: GPT-2's
 * letters are bytes. WordPiece: what begins a word gets a space in front; files mark either those, with ▁ (llama.cpp), or the others, with
 * ## (BERT's own vocab.txt). Control tokens and their like are taken as they are written.
 */
import { TYPE_BYTE, TYPE_NORMAL, TYPE_UNUSED } from "../../../kernels/session/vocabulary.ts";
import { borrow } from "../files/borrowed.ts";
import { ByteStrings } from "../files/byte_strings.ts";
import type { StringList } from "../files/string_list.ts";
import { byteOfLetter } from "./byte_letters.ts";
import type { Vocabulary } from "./vocabulary.ts";

const SPACE = 0x20;
/** ▁ in UTF-8. */
const [MARK_1, MARK_2, MARK_3] = new TextEncoder().encode("\u2581");
const HASH = 0x23;

/** The bytes of all tokens, in memory that is to be given back; `refuse` is called, with the token and the rule, for one that is wrongly written. */
export function tokenBytes(
  model: Vocabulary["model"],
  texts: StringList,
  types: Uint8Array,
  refuse: (token: number, rule: string) => Error,
): ByteStrings {
  const writer = new Writer(texts, model === "wordpiece" ? texts.length : 0, refuse);
  const marked = model === "wordpiece" && someMarked(texts);
  for (let id = 0; id < texts.length; id++) {
    const type = types[id];
    const isText = type === TYPE_NORMAL || type === TYPE_UNUSED;
    if (model === "sentencepiece" && type === TYPE_BYTE) writer.hex(id);
    else if (!isText) writer.copy(id);
    else if (model === "sentencepiece") writer.spaces(id);
    else if (model === "byte-level") writer.letters(id);
    else writer.word(id, marked);
  }
  return writer.made();
}

/** Whether the text of a token has a real space in it. */
export function hasSpace(texts: StringList, id: number): boolean {
  for (let i = texts.start(id); i < texts.ends[id]; i++) if (texts.bytes[i] === SPACE) return true;
  return false;
}

function someMarked(texts: StringList): boolean {
  for (let id = 0; id < texts.length; id++)
    if (isMark(texts.bytes, texts.start(id), texts.ends[id])) return true;
  return false;
}

function isMark(bytes: Uint8Array, at: number, end: number): boolean {
  return at + 3 <= end && bytes[at] === MARK_1 && bytes[at + 1] === MARK_2 && bytes[at + 2] === MARK_3;
}

/** Writes token after token. */
class Writer {
  readonly #texts: StringList;
  readonly #from: Uint8Array;
  readonly #refuse: (token: number, rule: string) => Error;
  readonly #bytes: Uint8Array;
  readonly #ends: Uint32Array;
  #at = 0;
  #count = 0;

  /** No token becomes longer than its text, but for `spaces` more bytes in all. */
  constructor(texts: StringList, spaces: number, refuse: (token: number, rule: string) => Error) {
    this.#texts = texts;
    this.#from = texts.bytes;
    this.#refuse = refuse;
    this.#bytes = new Uint8Array(borrow(texts.bytes.length + spaces));
    this.#ends = new Uint32Array(borrow(4 * texts.length));
  }

  made(): ByteStrings {
    return new ByteStrings(this.#bytes.subarray(0, this.#at), this.#ends);
  }

  copy(id: number, skip = 0): void {
    const end = this.#texts.ends[id];
    for (let i = this.#texts.start(id) + skip; i < end; i++) this.#bytes[this.#at++] = this.#from[i];
    this.#end();
  }

  hex(id: number): void {
    const [, hex] = /^<0x([0-9A-Fa-f]{2})>$/.exec(this.#texts.textAt(id)) ?? [];
    if (hex === undefined) throw this.#refuse(id, "has type byte, must be written <0x00>");
    this.#bytes[this.#at++] = Number.parseInt(hex, 16);
    this.#end();
  }

  spaces(id: number): void {
    const end = this.#texts.ends[id];
    for (let i = this.#texts.start(id); i < end; ) {
      const mark = isMark(this.#from, i, end);
      this.#bytes[this.#at++] = mark ? SPACE : this.#from[i];
      i += mark ? 3 : 1;
    }
    this.#end();
  }

  letters(id: number): void {
    const end = this.#texts.ends[id];
    for (let i = this.#texts.start(id); i < end; ) {
      const lead = this.#from[i];
      // Letters are below U+0800: one byte or two.
      const letter = lead < 0x80 ? lead : ((lead & 0x1f) << 6) | (this.#from[i + 1] & 0x3f);
      const byte = lead < 0xe0 ? byteOfLetter(letter) : undefined;
      if (byte === undefined) {
        const [unknown] = new TextDecoder().decode(this.#from.subarray(i, end));
        throw this.#refuse(id, `has ${JSON.stringify(unknown)}, which stands for no byte`);
      }
      this.#bytes[this.#at++] = byte;
      i += lead < 0x80 ? 1 : 2;
    }
    this.#end();
  }

  word(id: number, marked: boolean): void {
    const start = this.#texts.start(id);
    const end = this.#texts.ends[id];
    const mark = marked && isMark(this.#from, start, end);
    const goesOn =
      !marked && this.#from[start] === HASH && this.#from[start + 1] === HASH && start + 2 <= end;
    if (mark || (!marked && !goesOn)) this.#bytes[this.#at++] = SPACE;
    this.copy(id, mark ? 3 : goesOn ? 2 : 0);
  }

  #end(): void {
    this.#ends[this.#count++] = this.#at;
  }
}
