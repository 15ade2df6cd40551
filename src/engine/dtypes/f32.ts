import { type FileDtype, type PackedDtype, paddedRows, viewOf } from "./dtype.ts";

/**
 * ```
 * f32   one value, 4 bytes, little-endian
 * ```
 */
export const f32: FileDtype = {
  name: "f32",
  ggufId: 0,
  ggufName: "F32",
  blockSize: 1,
  bytesPerBlock: 4,
  packed: "f32_r16",
  encode(values) {
    const bytes = new Uint8Array(values.length * 4);
    const view = viewOf(bytes);
    values.forEach((value, i) => {
      view.setFloat32(4 * i, value, true);
    });
    return bytes;
  },
  decode(bytes) {
    const view = viewOf(bytes);
    return Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
  },
};

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
