import type { FileDtype } from "../dtype.ts";
import { firstNotFiniteHalf, halfAt } from "../half.ts";

/** The sixteen values that a nibble stands for: steps grow with the distance from zero. */
const LEVELS = Int8Array.of(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);

/**
 * ```
 * iq4_nl   32 values, 18 bytes:  f16 scale │ 16 bytes, low nibbles k 0–15, high nibbles k 16–31
 *          value = scale · LEVELS[nibble]
 * ```
 * Levels are int8, so q8_0 has the same scale and the same values.
 */
export const iq4_nl: FileDtype = {
  name: "iq4_nl",
  ggufId: 20,
  ggufName: "IQ4_NL",
  blockSize: 32,
  bytesPerBlock: 18,
  native: "q8_0",
  packed: "q8_0_r8",
  decode(bytes) {
    const values = new Float32Array((bytes.length / 18) * 32);
    for (let first = 0, at = 0; first < values.length; first += 32, at += 18) {
      const scale = halfAt(bytes, at);
      for (let i = 0; i < 16; i++) {
        const byte = bytes[at + 2 + i]!;
        values[first + i] = scale * LEVELS[byte & 15]!;
        values[first + i + 16] = scale * LEVELS[byte >> 4]!;
      }
    }
    return values;
  },
  toNative(bytes) {
    const q8 = new Uint8Array((bytes.length / 18) * 34);
    for (let at = 0, to = 0; at < bytes.length; at += 18, to += 34) {
      q8[to] = bytes[at]!;
      q8[to + 1] = bytes[at + 1]!;
      for (let i = 0; i < 16; i++) {
        const byte = bytes[at + 2 + i]!;
        q8[to + 2 + i] = LEVELS[byte & 15]!;
        q8[to + 18 + i] = LEVELS[byte >> 4]!;
      }
    }
    return q8;
  },
  firstNotFinite: (bytes) => firstNotFiniteHalf(bytes, 18, 0),
};
