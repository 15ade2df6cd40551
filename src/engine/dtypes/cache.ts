/** Dtypes of a KV cache. Rows follow one another, in each the kv heads: kernels/cache.ts encodes and decodes them. */
import { f16ToF32, f32ToF16 } from "./half.ts";

export interface CacheDtype {
  /** The dtype of the cache's values in a graph. */
  readonly leaf: "f32" | "f16_rows" | "q8_0_rows";
  /** Values of a head that share a scale. */
  readonly blockSize: number;
  readonly bytesPerBlock: number;
  /** What is read back after these values, a whole number of blocks, have been written: to the bit. */
  round(values: Float64Array): Float64Array;
}

export const cacheDtypes = {
  f32: { leaf: "f32", blockSize: 1, bytesPerBlock: 4, round: (values) => values },
  /** Half precision, to nearest, ties to even. */
  f16: {
    leaf: "f16_rows",
    blockSize: 1,
    bytesPerBlock: 2,
    round: (values) => values.map((value) => f16ToF32(f32ToF16(value))),
  },
  /**
   *   f32 scale │ 32 × int8        value = scale·int8
   *
   * scale = max|x|/127, int8 = round-half-even(x·(127/max|x|)), each step in f32.
   */
  q8_0: { leaf: "q8_0_rows", blockSize: 32, bytesPerBlock: 36, round: roundInBlocks },
} satisfies Record<string, CacheDtype>;

export type CacheType = keyof typeof cacheDtypes;

export const cacheTypes = Object.keys(cacheDtypes) as CacheType[];

/** The dtype whose values a graph calls `leaf`. */
export function cacheDtypeOf(leaf: string): CacheDtype {
  const found = Object.values<CacheDtype>(cacheDtypes).find((dtype) => dtype.leaf === leaf);
  if (!found) throw new Error(`cache: no KV cache is made of ${leaf}`);
  return found;
}

function roundInBlocks(values: Float64Array): Float64Array {
  const rounded = new Float64Array(values.length);
  for (let first = 0; first < values.length; first += 32) {
    const block = Float32Array.from(values.subarray(first, first + 32));
    const top = block.reduce((top, x) => Math.max(top, Math.abs(x)), 0);
    const inverse = Math.fround(127 / top);
    const factor = Number.isFinite(inverse) ? inverse : 0;
    const scale = Math.fround(top / 127);
    block.forEach((x, i) => {
      rounded[first + i] = Math.fround(roundHalfEven(Math.fround(x * factor)) * scale);
    });
  }
  return rounded;
}

function roundHalfEven(x: number): number {
  const rounded = Math.round(x);
  return rounded - x === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
