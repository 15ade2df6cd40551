/** Many short strings of bytes, packed: their bytes one after another, and where each ends. */
export class ByteStrings {
  readonly length: number;
  readonly bytes: Uint8Array;
  /** Where each ends in `bytes`; it starts where the one before ends. */
  readonly ends: Uint32Array;

  constructor(bytes: Uint8Array, ends: Uint32Array) {
    this.length = ends.length;
    this.bytes = bytes;
    this.ends = ends;
  }

  start(index: number): number {
    return index === 0 ? 0 : this.ends[index - 1];
  }

  /** Bytes of one string: how many. */
  size(index: number): number {
    return this.ends[index] - this.start(index);
  }

  /** One string; a view. */
  bytesAt(index: number): Uint8Array {
    return this.bytes.subarray(this.start(index), this.ends[index]);
  }
}
