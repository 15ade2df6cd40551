import { type FileDtype, type PackedDtype, paddedRows, viewOf } from "./dtype.ts";
import { panelIndex } from "./f32.ts";

const scratch = new DataView(new ArrayBuffer(4));

/** Half precision to single, exactly. */
export function f16ToF32(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024) : sign * 2 ** -24 * fraction;
}

/** Single precision to half, to nearest, ties to even (IEEE 754-2008). */
export function f32ToF16(value: number): number {
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const rest = bits & 0x7fffffff;
  if (rest > 0x7f800000) return sign | 0x7e00 | ((rest >> 13) & 0x1ff); // NaN keeps its upper payload, quiet
  if (rest >= 0x47800000) return sign | 0x7c00;
  // Below 2⁻¹⁴ the last place is 2⁻²⁴: adding 2⁻¹ to the magnitude makes f32 arithmetic round there.
  if (rest < 0x38800000) {
    scratch.setFloat32(0, Math.fround(Math.abs(value) + 0.5));
    return sign | (scratch.getUint32(0) - 0x3f000000);
  }
  return sign | ((rest - 0x38000000 + 0xfff + ((rest >>> 13) & 1)) >>> 13);
}

/**
 * ```
 * f16   one value, 2 bytes: sign, 5 bits of exponent, 10 of fraction
 * ```
 */
export const f16: FileDtype = {
  name: "f16",
  ggufId: 1,
  ggufName: "F16",
  blockSize: 1,
  bytesPerBlock: 2,
  packed: "f16_r16",
  encode(values) {
    const bytes = new Uint8Array(values.length * 2);
    const view = viewOf(bytes);
    values.forEach((value, i) => {
      view.setUint16(2 * i, f32ToF16(value), true);
    });
    return bytes;
  },
  decode(bytes) {
    const view = viewOf(bytes);
    return Float32Array.from({ length: bytes.length / 2 }, (_, i) => f16ToF32(view.getUint16(2 * i, true)));
  },
};

/**
 * ```
 * f16_r16   [N/16][K][16 rows] in half precision; missing rows are zero
 * ```
 */
export const f16_r16: PackedDtype = {
  name: "f16_r16",
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
    return Float32Array.from({ length: n * k }, (_, i) =>
      f16ToF32(view.getUint16(2 * panelIndex(Math.floor(i / k), i % k, k), true)),
    );
  },
};
