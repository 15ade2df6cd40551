/** Parts of a section one after another, each at a multiple of 8 unless told otherwise; written when the size of all is known. */
export class SectionWriter {
  readonly #parts: ((section: Uint8Array) => void)[] = [];
  #end = 0;

  /** Bytes of the section with the parts so far. */
  get size(): number {
    return Math.ceil(this.#end / 8) * 8;
  }

  /** Takes a part and returns its offset. */
  add(part: Uint8Array | Uint32Array, alignment = 8): number {
    const at = this.#take(part.byteLength, alignment);
    const bytes = new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
    this.#parts.push((section) => section.set(bytes, at));
    return at;
  }

  /** Makes room for a part of words, which `fill` writes later into its place; returns its offset. */
  reserve(bytes: number, fill: (words: Uint32Array) => void): number {
    const at = this.#take(bytes, 8);
    this.#parts.push(({ buffer, byteOffset }) => fill(new Uint32Array(buffer, byteOffset + at, bytes / 4)));
    return at;
  }

  /** Writes all parts into memory of `size` zeros; returns it. */
  write(section: Uint8Array): Uint8Array {
    for (const part of this.#parts) part(section);
    return section;
  }

  #take(bytes: number, alignment: number): number {
    const at = Math.ceil(this.#end / alignment) * alignment;
    this.#end = at + bytes;
    return at;
  }
}
