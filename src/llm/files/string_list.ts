const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const CONTINUATION_FIRST = 0x80;
const CONTINUATION_LAST = 0xbf;
/** Lead bytes from here on begin four bytes, which are two units of UTF-16. */
const FOUR_BYTES = 0xf0;

/**
 * Many short strings as the file has them: their UTF-8 one after another, and where each ends. A vocabulary of 262,144 tokens takes
 * 3 MiB like this, and becomes JavaScript strings only when it is asked for.
 */
export class StringList {
  readonly length: number;
  readonly #bytes: Uint8Array;
  readonly #ends: Uint32Array;

  /** `ends[i]`: where string i ends in `bytes`; it starts where the one before ends. */
  constructor(bytes: Uint8Array, ends: Uint32Array) {
    this.length = ends.length;
    this.#bytes = bytes;
    this.#ends = ends;
  }

  static of(strings: readonly string[]): StringList {
    const encoded = strings.map((text) => new TextEncoder().encode(text));
    const ends = new Uint32Array(encoded.length);
    encoded.forEach((bytes, i) => {
      ends[i] = (ends[i - 1] ?? 0) + bytes.length;
    });
    const bytes = new Uint8Array(ends[ends.length - 1] ?? 0);
    encoded.forEach((part, i) => {
      bytes.set(part, ends[i] - part.length);
    });
    return new StringList(bytes, ends);
  }

  /** UTF-8 of one string; a view. */
  bytesAt(index: number): Uint8Array {
    return this.#bytes.subarray(this.#startOf(index), this.#ends[index]);
  }

  /** The first string that is not UTF-8; −1: none. */
  firstInvalid(): number {
    if (isValid(this.#bytes) && !this.#startsInside()) return -1;
    for (let i = 0; i < this.length; i++) if (!isValid(this.bytesAt(i))) return i;
    return -1;
  }

  /** New strings at every call. All at once, because a decoder's call costs more than a token. */
  toArray(): string[] {
    const all = utf8.decode(this.#bytes);
    const strings: string[] = [];
    let unit = 0;
    for (let i = 0; i < this.length; i++) {
      const start = unit;
      unit += unitsIn(this.#bytes, this.#startOf(i), this.#ends[i]);
      strings.push(all.slice(start, unit));
    }
    return strings;
  }

  #startOf(index: number): number {
    return index === 0 ? 0 : this.#ends[index - 1];
  }

  /** Whether a string begins in the middle of a character that the one before left open. */
  #startsInside(): boolean {
    for (let i = 0; i < this.length; i++) {
      const start = this.#startOf(i);
      const byte = this.#bytes[start];
      if (start < this.#ends[i] && byte >= CONTINUATION_FIRST && byte <= CONTINUATION_LAST) return true;
    }
    return false;
  }
}

function isValid(bytes: Uint8Array): boolean {
  try {
    utf8.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** UTF-16 units of UTF-8. */
function unitsIn(bytes: Uint8Array, start: number, end: number): number {
  let units = 0;
  for (let i = start; i < end; i++) {
    const byte = bytes[i];
    if (byte < CONTINUATION_FIRST || byte > CONTINUATION_LAST) units += byte >= FOUR_BYTES ? 2 : 1;
  }
  return units;
}
