import { blockDtype } from "./blocks.ts";
import { fileNibble, halfOf } from "./q4_0_r8.ts";

/**
 * ```
 * q4_1_r8   8 rows × 32 k, 192 bytes, blocks ordered [N/8][K/32]:
 *           8 f32 scales │ 8 f32 mins │ 128 B nibbles (blocks.ts)        value = scale · nibble + min
 * ```
 */
export const q4_1_r8 = blockDtype({
  name: "q4_1_r8",
  blockSize: 32,
  bytes: 192,
  header: 64,
  upperBits: 0,
  zero: 0,
  fileBytes: 20,
  integer: (file, at, i) => fileNibble(file, at + 4, i),
  writeHeader(file, at, to, header, r) {
    to.setFloat32(header + 4 * r, halfOf(file, at), true);
    to.setFloat32(header + 32 + 4 * r, halfOf(file, at + 2), true);
  },
  scale: (view, header, r) => view.getFloat32(header + 4 * r, true),
  min: (view, header, r) => view.getFloat32(header + 32 + 4 * r, true),
});
