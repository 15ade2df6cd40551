/**
 * The two tiles of attention, forward and backward: dot products with many rows, and weighted sums of many rows.
 * D is a multiple of 4.
 */
import { multiply_add, sum_lanes } from "./simd";

/** s[j] = scale·(a · row j of b) for `count` rows `stride` bytes apart; D is d_bytes / 4. */
export function dots_1(a: usize, b: usize, stride: usize, count: usize, d_bytes: usize, scale: f32, s: usize): void {
  let j: usize = 0;
  for (; j + 4 <= count; j += 4) {
    const b0 = b + j * stride;
    const b1 = b0 + stride;
    const b2 = b1 + stride;
    const b3 = b2 + stride;
    let s0 = f32x4.splat(0);
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    for (let i: usize = 0; i < d_bytes; i += 16) {
      const x = v128.load(a + i);
      s0 = multiply_add(s0, x, v128.load(b0 + i));
      s1 = multiply_add(s1, x, v128.load(b1 + i));
      s2 = multiply_add(s2, x, v128.load(b2 + i));
      s3 = multiply_add(s3, x, v128.load(b3 + i));
    }
    v128.store(s + (j << 2), f32x4.mul(sum_lanes_of_4(s0, s1, s2, s3), f32x4.splat(scale)));
  }
  for (; j < count; j++) store<f32>(s + (j << 2), dot(a, b + j * stride, d_bytes) * scale);
}

/** `dots_1` for two rows a0 and a1 at once. */
export function dots_2(
  a0: usize, a1: usize, b: usize, stride: usize, count: usize, d_bytes: usize, scale: f32, s0: usize, s1: usize,
): void {
  let j: usize = 0;
  for (; j + 4 <= count; j += 4) {
    const b0 = b + j * stride;
    const b1 = b0 + stride;
    const b2 = b1 + stride;
    const b3 = b2 + stride;
    let s00 = f32x4.splat(0);
    let s01 = s00;
    let s02 = s00;
    let s03 = s00;
    let s10 = s00;
    let s11 = s00;
    let s12 = s00;
    let s13 = s00;
    for (let i: usize = 0; i < d_bytes; i += 16) {
      const x0 = v128.load(a0 + i);
      const x1 = v128.load(a1 + i);
      let y = v128.load(b0 + i);
      s00 = multiply_add(s00, x0, y);
      s10 = multiply_add(s10, x1, y);
      y = v128.load(b1 + i);
      s01 = multiply_add(s01, x0, y);
      s11 = multiply_add(s11, x1, y);
      y = v128.load(b2 + i);
      s02 = multiply_add(s02, x0, y);
      s12 = multiply_add(s12, x1, y);
      y = v128.load(b3 + i);
      s03 = multiply_add(s03, x0, y);
      s13 = multiply_add(s13, x1, y);
    }
    const factor = f32x4.splat(scale);
    v128.store(s0 + (j << 2), f32x4.mul(sum_lanes_of_4(s00, s01, s02, s03), factor));
    v128.store(s1 + (j << 2), f32x4.mul(sum_lanes_of_4(s10, s11, s12, s13), factor));
  }
  for (; j < count; j++) {
    store<f32>(s0 + (j << 2), dot(a0, b + j * stride, d_bytes) * scale);
    store<f32>(s1 + (j << 2), dot(a1, b + j * stride, d_bytes) * scale);
  }
}

/** a · b over D, four lanes over ascending k, then `sum_lanes`. */
export function dot(a: usize, b: usize, d_bytes: usize): f32 {
  let sum = f32x4.splat(0);
  for (let i: usize = 0; i < d_bytes; i += 16) sum = multiply_add(sum, v128.load(a + i), v128.load(b + i));
  return sum_lanes(sum);
}

