import { blockDtype } from "./blocks.ts";
import { halfOf } from "./q4_0_r8.ts";
import { fileFive } from "./q5_0_r8.ts";

/**
 * ```
 * q5_1_r8   8 rows × 32 k, 208 bytes, blocks ordered [N/8][K/32]:
 *           8 f32 scales │ 8 f16 mins │ 128 B nibbles │ 32 B fifth bits (blocks.ts)        value = scale · q + min
 * ```
 */
export const q5_1_r8 = blockDtype({
  name: "q5_1_r8",
  blockSize: 32,
  bytes: 208,
  header: 48,
  upperBits: 1,
  zero: 0,
  fileBytes: 24,
  integer: (file, at, i) => fileFive(file, at + 4, i),
  writeHeader(file, at, to, header, r) {
    to.setFloat32(header + 4 * r, halfOf(file, at), true);
    to.setUint16(header + 32 + 2 * r, file.getUint16(at + 2, true), true);
  },
  scale: (view, header, r) => view.getFloat32(header + 4 * r, true),
  min: (view, header, r) => halfOf(view, header + 32 + 2 * r),
});
