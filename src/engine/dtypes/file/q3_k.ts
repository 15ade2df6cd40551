import type { FileDtype } from "../dtype.ts";
import { firstNotFiniteHalf, halfAt } from "../half.ts";
import { writeSixes } from "./q6_k.ts";

const { fround } = Math;

/**
 * ```
 * q3_k   256 values, 110 bytes:  32 bytes of third bits │ 64 bytes of quants │ 12 bytes, 16 scales of 6 bits │ f16 d
 *        third bits  byte l, bit 4h + j: value 128h + 32j + l
 *        quants      byte 32h + l, bits 2j and 2j+1: value 128h + 32j + l
 *        scales      lower four bits of scale s: nibble s >> 3 of byte s & 7; upper two: bits 2·(s >> 2) of byte 8 + (s & 3)
 *        value = (d · (scale − 32)) · (q − 4)
 * ```
 * Sixteen blocks of signed scales is what q6_k has too: it holds the same d, scales and values.
 */
export const q3_k: FileDtype = {
  name: "q3_k",
  ggufId: 11,
  ggufName: "Q3_K",
  blockSize: 256,
  bytesPerBlock: 110,
  native: "q6_k",
  packed: "q6_k_r8",
  decode(bytes) {
    const values = new Float32Array((bytes.length / 110) * 256);
    for (let first = 0, at = 0; first < values.length; first += 256, at += 110) {
      const d = halfAt(bytes, at + 108);
      for (let sub = 0; sub < 16; sub++) {
        const scale = fround(d * scaleOf(bytes, at, sub));
        for (let i = 16 * sub; i < 16 * sub + 16; i++)
          values[first + i] = scale * (threeBits(bytes, at, i) - 4);
      }
    }
    return values;
  },
  toNative(bytes) {
    const six = new Uint8Array((bytes.length / 110) * 210);
    const q = new Uint8Array(256);
    for (let at = 0, to = 0; at < bytes.length; at += 110, to += 210) {
      for (let i = 0; i < 256; i++) q[i] = threeBits(bytes, at, i) - 4 + 32;
      writeSixes(q, six, to);
      for (let sub = 0; sub < 16; sub++) six[to + 192 + sub] = scaleOf(bytes, at, sub);
      six[to + 208] = bytes[at + 108]!;
      six[to + 209] = bytes[at + 109]!;
    }
    return six;
  },
  firstNotFinite: (bytes) => firstNotFiniteHalf(bytes, 110, 108),
};

/** Scale of 16 values, −32 to 31, of the block at `at`. */
function scaleOf(bytes: Uint8Array, at: number, sub: number): number {
  const low = (bytes[at + 96 + (sub & 7)]! >> (4 * (sub >> 3))) & 15;
  const high = (bytes[at + 104 + (sub & 3)]! >> (2 * (sub >> 2))) & 3;
  return (low | (high << 4)) - 32;
}

/** Quant i, 0 to 7, of the block at `at`. */
function threeBits(bytes: Uint8Array, at: number, i: number): number {
  const low = (bytes[at + 32 + 32 * (i >> 7) + (i & 31)]! >> (2 * ((i >> 5) & 3))) & 3;
  const high = (bytes[at + (i & 31)]! >> (i >> 5)) & 1;
  return low | (high << 2);
}