/** `sum_lanes` of four vectors at once, in its order: (lane 0 + lane 2) + (lane 1 + lane 3). */
// @ts-ignore: decorator
@inline
function sum_lanes_of_4(a: v128, b: v128, c: v128, d: v128): v128 {
  // halves: a0+a2, a1+a3, b0+b2, b1+b3
  const ab = f32x4.add(v128.shuffle<i32>(a, b, 0, 1, 4, 5), v128.shuffle<i32>(a, b, 2, 3, 6, 7));
  const cd = f32x4.add(v128.shuffle<i32>(c, d, 0, 1, 4, 5), v128.shuffle<i32>(c, d, 2, 3, 6, 7));
  return f32x4.add(v128.shuffle<i32>(ab, cd, 0, 2, 4, 6), v128.shuffle<i32>(ab, cd, 1, 3, 5, 7));
}

/** y += Σ_j p[j]·row j of b, rows ascending. */
export function sums_1(p: usize, b: usize, stride: usize, count: usize, d_bytes: usize, y: usize): void {
  if (!count) return;
  let i: usize = 0;
  for (; i + 64 <= d_bytes; i += 64) {
    let y0 = v128.load(y + i);
    let y1 = v128.load(y + i, 16);
    let y2 = v128.load(y + i, 32);
    let y3 = v128.load(y + i, 48);
    let row = b + i;
    for (let j: usize = 0; j < count << 2; j += 4) {
      const w = v128.load32_splat(p + j);
      y0 = multiply_add(y0, w, v128.load(row));
      y1 = multiply_add(y1, w, v128.load(row, 16));
      y2 = multiply_add(y2, w, v128.load(row, 32));
      y3 = multiply_add(y3, w, v128.load(row, 48));
      row += stride;
    }
    v128.store(y + i, y0);
    v128.store(y + i, y1, 16);
    v128.store(y + i, y2, 32);
    v128.store(y + i, y3, 48);
  }
  for (; i < d_bytes; i += 16) {
    let sum = v128.load(y + i);
    let row = b + i;
    for (let j: usize = 0; j < count << 2; j += 4) {
      sum = multiply_add(sum, v128.load32_splat(p + j), v128.load(row));
      row += stride;
    }
    v128.store(y + i, sum);
  }
}

/** `sums_1` for two rows of weights at once. */
export function sums_2(
  p0: usize, p1: usize, b: usize, stride: usize, count: usize, d_bytes: usize, y0: usize, y1: usize,
): void {
  let i: usize = 0;
  for (; i + 64 <= d_bytes; i += 64) {
    let y00 = v128.load(y0 + i);
    let y01 = v128.load(y0 + i, 16);
    let y02 = v128.load(y0 + i, 32);
    let y03 = v128.load(y0 + i, 48);
    let y10 = v128.load(y1 + i);
    let y11 = v128.load(y1 + i, 16);
    let y12 = v128.load(y1 + i, 32);
    let y13 = v128.load(y1 + i, 48);
    let row = b + i;
    for (let j: usize = 0; j < count << 2; j += 4) {
      const w0 = v128.load32_splat(p0 + j);
      const w1 = v128.load32_splat(p1 + j);
      let x = v128.load(row);
      y00 = multiply_add(y00, w0, x);
      y10 = multiply_add(y10, w1, x);
      x = v128.load(row, 16);
      y01 = multiply_add(y01, w0, x);
      y11 = multiply_add(y11, w1, x);
      x = v128.load(row, 32);
      y02 = multiply_add(y02, w0, x);
      y12 = multiply_add(y12, w1, x);
      x = v128.load(row, 48);
      y03 = multiply_add(y03, w0, x);
      y13 = multiply_add(y13, w1, x);
      row += stride;
    }
    v128.store(y0 + i, y00);
    v128.store(y0 + i, y01, 16);
    v128.store(y0 + i, y02, 32);
    v128.store(y0 + i, y03, 48);
    v128.store(y1 + i, y10);
    v128.store(y1 + i, y11, 16);
    v128.store(y1 + i, y12, 32);
    v128.store(y1 + i, y13, 48);
  }
  if (i < d_bytes) {
    sums_1(p0, b + i, stride, count, d_bytes - i, y0 + i);
    sums_1(p1, b + i, stride, count, d_bytes - i, y1 + i);
  }
}
