import { blockDtype } from "./blocks.ts";
import { halfOf } from "./q4_0_r8.ts";

/**
 * ```
 * q6_k_r8   8 rows × 256 k, 1696 bytes, blocks ordered [N/8][K/256]:
 *           8 f32 d │ 16 sub-blocks × 8 rows i8 scale │ 8 × 128 B nibbles │ 8 × 64 B upper two bits (blocks.ts)
 *           value = (d · scale) · (q − 32)        a sub-block is 16 k
 * ```
 */
export const q6_k_r8 = blockDtype({
  name: "q6_k_r8",
  blockSize: 256,
  bytes: 1696,
  header: 160,
  upperBits: 2,
  zero: 32,
  fileBytes: 210,
  integer(file, at, i) {
    const [half, quarter, l] = [i >> 7, (i >> 5) & 3, i & 31];
    const nibble = (file[at + 64 * half + 32 * (quarter & 1) + l]! >> (4 * (quarter >> 1))) & 15;
    return nibble | (((file[at + 128 + 32 * half + l]! >> (2 * quarter)) & 3) << 4);
  },
  writeHeader(file, at, to, header, r) {
    to.setFloat32(header + 4 * r, halfOf(file, at + 208), true);
    for (let sub = 0; sub < 16; sub++) to.setInt8(header + 32 + 8 * sub + r, file.getInt8(at + 192 + sub));
  },
  scale: (view, header, r) => view.getFloat32(header + 4 * r, true),
  factor: (view, header, r, sub) => view.getInt8(header + 32 + 8 * sub + r),
});
