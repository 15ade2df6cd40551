import type { EncodableDtype } from "../dtype.ts";
import { firstNotFiniteHalf, halfAt, setHalf } from "../half.ts";
import { byteOf, inverseOf, rangeOf } from "./round.ts";

const { fround } = Math;

/**
 * ```
 * q4_1   32 values, 20 bytes:  f16 scale │ f16 min │ 16 bytes, low nibbles k 0–15, high nibbles k 16–31
 *        value = scale · nibble + min
 * ```
 * min = least value, scale = (greatest − least)/15.
 */
export const q4_1: EncodableDtype = {
  name: "q4_1",
  ggufId: 3,
  ggufName: "Q4_1",
  blockSize: 32,
  bytesPerBlock: 20,
  native: "q4_1",
  packed: "q4_1_r8",
  encode(values) {
    const bytes = new Uint8Array((values.length / 32) * 20);
    for (let first = 0, at = 0; first < values.length; first += 32, at += 20) {
      const [least, greatest] = rangeOf(values, first);
      const scale = fround(fround(greatest - least) / 15);
      const inverse = inverseOf(scale);
      const nibble = (i: number) => byteOf(fround(fround(fround(values[i]! - least) * inverse) + 0.5), 15);
      setHalf(bytes, at, scale);
      setHalf(bytes, at + 2, least);
      for (let i = 0; i < 16; i++) bytes[at + 4 + i] = nibble(first + i) | (nibble(first + i + 16) << 4);
    }
    return bytes;
  },
  decode(bytes) {
    const values = new Float32Array((bytes.length / 20) * 32);
    for (let first = 0, at = 0; first < values.length; first += 32, at += 20) {
      const scale = halfAt(bytes, at);
      const least = halfAt(bytes, at + 2);
      for (let i = 0; i < 16; i++) {
        const byte = bytes[at + 4 + i]!;
        values[first + i] = fround(scale * (byte & 15)) + least;
        values[first + i + 16] = fround(scale * (byte >> 4)) + least;
      }
    }
    return values;
  },
  firstNotFinite: (bytes) => firstNotFiniteHalf(bytes, 20, 0, 2),
};
