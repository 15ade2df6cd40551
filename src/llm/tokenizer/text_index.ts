import { InputError } from "../../errors.ts";
import type { ByteStrings } from "../files/byte_strings.ts";
import { hashBytes, probe, tableSize } from "./hash.ts";

/** Finds strings by their bytes: a hash table of their numbers, four bytes an entry. */
export class TextIndex {
  readonly #texts: ByteStrings;
  /** Number + 1; 0: free. */
  readonly #table: Uint32Array;
  /** The first two that are equal, where there are any; the later one cannot be found. */
  readonly twins: readonly [number, number] | undefined;

  /** Throws an InputError where thousands of the strings share one hash. */
  constructor(texts: ByteStrings) {
    this.#texts = texts;
    this.#table = new Uint32Array(tableSize(texts.length));
    for (let id = 0; id < texts.length; id++) {
      const entry = this.#entryOf(texts.bytes, texts.start(id), texts.ends[id]);
      if (entry < 0) throw collide("tokens");
      if (this.#table[entry]) this.twins ??= [this.#table[entry] - 1, id];
      else this.#table[entry] = id + 1;
    }
  }

  /** Number of the string that has bytes [start, end); −1: none has. */
  find(bytes: Uint8Array, start = 0, end = bytes.length): number {
    const entry = this.#entryOf(bytes, start, end);
    return entry < 0 ? -1 : this.#table[entry] - 1;
  }

  #entryOf(bytes: Uint8Array, start: number, end: number): number {
    return probe(hashBytes(bytes, start, end), this.#table.length, (entry) => {
      const id = this.#table[entry] - 1;
      return id < 0 || this.#isEqual(id, bytes, start, end);
    });
  }

  #isEqual(id: number, bytes: Uint8Array, start: number, end: number): boolean {
    const texts = this.#texts;
    const from = texts.start(id);
    if (texts.ends[id] - from !== end - start) return false;
    for (let i = start; i < end; i++) if (texts.bytes[from + i - start] !== bytes[i]) return false;
    return true;
  }
}

export function collide(what: string): InputError {
  return new InputError(
    `tokenizer: thousands of ${what} share one hash; such a vocabulary is made to be slow`,
  );
}
