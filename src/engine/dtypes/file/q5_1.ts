import type { EncodableDtype } from "../dtype.ts";
import { firstNotFiniteHalf, halfAt, setHalf } from "../half.ts";
import { readFives, writeFives } from "./fives.ts";
import { byteOf, inverseOf, rangeOf } from "./round.ts";

const { fround } = Math;

/**
 * ```
 * q5_1   32 values, 24 bytes:  f16 scale │ f16 min │ u32, bit k: fifth bit of value k │ 16 bytes, low nibbles k 0–15, high nibbles k 16–31
 *        value = scale · q + min
 * ```
 * min = least value, scale = (greatest − least)/31.
 */
export const q5_1: EncodableDtype = {
  name: "q5_1",
  ggufId: 7,
  ggufName: "Q5_1",
  blockSize: 32,
  bytesPerBlock: 24,
  native: "q5_1",
  packed: "q5_1_r8",
  encode(values) {
    const bytes = new Uint8Array((values.length / 32) * 24);
    const q = new Uint8Array(32);
    for (let first = 0, at = 0; first < values.length; first += 32, at += 24) {
      const [least, greatest] = rangeOf(values, first);
      const scale = fround(fround(greatest - least) / 31);
      const inverse = inverseOf(scale);
      for (let i = 0; i < 32; i++)
        q[i] = byteOf(fround(fround(fround(values[first + i]! - least) * inverse) + 0.5), 31);
      setHalf(bytes, at, scale);
      setHalf(bytes, at + 2, least);
      writeFives(q, bytes, at + 4);
    }
    return bytes;
  },
  decode(bytes) {
    const values = new Float32Array((bytes.length / 24) * 32);
    const q = new Uint8Array(32);
    for (let first = 0, at = 0; first < values.length; first += 32, at += 24) {
      const scale = halfAt(bytes, at);
      const least = halfAt(bytes, at + 2);
      readFives(bytes, at + 4, q);
      for (let i = 0; i < 32; i++) values[first + i] = fround(scale * q[i]!) + least;
    }
    return values;
  },
  firstNotFinite: (bytes) => firstNotFiniteHalf(bytes, 24, 0, 2),
};
