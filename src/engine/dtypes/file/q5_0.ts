import type { EncodableDtype } from "../dtype.ts";
import { firstNotFiniteHalf, halfAt, setHalf } from "../half.ts";
import { readFives, writeFives } from "./fives.ts";
import { byteOf, inverseOf, largestOf } from "./round.ts";

const { fround } = Math;

/**
 * ```
 * q5_0   32 values, 22 bytes:  f16 scale │ u32, bit k: fifth bit of value k │ 16 bytes, low nibbles k 0–15, high nibbles k 16–31
 *        value = scale · (q − 16)
 * ```
 * scale = (the value of largest magnitude)/−16.
 */
export const q5_0: EncodableDtype = {
  name: "q5_0",
  ggufId: 6,
  ggufName: "Q5_0",
  blockSize: 32,
  bytesPerBlock: 22,
  native: "q5_0",
  packed: "q5_0_r8",
  encode(values) {
    const bytes = new Uint8Array((values.length / 32) * 22);
    const q = new Uint8Array(32);
    for (let first = 0, at = 0; first < values.length; first += 32, at += 22) {
      const scale = fround(largestOf(values, first) / -16);
      const inverse = inverseOf(scale);
      for (let i = 0; i < 32; i++) q[i] = byteOf(fround(fround(values[first + i]! * inverse) + 16.5), 31);
      setHalf(bytes, at, scale);
      writeFives(q, bytes, at + 2);
    }
    return bytes;
  },
  decode(bytes) {
    const values = new Float32Array((bytes.length / 22) * 32);
    const q = new Uint8Array(32);
    for (let first = 0, at = 0; first < values.length; first += 32, at += 22) {
      const scale = halfAt(bytes, at);
      readFives(bytes, at + 2, q);
      for (let i = 0; i < 32; i++) values[first + i] = scale * (q[i]! - 16);
    }
    return values;
  },
  firstNotFinite: (bytes) => firstNotFiniteHalf(bytes, 22, 0),
};
