import type { EncodableDtype } from "../dtype.ts";

/**
 * ```
 * bf16   one value, 2 bytes: the upper half of an f32 (sign, 8 bits of exponent, 7 of fraction)
 * ```
 * Rounded to nearest, ties to even; a NaN stays one.
 */
export const bf16: EncodableDtype = {
  name: "bf16",
  ggufId: 30,
  ggufName: "BF16",
  blockSize: 1,
  bytesPerBlock: 2,
  native: "bf16",
  packed: "bf16_r16",
  encode(values) {
    const bits = new Uint32Array(values.slice().buffer);
    const halves = new Uint16Array(values.length);
    for (let i = 0; i < halves.length; i++) {
      const all = bits[i]!;
      const nan = (all & 0x7fffffff) > 0x7f800000;
      halves[i] = nan ? (all >>> 16) | 0x40 : (all + 0x7fff + ((all >>> 16) & 1)) >>> 16;
    }
    return new Uint8Array(halves.buffer);
  },
  decode(bytes) {
    const bits = new Uint32Array(bytes.length / 2);
    for (let i = 0; i < bits.length; i++) bits[i] = (bytes[2 * i]! << 16) | (bytes[2 * i + 1]! << 24);
    return new Float32Array(bits.buffer);
  },
  firstNotFinite(bytes) {
    for (let at = 0; at < bytes.length; at += 2)
      if ((bytes[at + 1]! & 0x7f) === 0x7f && bytes[at]! >= 0x80) return at / 2;
    return -1;
  },
};
