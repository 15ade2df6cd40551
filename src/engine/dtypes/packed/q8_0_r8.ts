import { paddedRows, viewOf } from "../dtype.ts";
import { f16ToF32 } from "../half.ts";
import type { BlockDtype } from "./blocks.ts";

const PACKED_BLOCK = 288;

/**
 * ```
 * q8_0_r8   8 rows × 32 k, 288 bytes, blocks ordered [N/8][K/32]:
 *           8 f32 scales │ 8 chunks of 32 B; chunk c: rows 0–3 × k 4c…4c+3, then rows 4–7, int8 row-major
 * ```
 * Eight outputs share one load of x; scales in f32 cost 6 % of bytes and save the conversion at every use.
 */
export const q8_0_r8: BlockDtype = {
  name: "q8_0_r8",
  blockSize: 32,
  bytesPerBlock: 36,
  packedBytes: (n, k) => (paddedRows(n) / 8) * (k / 32) * PACKED_BLOCK,
  pack(file, n, k) {
    const from = viewOf(file);
    const packed = new Uint8Array(this.packedBytes(n, k));
    const to = viewOf(packed);
    for (let row = 0; row < n; row++) {
      for (let b = 0; b < k / 32; b++) {
        const source = (row * (k / 32) + b) * 34;
        const block = blockOffset(row, b, k);
        to.setFloat32(block + 4 * (row & 7), f16ToF32(from.getUint16(source, true)), true);
        for (let i = 0; i < 32; i++) packed[block + place(row, i)] = file[source + 2 + i]!;
      }
    }
    return packed;
  },
  unpack(packed, n, k) {
    const { integers, scales } = this.blocks(packed, n, k);
    return Float32Array.from(integers, (integer, i) => scales[i >> 5]! * integer);
  },
  blocks(packed, n, k) {
    const view = viewOf(packed);
    const integers = new Int8Array(n * k);
    const scales = new Float32Array((n * k) / 32);
    for (let index = 0; index < n * k; index++) {
      const [row, i] = [Math.floor(index / k), index % k];
      const block = blockOffset(row, i >> 5, k);
      integers[index] = packed[block + place(row, i & 31)]!;
      scales[index >> 5] = view.getFloat32(block + 4 * (row & 7), true);
    }
    return { integers, scales };
  },
};

function blockOffset(row: number, block: number, k: number): number {
  return ((row >> 3) * (k / 32) + block) * PACKED_BLOCK;
}

/** Byte of column i of a row within a packed block. */
function place(row: number, i: number): number {
  return 32 + 32 * (i >> 2) + 4 * (row & 7) + (i & 3);
}
