/** IEEE 754 half precision. */
const bits = new Uint32Array(1);
const single = new Float32Array(bits.buffer);

/** Half precision to single, exactly. */
export function f16ToF32(half: number): number {
  const magnitude = half & 0x7fff;
  if (magnitude >= 0x7c00) return magnitude > 0x7c00 ? NaN : half & 0x8000 ? -Infinity : Infinity;
  // The same exponent and fraction read as f32 are 2¹¹² times too small: the biases are 127 and 15.
  bits[0] = magnitude << 13;
  return half & 0x8000 ? -single[0]! * 2 ** 112 : single[0]! * 2 ** 112;
}

/** Single precision to half, to nearest, ties to even (IEEE 754-2008). */
export function f32ToF16(value: number): number {
  single[0] = value;
  const all = bits[0]!;
  const sign = (all >>> 16) & 0x8000;
  const rest = all & 0x7fffffff;
  if (rest > 0x7f800000) return sign | 0x7e00 | ((rest >> 13) & 0x1ff); // NaN keeps its upper payload, quiet
  if (rest >= 0x47800000) return sign | 0x7c00;
  // Below 2⁻¹⁴ the last place is 2⁻²⁴: adding 2⁻¹ to the magnitude makes f32 arithmetic round there.
  if (rest < 0x38800000) {
    single[0] = Math.abs(value) + 0.5;
    return sign | (bits[0]! - 0x3f000000);
  }
  return sign | ((rest - 0x38000000 + 0xfff + ((rest >>> 13) & 1)) >>> 13);
}

/** The little-endian half at a byte. */
export function halfAt(bytes: Uint8Array, at: number): number {
  return f16ToF32(bytes[at]! | (bytes[at + 1]! << 8));
}

/** Writes a value as a little-endian half. */
export function setHalf(bytes: Uint8Array, at: number, value: number): void {
  const half = f32ToF16(value);
  bytes[at] = half;
  bytes[at + 1] = half >> 8;
}

/** Index of the first block in which a half at one of these offsets is NaN or infinite; −1: none. */
export function firstNotFiniteHalf(bytes: Uint8Array, bytesPerBlock: number, ...offsets: number[]): number {
  for (let at = 0; at < bytes.length; at += bytesPerBlock)
    for (const offset of offsets) if ((bytes[at + offset + 1]! & 0x7c) === 0x7c) return at / bytesPerBlock;
  return -1;
}

/** A value rounded to half precision. */
export function asHalf(value: number): number {
  return f16ToF32(f32ToF16(value));
}
