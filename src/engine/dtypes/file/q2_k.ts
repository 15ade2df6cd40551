import type { FileDtype } from "../dtype.ts";
import { firstNotFiniteHalf, halfAt } from "../half.ts";

const { fround } = Math;

/**
 * ```
 * q2_k   256 values, 84 bytes:
 *        16 bytes, one per 16 values: low nibble scale, high nibble min │ 64 bytes of quants │ f16 d │ f16 dmin
 *        byte 32h + l, bits 2j and 2j+1: value 128h + 32j + l
 *        value = (d · scale) · q − (dmin · min)
 * ```
 */
export const q2_k: FileDtype = {
  name: "q2_k",
  ggufId: 10,
  ggufName: "Q2_K",
  blockSize: 256,
  bytesPerBlock: 84,
  native: "q8_0",
  packed: "q8_0_r8",
  decode(bytes) {
    const values = new Float32Array((bytes.length / 84) * 256);
    for (let first = 0, at = 0; first < values.length; first += 256, at += 84) {
      const d = halfAt(bytes, at + 80);
      const dmin = halfAt(bytes, at + 82);
      for (let sub = 0; sub < 16; sub++) {
        const scale = fround(d * (bytes[at + sub]! & 15));
        const min = fround(dmin * (bytes[at + sub]! >> 4));
        const quants = at + 16 + 32 * (sub >> 3) + 16 * (sub & 1);
        const shift = sub & 6;
        for (let i = 0; i < 16; i++)
          values[first + 16 * sub + i] = fround(scale * ((bytes[quants + i]! >> shift) & 3)) - min;
      }
    }
    return values;
  },
  firstNotFinite: (bytes) => firstNotFiniteHalf(bytes, 84, 80, 82),
};
