import { blockDtype } from "./blocks.ts";
import { fileNibble, halfOf } from "./q4_0_r8.ts";

/**
 * ```
 * q5_0_r8   8 rows × 32 k, 192 bytes, blocks ordered [N/8][K/32]:
 *           8 f32 scales │ 128 B nibbles │ 32 B fifth bits (blocks.ts)        value = scale · (q − 16)
 * ```
 */
export const q5_0_r8 = blockDtype({
  name: "q5_0_r8",
  blockSize: 32,
  bytes: 192,
  header: 32,
  upperBits: 1,
  zero: 16,
  fileBytes: 22,
  integer: (file, at, i) => fileFive(file, at + 2, i),
  writeHeader: (file, at, to, header, r) => to.setFloat32(header + 4 * r, halfOf(file, at), true),
  scale: (view, header, r) => view.getFloat32(header + 4 * r, true),
});

/** Integer i of 20 bytes of a file: 32 fifth bits, then 16 bytes of nibbles. */
export function fileFive(file: Uint8Array, at: number, i: number): number {
  return fileNibble(file, at + 4, i) | (((file[at + (i >> 3)]! >> (i & 7)) & 1) << 4);
}
