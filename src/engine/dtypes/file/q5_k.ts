import type { EncodableDtype } from "../dtype.ts";
import { firstNotFiniteHalf, halfAt, setHalf } from "../half.ts";
import { fitOffsetBlock, offsetBlock } from "./k_fit.ts";
import { minOf, scaleOf, writeScales } from "./k_scales.ts";

const { fround } = Math;

/**
 * ```
 * q5_k   256 values, 176 bytes:  f16 d │ f16 dmin │ 12 bytes, 8 scales and 8 mins (k_scales.ts) │ 32 bytes of fifth bits │ 128 bytes of nibbles
 *        fifth bits  byte l, bit s: value 32s + l
 *        nibbles     byte 32c + l: low nibble value 64c + l, high nibble value 64c + 32 + l
 *        value = (d · scale) · q − (dmin · min)        scale and min of 32 values
 * ```
 */
export const q5_k: EncodableDtype = {
  name: "q5_k",
  ggufId: 13,
  ggufName: "Q5_K",
  blockSize: 256,
  bytesPerBlock: 176,
  native: "q5_k",
  packed: "q5_k_r8",
  encode(values) {
    const bytes = new Uint8Array((values.length / 256) * 176);
    const block = offsetBlock();
    for (let first = 0, at = 0; first < values.length; first += 256, at += 176) {
      fitOffsetBlock(values, first, 31, block);
      setHalf(bytes, at, block.d);
      setHalf(bytes, at + 2, block.dmin);
      writeScales(block.scales, block.mins, bytes, at + 4);
      for (let i = 0; i < 256; i++) {
        const [l, q] = [i & 31, block.q[i]!];
        bytes[at + 16 + l]! |= (q >> 4) << (i >> 5);
        bytes[at + 48 + 32 * (i >> 6) + l]! |= (q & 15) << ((i & 32) >> 3);
      }
    }
    return bytes;
  },
  decode(bytes) {
    const values = new Float32Array((bytes.length / 176) * 256);
    for (let first = 0, at = 0; first < values.length; first += 256, at += 176) {
      const d = halfAt(bytes, at);
      const dmin = halfAt(bytes, at + 2);
      for (let sub = 0; sub < 8; sub++) {
        const scale = fround(d * scaleOf(bytes, at + 4, sub));
        const min = fround(dmin * minOf(bytes, at + 4, sub));
        const nibbles = at + 48 + 32 * (sub >> 1);
        const shift = 4 * (sub & 1);
        for (let i = 0; i < 32; i++) {
          const fifth = (bytes[at + 16 + i]! >> sub) & 1;
          const q = ((bytes[nibbles + i]! >> shift) & 15) | (fifth << 4);
          values[first + 32 * sub + i] = fround(scale * q) - min;
        }
      }
    }
    return values;
  },
  firstNotFinite: (bytes) => firstNotFiniteHalf(bytes, 176, 0, 2),
};
