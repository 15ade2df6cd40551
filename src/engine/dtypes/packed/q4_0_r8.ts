import { type PackedDtype, paddedRows, viewOf } from "../dtype.ts";
import { fileNibble } from "../file/q4_0.ts";
import { f16ToF32 } from "../half.ts";

const PACKED_BLOCK = 160;

/**
 * ```
 * q4_0_r8   8 rows × 32 k, 160 bytes, blocks ordered [N/8][K/32]:
 *           8 f32 scales │ 4 chunks of 32 B; chunk c: rows 0–3 × 4 bytes, then rows 4–7;
 *           byte j of a row: low nibble k 8c+j, high nibble k 8c+4+j
 * ```
 * Padding rows have nibbles of 8 and scale 0.
 */
export const q4_0_r8: PackedDtype = {
  name: "q4_0_r8",
  blockSize: 32,
  bytesPerBlock: 20,
  packedBytes: (n, k) => (paddedRows(n) / 8) * (k / 32) * PACKED_BLOCK,
  pack(file, n, k) {
    const from = viewOf(file);
    const packed = new Uint8Array(this.packedBytes(n, k));
    const to = viewOf(packed);
    for (let row = 0; row < paddedRows(n); row++) {
      for (let b = 0; b < k / 32; b++) {
        const source = (row * (k / 32) + b) * 18;
        const block = blockOffset(row, b, k);
        if (row < n) to.setFloat32(block + 4 * (row & 7), f16ToF32(from.getUint16(source, true)), true);
        for (let i = 0; i < 32; i++)
          packed[block + place(row, i)]! |= (row < n ? fileNibble(file, source, i) : 8) << shift(i);
      }
    }
    return packed;
  },
  unpack(packed, n, k) {
    const view = viewOf(packed);
    return Float32Array.from({ length: n * k }, (_, index) => {
      const row = Math.floor(index / k);
      const i = index % k;
      const block = blockOffset(row, i >> 5, k);
      const nibble = (packed[block + place(row, i & 31)]! >> shift(i)) & 15;
      return view.getFloat32(block + 4 * (row & 7), true) * (nibble - 8);
    });
  },
};

function blockOffset(row: number, block: number, k: number): number {
  return ((row >> 3) * (k / 32) + block) * PACKED_BLOCK;
}

/** Byte of column i of a row within a packed block. */
function place(row: number, i: number): number {
  return 32 + 32 * (i >> 3) + 4 * (row & 7) + (i & 3);
}

/** Position of column i's nibble within its byte. */
function shift(i: number): number {
  return i & 4;
}
