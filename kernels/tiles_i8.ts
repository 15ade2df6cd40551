/**
 * Tiles of the integer linears: 8 outputs (one group of the packed layout, one sequential stream of weights) × 1 or 2
 * rows. Per block of 32 k, ascending, with exact sums of integers,
 *   y = y + w_scale · (x_scale · f32(Σ w·x))                               and with a min also
 *   y = y + w_min · (x_scale · f32(Σ x));                                  q6_k, with a factor for each 16 k:
 *   y = y + d · (x_scale · f32(factor₀ · Σ₀ w·x + factor₁ · Σ₁ w·x))
 * Every sum is exact in f32 as in i32: |Σ w·x| ≤ 32 · 128 · 127 < 2²⁰; of q6_k ≤ 2 · 128 · 16 · 32 · 127 < 2²⁴.
 */
import {
  block_bytes, factors, has_min, header_at, high, low, mins, next, nibbles_at, Q4_0_R8, Q4_1_R8, Q4_K_R8,
  Q5_0_R8, Q5_1_R8, Q5_K_R8, Q6_K_R8, Q8_0_R8, scales, upper, upper_mask, zero_point, zero_shift,
} from "./blocks";
import { PAGE, PAGE_NIBBLE } from "./constants";
import { RECORD_BYTES, RECORD_HEADER } from "./quantize";
import { dot_pairs, multiply_add } from "./simd";

/** Adds the neighbours of two vectors of pair sums: four rows in order. */
// @ts-ignore: decorator
@inline
function join(low: v128, high: v128): v128 {
  return i32x4.add(v128.shuffle<i32>(low, high, 0, 2, 4, 6), v128.shuffle<i32>(low, high, 1, 3, 5, 7));
}

// @ts-ignore: decorator
@inline
function dot(sum: v128, w: v128, x: v128): v128 {
  return i32x4.add(sum, dot_pairs(w, x));
}

/** One block's end: y + w_scale · (x_scale · sum). */
// @ts-ignore: decorator
@inline
function scale(y: v128, sum: v128, w_scale: v128, x_scale: v128): v128 {
  return multiply_add(y, w_scale, f32x4.mul(x_scale, f32x4.convert_i32x4_s(sum)));
}

/** Σx of a record in all lanes. */
// @ts-ignore: decorator
@inline
function x_sum(x: usize): v128 {
  return v128.load32_splat(x, 4);
}

/** One row of x over packed blocks; `dtype` a constant with sums of 32 k. */
// @ts-ignore: decorator
@inline
function row(dtype: i32, blocks: i32, w: usize, x: usize, y: usize, acc: bool): void {
  const nibble = v128.load(PAGE + PAGE_NIBBLE), above = upper_mask(dtype), zero = i32x4.splat(0);
  let y0 = zero, y1 = zero;
  if (acc) { y0 = v128.load(y); y1 = v128.load(y, 16); }
  for (let b = 0; b < blocks; b++, x += RECORD_BYTES) {
    let a0 = zero, a1 = zero, a2 = zero, a3 = zero, v = x, c = nibbles_at(dtype, w, b);
    let t0 = upper(dtype, w, b, 0, 0), t1 = upper(dtype, w, b, 0, 1);
    for (const end = c + 128; c < end; c += 32, v += 32) {
      const v0 = v128.load(c), v1 = v128.load(c, 16), xl = v128.load(v, RECORD_HEADER);
      const low0 = low(dtype, v0, t0, nibble, above), low1 = low(dtype, v1, t1, nibble, above);
      a0 = dot(a0, i16x8.extend_low_i8x16_u(low0), xl); a1 = dot(a1, i16x8.extend_high_i8x16_u(low0), xl);
      a2 = dot(a2, i16x8.extend_low_i8x16_u(low1), xl); a3 = dot(a3, i16x8.extend_high_i8x16_u(low1), xl);
      const high0 = high(dtype, v0, t0, nibble, above), high1 = high(dtype, v1, t1, nibble, above);
      const xh = v128.load(v, RECORD_HEADER + 16);
      a0 = dot(a0, i16x8.extend_low_i8x16_u(high0), xh); a1 = dot(a1, i16x8.extend_high_i8x16_u(high0), xh);
      a2 = dot(a2, i16x8.extend_low_i8x16_u(high1), xh); a3 = dot(a3, i16x8.extend_high_i8x16_u(high1), xh);
      t0 = next(dtype, t0); t1 = next(dtype, t1);
    }
    const s = v128.load32_splat(x), s0 = scales(dtype, w, b, 0, 0), s1 = scales(dtype, w, b, 0, 1);
    if (has_min(dtype)) {
      const sx = f32x4.mul(s, f32x4.convert_i32x4_s(x_sum(x)));
      y0 = multiply_add(scale(y0, join(a0, a1), s0, s), mins(dtype, w, b, 0), sx);
      y1 = multiply_add(scale(y1, join(a2, a3), s1, s), mins(dtype, w, b, 1), sx);
    } else {
      const excess = i32x4.shl(x_sum(x), zero_shift(dtype)); // every integer is 8 or 16 too large
      y0 = scale(y0, i32x4.sub(join(a0, a1), excess), s0, s);
      y1 = scale(y1, i32x4.sub(join(a2, a3), excess), s1, s);
    }
  }
  v128.store(y, y0); v128.store(y, y1, 16);
}

