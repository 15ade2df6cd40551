import type { EncodableDtype } from "../dtype.ts";
import { firstNotFiniteHalf, halfAt, setHalf } from "../half.ts";

const { abs, floor, fround } = Math;

/**
 * ```
 * q8_0   32 values, 34 bytes:  f16 scale │ 32 × int8        value = scale · int8
 * ```
 * scale = absmax/127; rounding half away from zero, by 1/scale before the scale becomes f16 (as ggml's reference).
 */
export const q8_0: EncodableDtype = {
  name: "q8_0",
  ggufId: 8,
  ggufName: "Q8_0",
  blockSize: 32,
  bytesPerBlock: 34,
  native: "q8_0",
  packed: "q8_0_r8",
  encode(values) {
    const bytes = new Uint8Array((values.length / 32) * 34);
    for (let first = 0, at = 0; first < values.length; first += 32, at += 34) {
      let largest = 0;
      for (let i = 0; i < 32; i++) largest = Math.max(largest, abs(values[first + i]!));
      const scale = fround(largest / 127);
      const inverse = scale === 0 ? 0 : fround(1 / scale);
      setHalf(bytes, at, scale);
      for (let i = 0; i < 32; i++) bytes[at + 2 + i] = roundHalfAway(fround(values[first + i]! * inverse));
    }
    return bytes;
  },
  decode(bytes) {
    const values = new Float32Array((bytes.length / 34) * 32);
    for (let first = 0, at = 0; first < values.length; first += 32, at += 34) {
      const scale = halfAt(bytes, at);
      for (let i = 0; i < 32; i++) values[first + i] = scale * ((bytes[at + 2 + i]! << 24) >> 24);
    }
    return values;
  },
  firstNotFinite: (bytes) => firstNotFiniteHalf(bytes, 34, 0),
};

function roundHalfAway(value: number): number {
  return value < 0 ? -floor(0.5 - value) : floor(value + 0.5);
}
