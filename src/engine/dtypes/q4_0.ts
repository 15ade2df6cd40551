import { type FileDtype, type PackedDtype, paddedRows, viewOf } from "./dtype.ts";
import { f16ToF32, f32ToF16 } from "./f16.ts";

const { fround } = Math;

/**
 * ```
 * q4_0   32 values, 18 bytes:  f16 scale │ 16 bytes, low nibbles k 0–15, high nibbles k 16–31
 *        value = scale · (nibble − 8)
 * ```
 * scale = (the value of largest magnitude)/−8, so that this value is −8 exactly (as ggml's reference).
 */
export const q4_0: FileDtype = {
  name: "q4_0",
  ggufId: 2,
  ggufName: "Q4_0",
  blockSize: 32,
  bytesPerBlock: 18,
  packed: "q4_0_r8",
  encode(values) {
    const blocks = values.length / 32;
    const bytes = new Uint8Array(blocks * 18);
    const view = viewOf(bytes);
    for (let b = 0; b < blocks; b++) {
      const block = values.subarray(32 * b, 32 * b + 32);
      const largest = block.reduce((best, value) => (Math.abs(value) > Math.abs(best) ? value : best));
      const scale = fround(largest / -8);
      const inverse = scale === 0 ? 0 : fround(1 / scale);
      // A byte, as in C: where the inverse is infinite (the scale is then 0) the cast gives 0.
      const nibble = (i: number) => Math.min(15, fround(fround(block[i]! * inverse) + 8.5) & 255);
      view.setUint16(18 * b, f32ToF16(scale), true);
      for (let i = 0; i < 16; i++) bytes[18 * b + 2 + i] = nibble(i) | (nibble(i + 16) << 4);
    }
    return bytes;
  },
  decode(bytes) {
    const view = viewOf(bytes);
    const values = new Float32Array((bytes.length / 18) * 32);
    for (let i = 0; i < values.length; i++) {
      const block = 18 * (i >> 5);
      values[i] = f16ToF32(view.getUint16(block, true)) * (fileNibble(bytes, block, i & 31) - 8);
    }
    return values;
  },
};

/** Nibble of value i of the file's block at `block`. */
function fileNibble(bytes: Uint8Array, block: number, i: number): number {
  const byte = bytes[block + 2 + (i & 15)]!;
  return i < 16 ? byte & 15 : byte >> 4;
}

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