function row_q6_k(blocks: i32, w: usize, x: usize, y: usize, acc: bool): void {
  const nibble = v128.load(PAGE + PAGE_NIBBLE), above = upper_mask(Q6_K_R8), zero = i32x4.splat(0);
  const middle = zero_point(Q6_K_R8);
  let y0 = zero, y1 = zero;
  if (acc) { y0 = v128.load(y); y1 = v128.load(y, 16); }
  for (let b = 0; b < blocks; b++, x += RECORD_BYTES) {
    let sum0 = zero, sum1 = zero, v = x, c = nibbles_at(Q6_K_R8, w, b);
    for (let sixteen = 0; sixteen < 2; sixteen++) {
      let a0 = zero, a1 = zero, a2 = zero, a3 = zero;
      let t0 = upper(Q6_K_R8, w, b, sixteen, 0), t1 = upper(Q6_K_R8, w, b, sixteen, 1);
      for (const end = c + 64; c < end; c += 32, v += 32) {
        const v0 = v128.load(c), v1 = v128.load(c, 16), xl = v128.load(v, RECORD_HEADER);
        const low0 = i8x16.sub(low(Q6_K_R8, v0, t0, nibble, above), middle);
        const low1 = i8x16.sub(low(Q6_K_R8, v1, t1, nibble, above), middle);
        a0 = dot(a0, i16x8.extend_low_i8x16_s(low0), xl); a1 = dot(a1, i16x8.extend_high_i8x16_s(low0), xl);
        a2 = dot(a2, i16x8.extend_low_i8x16_s(low1), xl); a3 = dot(a3, i16x8.extend_high_i8x16_s(low1), xl);
        const high0 = i8x16.sub(high(Q6_K_R8, v0, t0, nibble, above), middle);
        const high1 = i8x16.sub(high(Q6_K_R8, v1, t1, nibble, above), middle);
        const xh = v128.load(v, RECORD_HEADER + 16);
        a0 = dot(a0, i16x8.extend_low_i8x16_s(high0), xh); a1 = dot(a1, i16x8.extend_high_i8x16_s(high0), xh);
        a2 = dot(a2, i16x8.extend_low_i8x16_s(high1), xh); a3 = dot(a3, i16x8.extend_high_i8x16_s(high1), xh);
        t0 = next(Q6_K_R8, t0); t1 = next(Q6_K_R8, t1);
      }
      sum0 = i32x4.add(sum0, i32x4.mul(factors(w, b, sixteen, 0), join(a0, a1)));
      sum1 = i32x4.add(sum1, i32x4.mul(factors(w, b, sixteen, 1), join(a2, a3)));
    }
    const s = v128.load32_splat(x), d = header_at(Q6_K_R8, w, b);
    y0 = scale(y0, sum0, v128.load(d), s); y1 = scale(y1, sum1, v128.load(d, 16), s);
  }
  v128.store(y, y0); v128.store(y, y1, 16);
}

