import { type PackedDtype, paddedRows } from "../dtype.ts";
import { f32 } from "../file/f32.ts";

/**
 * ```
 * f32_r16   [N/16][K][16 rows]: the panel that the f32 kernel reads in one stream; missing rows are zero
 * ```
 */
export const f32_r16: PackedDtype = {
  name: "f32_r16",
  blockSize: 1,
  bytesPerBlock: 4,
  packedBytes: (n, k) => paddedRows(n) * k * 4,
  pack(file, n, k) {
    const values = f32.decode(file);
    const panels = new Float32Array(paddedRows(n) * k);
    for (let row = 0; row < n; row++)
      for (let i = 0; i < k; i++) panels[panelIndex(row, i, k)] = values[row * k + i]!;
    return f32.encode(panels);
  },
  unpack(packed, n, k) {
    const panels = f32.decode(packed);
    return Float32Array.from({ length: n * k }, (_, i) => panels[panelIndex(Math.floor(i / k), i % k, k)]!);
  },
};

/** Place of (row, column) among panels of 16 rows. */
export function panelIndex(row: number, column: number, k: number): number {
  return ((row >> 4) * k + column) * 16 + (row & 15);
}
