/** Bytes of weights in the types of files: encoded where there is an encoder, else random blocks with tame scales. */
import { bytesOf, type EncodableDtype, type FileDtype, fileDtypes } from "../../src/engine/dtypes/index.ts";
import { values } from "./products.ts";

/** Types that kernels compute from. */
export const nativeDtypes: readonly FileDtype[] = Object.values(fileDtypes).filter(
  (dtype) => dtype.native === dtype.name,
);

/** Places of the f16 scales in blocks of random bytes. */
const HALVES: Record<string, readonly number[]> = { q4_k: [0, 2], q5_k: [0, 2], q6_k: [208] };

/** Rows (n, k) of a type; every bit of the integers of K-quants occurs. */
export function fileRows(dtype: FileDtype, n: number, k: number, seed: number): Uint8Array {
  const halves = HALVES[dtype.name];
  if (!halves) return (dtype as EncodableDtype).encode(values(n * k, seed));
  const bytes = Uint8Array.from(values(bytesOf(dtype, n * k), seed), (value) => (value + 1) * 127.99);
  const scales = values(bytes.length, seed + 1);
  for (let at = 0; at < bytes.length; at += dtype.bytesPerBlock)
    for (const half of halves) {
      const scale = dtype.name === "q6_k" ? scales[at]! / 4096 : Math.abs(scales[at + half]!) / 1024;
      bytes.set(fileDtypes.f16.encode(Float32Array.of(scale)), at + half);
    }
  return bytes;
}