function row_q8_0(blocks: i32, w: usize, x: usize, y: usize, acc: bool): void {
  const zero = i32x4.splat(0);
  let y0 = zero, y1 = zero;
  if (acc) { y0 = v128.load(y); y1 = v128.load(y, 16); }
  for (; blocks > 0; blocks--, w += block_bytes(Q8_0_R8), x += RECORD_BYTES) {
    let a0 = zero, a1 = zero, a2 = zero, a3 = zero, v = x;
    const end = w + 256;
    for (let c = w; c < end; c += 32, v += 16) {
      const xv = v128.load(v, RECORD_HEADER);
      a0 = dot(a0, v128.load8x8_s(c, 32), xv); a1 = dot(a1, v128.load8x8_s(c, 40), xv);
      a2 = dot(a2, v128.load8x8_s(c, 48), xv); a3 = dot(a3, v128.load8x8_s(c, 56), xv);
    }
    const s = v128.load32_splat(x);
    y0 = scale(y0, join(a0, a1), v128.load(w), s); y1 = scale(y1, join(a2, a3), v128.load(w, 16), s);
  }
  v128.store(y, y0); v128.store(y, y1, 16);
}

/** Two rows of x, `other` bytes apart, over unpacked blocks (weight_blocks.ts); q8_0_r8 is such as it stands. */
// @ts-ignore: decorator
@inline
function pair(
  header: usize, blocks: i32, w: usize, x: usize, other: usize, y: usize, below: usize, acc: bool,
): void {
  const zero = i32x4.splat(0);
  let y0 = zero, y1 = zero, z0 = zero, z1 = zero;
  if (acc) { y0 = v128.load(y); y1 = v128.load(y, 16); z0 = v128.load(below); z1 = v128.load(below, 16); }
  for (; blocks > 0; blocks--, w += header + 256, x += RECORD_BYTES) {
    let a0 = zero, a1 = zero, a2 = zero, a3 = zero, b0 = zero, b1 = zero, b2 = zero, b3 = zero, v = x, u = x + other;
    let c = w + header;
    for (const end = c + 256; c < end; c += 32, v += 16, u += 16) {
      const p0 = v128.load8x8_s(c), p1 = v128.load8x8_s(c, 8), p2 = v128.load8x8_s(c, 16), p3 = v128.load8x8_s(c, 24);
      const xv = v128.load(v, RECORD_HEADER);
      a0 = dot(a0, p0, xv); a1 = dot(a1, p1, xv); a2 = dot(a2, p2, xv); a3 = dot(a3, p3, xv);
      const xu = v128.load(u, RECORD_HEADER);
      b0 = dot(b0, p0, xu); b1 = dot(b1, p1, xu); b2 = dot(b2, p2, xu); b3 = dot(b3, p3, xu);
    }
    const s = v128.load32_splat(x), r = v128.load32_splat(x + other), w0 = v128.load(w), w1 = v128.load(w, 16);
    y0 = scale(y0, join(a0, a1), w0, s); y1 = scale(y1, join(a2, a3), w1, s);
    z0 = scale(z0, join(b0, b1), w0, r); z1 = scale(z1, join(b2, b3), w1, r);
    if (header == 64) {
      const m0 = v128.load(w, 32), m1 = v128.load(w, 48);
      const sx = f32x4.mul(s, f32x4.convert_i32x4_s(x_sum(x)));
      const rx = f32x4.mul(r, f32x4.convert_i32x4_s(x_sum(x + other)));
      y0 = multiply_add(y0, m0, sx); y1 = multiply_add(y1, m1, sx);
      z0 = multiply_add(z0, m0, rx); z1 = multiply_add(z1, m1, rx);
    }
  }
  v128.store(y, y0); v128.store(y, y1, 16); v128.store(below, z0); v128.store(below, z1, 16);
}

