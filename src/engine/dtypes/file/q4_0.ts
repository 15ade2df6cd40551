import type { EncodableDtype } from "../dtype.ts";
import { firstNotFiniteHalf, halfAt, setHalf } from "../half.ts";
import { byteOf, inverseOf, largestOf } from "./round.ts";

const { fround } = Math;

/**
 * ```
 * q4_0   32 values, 18 bytes:  f16 scale │ 16 bytes, low nibbles k 0–15, high nibbles k 16–31
 *        value = scale · (nibble − 8)
 * ```
 * scale = (the value of largest magnitude)/−8, so that this value is −8 exactly (as ggml's reference).
 */
export const q4_0: EncodableDtype = {
  name: "q4_0",
  ggufId: 2,
  ggufName: "Q4_0",
  blockSize: 32,
  bytesPerBlock: 18,
  native: "q4_0",
  packed: "q4_0_r8",
  encode(values) {
    const bytes = new Uint8Array((values.length / 32) * 18);
    for (let first = 0, at = 0; first < values.length; first += 32, at += 18) {
      const scale = fround(largestOf(values, first) / -8);
      const inverse = inverseOf(scale);
      const nibble = (i: number) => byteOf(fround(fround(values[i]! * inverse) + 8.5), 15);
      setHalf(bytes, at, scale);
      for (let i = 0; i < 16; i++) bytes[at + 2 + i] = nibble(first + i) | (nibble(first + i + 16) << 4);
    }
    return bytes;
  },
  decode(bytes) {
    const values = new Float32Array((bytes.length / 18) * 32);
    for (let first = 0, at = 0; first < values.length; first += 32, at += 18) {
      const scale = halfAt(bytes, at);
      for (let i = 0; i < 16; i++) {
        const byte = bytes[at + 2 + i]!;
        values[first + i] = scale * ((byte & 15) - 8);
        values[first + i + 16] = scale * ((byte >> 4) - 8);
      }
    }
    return values;
  },
  firstNotFinite: (bytes) => firstNotFiniteHalf(bytes, 18, 0),
};

/** Nibble of value i of the file's block at `block`. */
export function fileNibble(bytes: Uint8Array, block: number, i: number): number {
  const byte = bytes[block + 2 + (i & 15)]!;
  return i < 16 ? byte & 15 : byte >> 4;
}
