import type { EncodableDtype } from "../dtype.ts";

/**
 * ```
 * f32   one value, 4 bytes, little-endian
 * ```
 */
export const f32: EncodableDtype = {
  name: "f32",
  ggufId: 0,
  ggufName: "F32",
  blockSize: 1,
  bytesPerBlock: 4,
  native: "f32",
  packed: "f32_r16",
  encode: (values) => new Uint8Array(values.slice().buffer),
  decode: (bytes) => new Float32Array(bytes.slice().buffer),
  firstNotFinite(bytes) {
    for (let at = 0; at < bytes.length; at += 4)
      if ((bytes[at + 3]! & 0x7f) === 0x7f && bytes[at + 2]! >= 0x80) return at / 4;
    return -1;
  },
};
