import { type FileDtype, viewOf } from "../dtype.ts";
import { f16ToF32, f32ToF16 } from "../half.ts";

const { fround } = Math;

/**
 * ```
 * q4_0   32 values, 18 bytes:  f16 scale │ 16 bytes, low nibbles k 0–15, high nibbles k 16–31
 *        value = scale · (nibble − 8)
 * ```
 * scale = (the value of largest magnitude)/−8, so that this value is −8 exactly (as ggml's reference).
 */
export const q4_0: FileDtype = {
  name: "q4_0",
  ggufId: 2,
  ggufName: "Q4_0",
  blockSize: 32,
  bytesPerBlock: 18,
  packed: "q4_0_r8",
  encode(values) {
    const blocks = values.length / 32;
    const bytes = new Uint8Array(blocks * 18);
    const view = viewOf(bytes);
    for (let b = 0; b < blocks; b++) {
      const block = values.subarray(32 * b, 32 * b + 32);
      const largest = block.reduce((best, value) => (Math.abs(value) > Math.abs(best) ? value : best));
      const scale = fround(largest / -8);
      const inverse = scale === 0 ? 0 : fround(1 / scale);
      // A byte, as in C: where the inverse is infinite (the scale is then 0) the cast gives 0.
      const nibble = (i: number) => Math.min(15, fround(fround(block[i]! * inverse) + 8.5) & 255);
      view.setUint16(18 * b, f32ToF16(scale), true);
      for (let i = 0; i < 16; i++) bytes[18 * b + 2 + i] = nibble(i) | (nibble(i + 16) << 4);
    }
    return bytes;
  },
  decode(bytes) {
    const view = viewOf(bytes);
    const values = new Float32Array((bytes.length / 18) * 32);
    for (let i = 0; i < values.length; i++) {
      const block = 18 * (i >> 5);
      values[i] = f16ToF32(view.getUint16(block, true)) * (fileNibble(bytes, block, i & 31) - 8);
    }
    return values;
  },
};

/** Nibble of value i of the file's block at `block`. */
export function fileNibble(bytes: Uint8Array, block: number, i: number): number {
  const byte = bytes[block + 2 + (i & 15)]!;
  return i < 16 ? byte & 15 : byte >> 4;
}
