import { isUtf8 } from "node:buffer";
import { ByteStrings } from "./byte_strings.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const CONTINUATION_FIRST = 0x80;
const CONTINUATION_LAST = 0xbf;
/** Lead bytes from here on begin four bytes, which are two units of UTF-16. */
const FOUR_BYTES = 0xf0;

/**
 * Many short strings as the file has them, in UTF-8. A vocabulary of 262,144 tokens takes 3 MiB like this, and becomes JavaScript strings
 * only when it is asked for.
 */
export class StringList extends ByteStrings {
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

  /** The first string that is not UTF-8; −1: none. */
  firstInvalid(): number {
    if (isUtf8(this.bytes) && !this.#startsInside()) return -1;
    for (let i = 0; i < this.length; i++) if (!isUtf8(this.bytesAt(i))) return i;
    return -1;
  }

  textAt(index: number): string {
    return utf8.decode(this.bytesAt(index));
  }

  /** New strings at every call. All at once, because a decoder's call costs more than a token. */
  toArray(): string[] {
    const all = utf8.decode(this.bytes);
    const strings: string[] = [];
    let unit = 0;
    for (let i = 0; i < this.length; i++) {
      const start = unit;
      unit += unitsIn(this.bytes, this.start(i), this.ends[i]);
      strings.push(all.slice(start, unit));
    }
    return strings;
  }

  /** Whether a string begins in the middle of a character that the one before left open. */
  #startsInside(): boolean {
    for (let i = 0; i < this.length; i++) {
      const start = this.start(i);
      const byte = this.bytes[start];
      if (start < this.ends[i] && byte >= CONTINUATION_FIRST && byte <= CONTINUATION_LAST) return true;
    }
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
