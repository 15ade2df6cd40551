import { f16ToF32 } from "../half.ts";
import { blockDtype } from "./blocks.ts";

/**
 * ```
 * q4_0_r8   8 rows × 32 k, 160 bytes, blocks ordered [N/8][K/32]:
 *           8 f32 scales │ 128 B nibbles (blocks.ts)        value = scale · (nibble − 8)
 * ```
 */
export const q4_0_r8 = blockDtype({
  name: "q4_0_r8",
  blockSize: 32,
  bytes: 160,
  header: 32,
  upperBits: 0,
  zero: 8,
  fileBytes: 18,
  integer: (file, at, i) => fileNibble(file, at + 2, i),
  writeHeader: (file, at, to, header, r) => to.setFloat32(header + 4 * r, halfOf(file, at), true),
  scale: (view, header, r) => view.getFloat32(header + 4 * r, true),
});

/** Nibble i of 16 bytes of a file: low nibbles 0–15, high nibbles 16–31. */
export function fileNibble(file: Uint8Array, at: number, i: number): number {
  const byte = file[at + (i & 15)]!;
  return i < 16 ? byte & 15 : byte >> 4;
}

export function halfOf(file: DataView, at: number): number {
  return f16ToF32(file.getUint16(at, true));
}
