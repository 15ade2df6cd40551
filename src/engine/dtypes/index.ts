import type { FileDtype, PackedDtype } from "./dtype.ts";
import { f16 } from "./file/f16.ts";
import { f32 } from "./file/f32.ts";
import { q4_0 } from "./file/q4_0.ts";
import { q8_0 } from "./file/q8_0.ts";
import { f16_r16 } from "./packed/f16_r16.ts";
import { f32_r16 } from "./packed/f32_r16.ts";
import { q4_0_r8 } from "./packed/q4_0_r8.ts";
import { q8_0_r8 } from "./packed/q8_0_r8.ts";

export type { Dtype, FileDtype, PackedDtype } from "./dtype.ts";
export { paddedRows } from "./dtype.ts";

/** Dtypes of weights in files. */
export const fileDtypes = { f32, f16, q8_0, q4_0 } satisfies Record<string, FileDtype>;
export type FileDtypeName = keyof typeof fileDtypes;

/** Dtypes of weights in memory, as kernels read them. */
export const packedDtypes = { f32_r16, f16_r16, q8_0_r8, q4_0_r8 } satisfies Record<string, PackedDtype>;
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

/** Rows of one dtype of files in another. */
export function convert(from: FileDtype, to: FileDtype, bytes: Uint8Array): Uint8Array {
  return from === to ? bytes : to.encode(from.decode(bytes));
}
