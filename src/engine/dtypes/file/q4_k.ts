import type { EncodableDtype } from "../dtype.ts";
import { firstNotFiniteHalf, halfAt, setHalf } from "../half.ts";
import { fitOffsetBlock, offsetBlock } from "./k_fit.ts";
import { minOf, scaleOf, writeScales } from "./k_scales.ts";

const { fround } = Math;

/**
 * ```
 * q4_k   256 values, 144 bytes:  f16 d │ f16 dmin │ 12 bytes, 8 scales and 8 mins (k_scales.ts) │ 128 bytes of quants
 *        byte 32c + l: low nibble value 64c + l, high nibble value 64c + 32 + l
 *        value = (d · scale) · q − (dmin · min)        scale and min of 32 values
 * ```
 */
export const q4_k: EncodableDtype = {
  name: "q4_k",
  ggufId: 12,
  ggufName: "Q4_K",
  blockSize: 256,
  bytesPerBlock: 144,
  native: "q4_k",
  packed: "q4_k_r8",
  encode(values) {
    const bytes = new Uint8Array((values.length / 256) * 144);
    const block = offsetBlock();
    for (let first = 0, at = 0; first < values.length; first += 256, at += 144) {
      fitOffsetBlock(values, first, 15, block);
      setHalf(bytes, at, block.d);
      setHalf(bytes, at + 2, block.dmin);
      writeScales(block.scales, block.mins, bytes, at + 4);
      for (let i = 0; i < 256; i++) {
        bytes[at + 16 + 32 * (i >> 6) + (i & 31)]! |= block.q[i]! << ((i & 32) >> 3);
      }
    }
    return bytes;
  },
  decode(bytes) {
    const values = new Float32Array((bytes.length / 144) * 256);
    for (let first = 0, at = 0; first < values.length; first += 256, at += 144) {
      const d = halfAt(bytes, at);
      const dmin = halfAt(bytes, at + 2);
      for (let sub = 0; sub < 8; sub++) {
        const scale = fround(d * scaleOf(bytes, at + 4, sub));
        const min = fround(dmin * minOf(bytes, at + 4, sub));
        const quants = at + 16 + 32 * (sub >> 1);
        const shift = 4 * (sub & 1);
        for (let i = 0; i < 32; i++)
          values[first + 32 * sub + i] = fround(scale * ((bytes[quants + i]! >> shift) & 15)) - min;
      }
    }
    return values;
  },
  firstNotFinite: (bytes) => firstNotFiniteHalf(bytes, 144, 0, 2),
};
