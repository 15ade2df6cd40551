/** IEEE 754 half precision. */
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
