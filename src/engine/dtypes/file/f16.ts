import type { EncodableDtype } from "../dtype.ts";
import { f16ToF32, f32ToF16, firstNotFiniteHalf } from "../half.ts";

/**
 * ```
 * f16   one value, 2 bytes: sign, 5 bits of exponent, 10 of fraction
 * ```
 */
export const f16: EncodableDtype = {
  name: "f16",
  ggufId: 1,
  ggufName: "F16",
  blockSize: 1,
  bytesPerBlock: 2,
  native: "f16",
  packed: "f16_r16",
  encode(values) {
    const halves = new Uint16Array(values.length);
    for (let i = 0; i < halves.length; i++) halves[i] = f32ToF16(values[i]!);
    return new Uint8Array(halves.buffer);
  },
  decode(bytes) {
    const values = new Float32Array(bytes.length / 2);
    for (let i = 0; i < values.length; i++) values[i] = f16ToF32(bytes[2 * i]! | (bytes[2 * i + 1]! << 8));
    return values;
  },
  firstNotFinite: (bytes) => firstNotFiniteHalf(bytes, 2, 0),
};
