import { type FileDtype, viewOf } from "../dtype.ts";
import { f16ToF32, f32ToF16 } from "../half.ts";

/**
 * ```
 * f16   one value, 2 bytes: sign, 5 bits of exponent, 10 of fraction
 * ```
 */
export const f16: FileDtype = {
  name: "f16",
  ggufId: 1,
  ggufName: "F16",
  blockSize: 1,
  bytesPerBlock: 2,
  packed: "f16_r16",
  encode(values) {
    const bytes = new Uint8Array(values.length * 2);
    const view = viewOf(bytes);
    values.forEach((value, i) => {
      view.setUint16(2 * i, f32ToF16(value), true);
    });
    return bytes;
  },
  decode(bytes) {
    const view = viewOf(bytes);
    return Float32Array.from({ length: bytes.length / 2 }, (_, i) => f16ToF32(view.getUint16(2 * i, true)));
  },
};
