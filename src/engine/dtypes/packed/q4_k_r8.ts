import { minOf, scaleOf } from "../file/k_scales.ts";
import { blockDtype } from "./blocks.ts";
import { halfOf } from "./q4_0_r8.ts";

const { fround } = Math;

/**
 * ```
 * q4_k_r8   8 rows × 256 k, 1216 bytes, blocks ordered [N/8][K/256]:
 *           8 f32 d │ 8 f32 dmin │ 8 sub-blocks × 8 rows u8 scale │ 8 sub-blocks × 8 rows u8 min │ 8 × 128 B nibbles (blocks.ts)
 *           value = (d · scale) · nibble − (dmin · min)        a sub-block is 32 k
 * ```
 */
export const q4_k_r8 = blockDtype({
  name: "q4_k_r8",
  blockSize: 256,
  bytes: 1216,
  fileBytes: 144,
  upperBits: 0,
  zero: 0,
  integer: (file, at, i) => fileNibble(file, at + 16, i),
  ...scaledAndShifted(),
});

/** Header of 192 bytes of q4_k_r8 and q5_k_r8. */
export function scaledAndShifted() {
  return {
    header: 192,
    writeHeader(file: DataView, at: number, to: DataView, header: number, r: number) {
      const scales = new Uint8Array(file.buffer, file.byteOffset + at + 4, 12);
      to.setFloat32(header + 4 * r, halfOf(file, at), true);
      to.setFloat32(header + 32 + 4 * r, halfOf(file, at + 2), true);
      for (let sub = 0; sub < 8; sub++) {
        to.setUint8(header + 64 + 8 * sub + r, scaleOf(scales, 0, sub));
        to.setUint8(header + 128 + 8 * sub + r, minOf(scales, 0, sub));
      }
    },
    scale: (view: DataView, header: number, r: number, sub: number) =>
      fround(view.getFloat32(header + 4 * r, true) * view.getUint8(header + 64 + 8 * sub + r)),
    min: (view: DataView, header: number, r: number, sub: number) =>
      -fround(view.getFloat32(header + 32 + 4 * r, true) * view.getUint8(header + 128 + 8 * sub + r)),
  };
}

/** Nibble i of 128 bytes of a file: of every 32 bytes the low nibbles, then the high ones. */
export function fileNibble(file: Uint8Array, at: number, i: number): number {
  return (file[at + 32 * (i >> 6) + (i & 31)]! >> (4 * ((i >> 5) & 1))) & 15;
}
