import { type PackedDtype, paddedRows, viewOf } from "../dtype.ts";
import { panelIndex } from "./f32_r16.ts";

/**
 * ```
 * bf16_r16   [N/16][K][16 rows], the upper halves of f32; missing rows are zero
 * ```
 */
export const bf16_r16: PackedDtype = {
  name: "bf16_r16",
  blockSize: 1,
  bytesPerBlock: 2,
  packedBytes: (n, k) => paddedRows(n) * k * 2,
  pack(file, n, k) {
    const from = viewOf(file);
    const packed = new Uint8Array(this.packedBytes(n, k));
    const to = viewOf(packed);
    for (let row = 0; row < n; row++)
      for (let i = 0; i < k; i++)
        to.setUint16(2 * panelIndex(row, i, k), from.getUint16(2 * (row * k + i), true), true);
    return packed;
  },
  unpack(packed, n, k) {
    const view = viewOf(packed);
    const bits = Uint32Array.from(
      { length: n * k },
      (_, i) => view.getUint16(2 * panelIndex(Math.floor(i / k), i % k, k), true) << 16,
    );
    return new Float32Array(bits.buffer);
  },
};
