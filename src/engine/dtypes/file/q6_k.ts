import type { EncodableDtype } from "../dtype.ts";
import { firstNotFiniteHalf, halfAt, setHalf } from "../half.ts";
import { fitSignedBlock, signedBlock } from "./k_fit.ts";

const { fround } = Math;

/**
 * ```
 * q6_k   256 values, 210 bytes:  128 bytes of nibbles │ 64 bytes of upper two bits │ 16 × int8 scale │ f16 d
 *        value 128h + 32j + l:   nibble j >> 1 of byte 64h + 32·(j & 1) + l;  upper bits 2j and 2j+1 of byte 128 + 32h + l
 *        value = (d · scale) · (q − 32)        scale of 16 values
 * ```
 */
export const q6_k: EncodableDtype = {
  name: "q6_k",
  ggufId: 14,
  ggufName: "Q6_K",
  blockSize: 256,
  bytesPerBlock: 210,
  native: "q6_k",
  packed: "q6_k_r8",
  encode(values) {
    const bytes = new Uint8Array((values.length / 256) * 210);
    const block = signedBlock();
    for (let first = 0, at = 0; first < values.length; first += 256, at += 210) {
      fitSignedBlock(values, first, block);
      writeSixes(block.q, bytes, at);
      bytes.set(block.scales, at + 192);
      setHalf(bytes, at + 208, block.d);
    }
    return bytes;
  },
  decode(bytes) {
    const values = new Float32Array((bytes.length / 210) * 256);
    for (let first = 0, at = 0; first < values.length; first += 256, at += 210) {
      const d = halfAt(bytes, at + 208);
      for (let sub = 0; sub < 16; sub++) {
        const scale = fround(d * ((bytes[at + 192 + sub]! << 24) >> 24));
        const j = (sub >> 1) & 3;
        const nibbles = at + 64 * (sub >> 3) + 32 * (j & 1) + 16 * (sub & 1);
        const uppers = at + 128 + 32 * (sub >> 3) + 16 * (sub & 1);
        for (let i = 0; i < 16; i++) {
          const low = (bytes[nibbles + i]! >> (4 * (j >> 1))) & 15;
          const high = (bytes[uppers + i]! >> (2 * j)) & 3;
          values[first + 16 * sub + i] = scale * ((low | (high << 4)) - 32);
        }
      }
    }
    return values;
  },
  firstNotFinite: (bytes) => firstNotFiniteHalf(bytes, 210, 208),
};

/** Writes 256 quants, 0 to 63, into the zeroed block at `at`. */
export function writeSixes(q: Uint8Array, bytes: Uint8Array, at: number): void {
  for (let i = 0; i < 256; i++) {
    const j = (i >> 5) & 3;
    bytes[at + 64 * (i >> 7) + 32 * (j & 1) + (i & 31)]! |= (q[i]! & 15) << (4 * (j >> 1));
    bytes[at + 128 + 32 * (i >> 7) + (i & 31)]! |= (q[i]! >> 4) << (2 * j);
  }
}
