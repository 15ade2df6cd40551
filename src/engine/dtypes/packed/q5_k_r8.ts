import { blockDtype } from "./blocks.ts";
import { fileNibble, scaledAndShifted } from "./q4_k_r8.ts";

/**
 * ```
 * q5_k_r8   8 rows × 256 k, 1472 bytes, blocks ordered [N/8][K/256]:
 *           as q4_k_r8 │ 8 × 32 B fifth bits (blocks.ts)        value = (d · scale) · q − (dmin · min)
 * ```
 */
export const q5_k_r8 = blockDtype({
  name: "q5_k_r8",
  blockSize: 256,
  bytes: 1472,
  fileBytes: 176,
  upperBits: 1,
  zero: 0,
  integer: (file, at, i) =>
    fileNibble(file, at + 48, i) | (((file[at + 16 + (i & 31)]! >> (i >> 5)) & 1) << 4),
  ...scaledAndShifted(),
});