export function pair_i8(blocks: i32, w: usize, x: usize, other: usize, y: usize, below: usize, acc: bool): void {
  pair(32, blocks, w, x, other, y, below, acc);
}

export function pair_i8_min(blocks: i32, w: usize, x: usize, other: usize, y: usize, below: usize, acc: bool): void {
  pair(64, blocks, w, x, other, y, below, acc);
}

export function pair_i8_factors(
  blocks: i32, w: usize, x: usize, other: usize, y: usize, below: usize, acc: bool,
): void {
  const zero = i32x4.splat(0);
  let y0 = zero, y1 = zero, z0 = zero, z1 = zero;
  if (acc) { y0 = v128.load(y); y1 = v128.load(y, 16); z0 = v128.load(below); z1 = v128.load(below, 16); }
  for (; blocks > 0; blocks--, w += 352, x += RECORD_BYTES) {
    let i0 = zero, i1 = zero, j0 = zero, j1 = zero, v = x, u = x + other, c = w + 96;
    for (let f = w + 32; f < w + 96; f += 32) {
      let a0 = zero, a1 = zero, a2 = zero, a3 = zero, b0 = zero, b1 = zero, b2 = zero, b3 = zero;
      for (const end = c + 128; c < end; c += 32, v += 16, u += 16) {
        const p0 = v128.load8x8_s(c), p1 = v128.load8x8_s(c, 8), p2 = v128.load8x8_s(c, 16), p3 = v128.load8x8_s(c, 24);
        const xv = v128.load(v, RECORD_HEADER);
        a0 = dot(a0, p0, xv); a1 = dot(a1, p1, xv); a2 = dot(a2, p2, xv); a3 = dot(a3, p3, xv);
        const xu = v128.load(u, RECORD_HEADER);
        b0 = dot(b0, p0, xu); b1 = dot(b1, p1, xu); b2 = dot(b2, p2, xu); b3 = dot(b3, p3, xu);
      }
      const f0 = v128.load(f), f1 = v128.load(f, 16);
      i0 = i32x4.add(i0, i32x4.mul(f0, join(a0, a1))); i1 = i32x4.add(i1, i32x4.mul(f1, join(a2, a3)));
      j0 = i32x4.add(j0, i32x4.mul(f0, join(b0, b1))); j1 = i32x4.add(j1, i32x4.mul(f1, join(b2, b3)));
    }
    const s = v128.load32_splat(x), r = v128.load32_splat(x + other), w0 = v128.load(w), w1 = v128.load(w, 16);
    y0 = scale(y0, i0, w0, s); y1 = scale(y1, i1, w1, s);
    z0 = scale(z0, j0, w0, r); z1 = scale(z1, j1, w1, r);
  }
  v128.store(y, y0); v128.store(y, y1, 16); v128.store(below, z0); v128.store(below, z1, 16);
}

/** One row over packed weights. */
export function row_i8(dtype: i32, blocks: i32, w: usize, x: usize, y: usize, acc: bool): void {
  switch (dtype) {
    case Q8_0_R8: row_q8_0(blocks, w, x, y, acc); break;
    case Q4_0_R8: row(Q4_0_R8, blocks, w, x, y, acc); break;
    case Q4_1_R8: row(Q4_1_R8, blocks, w, x, y, acc); break;
    case Q5_0_R8: row(Q5_0_R8, blocks, w, x, y, acc); break;
    case Q5_1_R8: row(Q5_1_R8, blocks, w, x, y, acc); break;
    case Q4_K_R8: row(Q4_K_R8, blocks, w, x, y, acc); break;
    case Q5_K_R8: row(Q5_K_R8, blocks, w, x, y, acc); break;
    case Q6_K_R8: row_q6_k(blocks, w, x, y, acc); break;
  }
}
