/** A way to write a matrix of weights down. */
export interface Dtype {
  readonly name: string;
  /** Columns that share a scale; a row is a whole number of blocks. */
  readonly blockSize: number;
  readonly bytesPerBlock: number;
}

/** A dtype of files: blocks follow one another along a row, rows follow one another. */
export interface FileDtype extends Dtype {
  /** Type id and name in GGUF. */
  readonly ggufId: number;
  readonly ggufName: string;
  /** The dtype of files that it becomes while it is loaded: itself, where kernels compute from its own blocks. */
  readonly native: string;
  /** The dtype that kernels read. */
  readonly packed: string;
  /** The values of whole blocks; bit for bit those of the `gguf` package (0.19.0). */
  decode(bytes: Uint8Array): Float32Array;
  /** Whole blocks in the native dtype that mean the very same values; absent where that takes an encoder. */
  toNative?(bytes: Uint8Array): Uint8Array;
  /** Index of the first block whose scale or minimum (or value, where blocks have none) is NaN or infinite; −1: none. */
  firstNotFinite(bytes: Uint8Array): number;
}

/** A dtype that files can also be written in. */
export interface EncodableDtype extends FileDtype {
  /** Whole blocks of finite values to bytes. */
  encode(values: Float32Array): Uint8Array;
}

/** A dtype of memory: 8 or 16 output rows interleaved, N padded to a multiple of 16. */
export interface PackedDtype extends Dtype {
  /** Bytes of a weight (n, k). */
  packedBytes(n: number, k: number): number;
  /** Rows in the file's dtype to the packed layout; the oracle of kernels/pack.ts. */
  pack(file: Uint8Array, n: number, k: number): Uint8Array;
  /** Row-major values (n, k), padding dropped. */
  unpack(packed: Uint8Array, n: number, k: number): Float32Array;
}

/** Rows after padding to the 16 columns that a unit of work covers. */
export function paddedRows(n: number): number {
  return Math.ceil(n / 16) * 16;
}

/** A view for reading and writing little-endian values. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
