import type { EncodableDtype, FileDtype, PackedDtype } from "./dtype.ts";
import { bf16 } from "./file/bf16.ts";
import { f16 } from "./file/f16.ts";
import { f32 } from "./file/f32.ts";
import { iq4_nl } from "./file/iq4_nl.ts";
import { q2_k } from "./file/q2_k.ts";
import { q3_k } from "./file/q3_k.ts";
import { q4_0 } from "./file/q4_0.ts";
import { q4_1 } from "./file/q4_1.ts";
import { q4_k } from "./file/q4_k.ts";
import { q5_0 } from "./file/q5_0.ts";
import { q5_1 } from "./file/q5_1.ts";
import { q5_k } from "./file/q5_k.ts";
import { q6_k } from "./file/q6_k.ts";
import { q8_0 } from "./file/q8_0.ts";
import { bf16_r16 } from "./packed/bf16_r16.ts";
import type { BlockDtype } from "./packed/blocks.ts";
import { f16_r16 } from "./packed/f16_r16.ts";
import { f32_r16 } from "./packed/f32_r16.ts";
import { q4_0_r8 } from "./packed/q4_0_r8.ts";
import { q4_1_r8 } from "./packed/q4_1_r8.ts";
import { q4_k_r8 } from "./packed/q4_k_r8.ts";
import { q5_0_r8 } from "./packed/q5_0_r8.ts";
import { q5_1_r8 } from "./packed/q5_1_r8.ts";
import { q5_k_r8 } from "./packed/q5_k_r8.ts";
import { q6_k_r8 } from "./packed/q6_k_r8.ts";
import { q8_0_r8 } from "./packed/q8_0_r8.ts";

export type { Dtype, EncodableDtype, FileDtype, PackedDtype } from "./dtype.ts";
export { paddedRows } from "./dtype.ts";

/** Dtypes that weights are read and written in. */
export const encodableDtypes = {
  f32,
  f16,
  bf16,
  q8_0,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q4_k,
  q5_k,
  q6_k,
} satisfies Record<string, EncodableDtype>;
export type EncodableDtypeName = keyof typeof encodableDtypes;

/** Dtypes of weights in files. */
export const fileDtypes = {
  ...encodableDtypes,
  q2_k,
  q3_k,
  iq4_nl,
} satisfies Record<string, FileDtype>;
export type FileDtypeName = keyof typeof fileDtypes;

/** Dtypes of memory that the integer linears take. */
export const blockDtypes = {
  q8_0_r8,
  q4_0_r8,
  q4_1_r8,
  q5_0_r8,
  q5_1_r8,
  q4_k_r8,
  q5_k_r8,
  q6_k_r8,
} satisfies Record<string, BlockDtype>;

/** Dtypes of weights in memory, as kernels read them. */
export const packedDtypes = { f32_r16, f16_r16, bf16_r16, ...blockDtypes } satisfies Record<
  string,
  PackedDtype
>;
export type PackedDtypeName = keyof typeof packedDtypes;

/** All of them: one line in one of the two lists adds a dtype. */
export const dtypes = { ...fileDtypes, ...packedDtypes };

/** The dtype with this type id in GGUF, if there is one here. */
export function dtypeOfGguf(id: number): FileDtype | undefined {
  return Object.values(fileDtypes).find((dtype) => dtype.ggufId === id);
}

/** The packed form of a dtype of files. */
export function packedOf(dtype: FileDtype): PackedDtype {
  return packedDtypes[dtype.packed as PackedDtypeName];
}

/** Bytes of `count` values, a whole number of blocks. */
export function bytesOf(dtype: FileDtype, count: number): number {
  return (count / dtype.blockSize) * dtype.bytesPerBlock;
}

/** Rows of one dtype of files in another: the very same values where the native form has them, else encoded anew. */
export function convert(from: FileDtype, to: EncodableDtype, bytes: Uint8Array): Uint8Array {
  if (from === to) return bytes;
  return from.toNative && from.native === to.name ? from.toNative(bytes) : to.encode(from.decode(bytes));
}
