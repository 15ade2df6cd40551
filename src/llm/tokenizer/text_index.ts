import { InputError } from "../../errors.ts";
import { borrow, giveBack } from "../files/borrowed.ts";
import type { ByteStrings } from "../files/byte_strings.ts";
import { hashBytes, PROBES_MAX, tableSize } from "./hash.ts";

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
    this.#table = new Uint32Array(borrow(4 * tableSize(texts.length)));
    for (let id = 0; id < texts.length; id++) {
      const entry = this.#entryOf(texts.bytes, texts.start(id), texts.ends[id]);
      if (entry < 0) throw collide("tokens");
      if (this.#table[entry]) this.twins ??= [this.#table[entry] - 1, id];
      else this.#table[entry] = id + 1;
    }
  }

  /** Nothing is found any more. */
  release(): void {
    giveBack(this.#table);
  }

  /** Number of the string that has bytes [start, end); −1: none has. */
  find(bytes: Uint8Array, start = 0, end = bytes.length): number {
    const entry = this.#entryOf(bytes, start, end);
    return entry < 0 ? -1 : this.#table[entry] - 1;
  }

  /** The entry of these bytes, or the free one where they belong; −1 where too many others are in the way. */
  #entryOf(bytes: Uint8Array, start: number, end: number): number {
    const hash = hashBytes(bytes, start, end);
    const size = this.#table.length;
    for (let step = 0; step < Math.min(size, PROBES_MAX); step++) {
      const entry = (hash + step) % size;
      const id = this.#table[entry] - 1;
      if (id < 0 || this.#isEqual(id, bytes, start, end)) return entry;
    }
    return -1;
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
