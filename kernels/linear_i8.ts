/**
 * y = x·Wᵀ with x in quantize records: exact integer dot products a block of 32, then in f32, blocks ascending,
 *   y = y + w_scale · (x_scale · f32(Σ w·x))
 * Tiles of 8 outputs (one group of the packed layout, one sequential stream of weights) × 1 or 2 rows.
 */
import { PAGE, PAGE_NIBBLE } from "./constants";
import { check_units, extent } from "./extent";
import { ERROR_DIMENSION, ERROR_NONE } from "./layout";
import { address, fail, failed, has, has_scratch, scalar } from "./operands";
import { units } from "./panels";
import { RECORD_BYTES, RECORD_HEADER } from "./quantize";
import { dot_pairs, multiply_add } from "./simd";
import { Q4_0_R8_BYTES } from "./weight_q4_0";
import { Q8_0_R8_BYTES } from "./weight_q8_0";
import { Q4_0_R8, Q8_0_R8, weight_bytes } from "./weights";

const T: usize = 3;
const K: usize = 4;
const N: usize = 5;
const ACC: usize = 6;
/** Two rows of 8 outputs, where a group hangs over the last column. */
const EDGE_BYTES: usize = 64;

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

function q8_1(blocks: i32, w: usize, x: usize, y: usize, acc: bool): void {
  const zero = i32x4.splat(0);
  let y0 = zero, y1 = zero;
  if (acc) { y0 = v128.load(y); y1 = v128.load(y, 16); }
  for (; blocks > 0; blocks--, w += Q8_0_R8_BYTES, x += RECORD_BYTES) {
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

function q8_2(blocks: i32, w: usize, x: usize, other: usize, y: usize, below: usize, acc: bool): void {
  const zero = i32x4.splat(0);
  let y0 = zero, y1 = zero, z0 = zero, z1 = zero;
  if (acc) { y0 = v128.load(y); y1 = v128.load(y, 16); z0 = v128.load(below); z1 = v128.load(below, 16); }
  for (; blocks > 0; blocks--, w += Q8_0_R8_BYTES, x += RECORD_BYTES) {
    let a0 = zero, a1 = zero, a2 = zero, a3 = zero, b0 = zero, b1 = zero, b2 = zero, b3 = zero, v = x, u = x + other;
    const end = w + 256;
    for (let c = w; c < end; c += 32, v += 16, u += 16) {
      const p0 = v128.load8x8_s(c, 32), p1 = v128.load8x8_s(c, 40);
      const p2 = v128.load8x8_s(c, 48), p3 = v128.load8x8_s(c, 56);
      const xv = v128.load(v, RECORD_HEADER);
      a0 = dot(a0, p0, xv); a1 = dot(a1, p1, xv); a2 = dot(a2, p2, xv); a3 = dot(a3, p3, xv);
      const xu = v128.load(u, RECORD_HEADER);
      b0 = dot(b0, p0, xu); b1 = dot(b1, p1, xu); b2 = dot(b2, p2, xu); b3 = dot(b3, p3, xu);
    }
    const s = v128.load32_splat(x), r = v128.load32_splat(x + other), w0 = v128.load(w), w1 = v128.load(w, 16);
    y0 = scale(y0, join(a0, a1), w0, s); y1 = scale(y1, join(a2, a3), w1, s);
    z0 = scale(z0, join(b0, b1), w0, r); z1 = scale(z1, join(b2, b3), w1, r);
  }
  v128.store(y, y0); v128.store(y, y1, 16); v128.store(below, z0); v128.store(below, z1, 16);
}

/** 8·Σx of a record: nibbles are 8 too large. */
// @ts-ignore: decorator
@inline
function zero_point(x: usize): v128 {
  return i32x4.shl(v128.load32_splat(x, 4), 3);
}

function q4_1(blocks: i32, w: usize, x: usize, y: usize, acc: bool): void {
  const mask = v128.load(PAGE + PAGE_NIBBLE), zero = i32x4.splat(0);
  let y0 = zero, y1 = zero;
  if (acc) { y0 = v128.load(y); y1 = v128.load(y, 16); }
  for (; blocks > 0; blocks--, w += Q4_0_R8_BYTES, x += RECORD_BYTES) {
    let a0 = zero, a1 = zero, a2 = zero, a3 = zero, v = x;
    const end = w + 128;
    for (let c = w; c < end; c += 32, v += 32) {
      const v0 = v128.load(c, 32), v1 = v128.load(c, 48);
      const low0 = v128.and(v0, mask), low1 = v128.and(v1, mask), xl = v128.load(v, RECORD_HEADER);
      a0 = dot(a0, i16x8.extend_low_i8x16_u(low0), xl); a1 = dot(a1, i16x8.extend_high_i8x16_u(low0), xl);
      a2 = dot(a2, i16x8.extend_low_i8x16_u(low1), xl); a3 = dot(a3, i16x8.extend_high_i8x16_u(low1), xl);
      const high0 = v128.and(i16x8.shr_u(v0, 4), mask), high1 = v128.and(i16x8.shr_u(v1, 4), mask);
      const xh = v128.load(v, RECORD_HEADER + 16);
      a0 = dot(a0, i16x8.extend_low_i8x16_u(high0), xh); a1 = dot(a1, i16x8.extend_high_i8x16_u(high0), xh);
      a2 = dot(a2, i16x8.extend_low_i8x16_u(high1), xh); a3 = dot(a3, i16x8.extend_high_i8x16_u(high1), xh);
    }
    const s = v128.load32_splat(x), eight = zero_point(x);
    y0 = scale(y0, i32x4.sub(join(a0, a1), eight), v128.load(w), s);
    y1 = scale(y1, i32x4.sub(join(a2, a3), eight), v128.load(w, 16), s);
  }
  v128.store(y, y0); v128.store(y, y1, 16);
}

function q4_2(blocks: i32, w: usize, x: usize, other: usize, y: usize, below: usize, acc: bool): void {
  const mask = v128.load(PAGE + PAGE_NIBBLE), zero = i32x4.splat(0);
  let y0 = zero, y1 = zero, z0 = zero, z1 = zero;
  if (acc) { y0 = v128.load(y); y1 = v128.load(y, 16); z0 = v128.load(below); z1 = v128.load(below, 16); }
  for (; blocks > 0; blocks--, w += Q4_0_R8_BYTES, x += RECORD_BYTES) {
    let a0 = zero, a1 = zero, a2 = zero, a3 = zero, b0 = zero, b1 = zero, b2 = zero, b3 = zero, v = x, u = x + other;
    const end = w + 128;
    for (let c = w; c < end; c += 32, v += 32, u += 32) {
      const v0 = v128.load(c, 32), v1 = v128.load(c, 48);
      {
        const n0 = v128.and(v0, mask), n1 = v128.and(v1, mask);
        const p0 = i16x8.extend_low_i8x16_u(n0), p1 = i16x8.extend_high_i8x16_u(n0);
        const p2 = i16x8.extend_low_i8x16_u(n1), p3 = i16x8.extend_high_i8x16_u(n1);
        const xv = v128.load(v, RECORD_HEADER);
        a0 = dot(a0, p0, xv); a1 = dot(a1, p1, xv); a2 = dot(a2, p2, xv); a3 = dot(a3, p3, xv);
        const xu = v128.load(u, RECORD_HEADER);
        b0 = dot(b0, p0, xu); b1 = dot(b1, p1, xu); b2 = dot(b2, p2, xu); b3 = dot(b3, p3, xu);
      }
      {
        const n0 = v128.and(i16x8.shr_u(v0, 4), mask), n1 = v128.and(i16x8.shr_u(v1, 4), mask);
        const p0 = i16x8.extend_low_i8x16_u(n0), p1 = i16x8.extend_high_i8x16_u(n0);
        const p2 = i16x8.extend_low_i8x16_u(n1), p3 = i16x8.extend_high_i8x16_u(n1);
        const xv = v128.load(v, RECORD_HEADER + 16);
        a0 = dot(a0, p0, xv); a1 = dot(a1, p1, xv); a2 = dot(a2, p2, xv); a3 = dot(a3, p3, xv);
        const xu = v128.load(u, RECORD_HEADER + 16);
        b0 = dot(b0, p0, xu); b1 = dot(b1, p1, xu); b2 = dot(b2, p2, xu); b3 = dot(b3, p3, xu);
      }
    }
    const s = v128.load32_splat(x), r = v128.load32_splat(x + other), w0 = v128.load(w), w1 = v128.load(w, 16);
    const e = zero_point(x), f = zero_point(x + other);
    y0 = scale(y0, i32x4.sub(join(a0, a1), e), w0, s); y1 = scale(y1, i32x4.sub(join(a2, a3), e), w1, s);
    z0 = scale(z0, i32x4.sub(join(b0, b1), f), w0, r); z1 = scale(z1, i32x4.sub(join(b2, b3), f), w1, r);
  }
  v128.store(y, y0); v128.store(y, y1, 16); v128.store(below, z0); v128.store(below, z1, 16);
}

/** `rows` 1 or 2; the second row of x is `pitch` bytes on. */
function tile(
  dtype: i32, rows: i32, blocks: i32, w: usize, x: usize, pitch: usize, y: usize, below: usize, acc: bool,
): void {
  if (dtype == Q8_0_R8) {
    if (rows > 1) q8_2(blocks, w, x, pitch, y, below, acc);
    else q8_1(blocks, w, x, y, acc);
  } else {
    if (rows > 1) q4_2(blocks, w, x, pitch, y, below, acc);
    else q4_1(blocks, w, x, y, acc);
  }
}

/** All rows of one group of 8 outputs; `columns` of them exist. */
function group(dtype: i32, o: usize, w: usize, y: usize, columns: i32, edge: usize): void {
  const blocks = scalar(o, K) >> 5, y_pitch = <usize>scalar(o, N) << 2, pitch = <usize>blocks * RECORD_BYTES;
  const bytes = <usize>columns << 2, acc = scalar(o, ACC) != 0;
  let x = address(o, 0);
  for (let rows = scalar(o, T); rows > 0; rows -= 2) {
    if (columns >= 8) {
      tile(dtype, rows, blocks, w, x, pitch, y, y + y_pitch, acc);
    } else {
      memory.copy(edge, y, bytes);
      if (rows > 1) memory.copy(edge + 32, y + y_pitch, bytes);
      tile(dtype, rows, blocks, w, x, pitch, edge, edge + 32, acc);
      memory.copy(y, edge, bytes);
      if (rows > 1) memory.copy(y + y_pitch, edge + 32, bytes);
    }
    x += pitch << 1;
    y += y_pitch << 1;
  }
}

function linear(dtype: i32, o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const t = scalar(o, T), k = scalar(o, K), n = scalar(o, N);
  if (k & 31) return fail(ERROR_DIMENSION, <i32>K, <u64>k, 32);
  if (!has(o, 0, extent(t, k >> 5, <i32>(RECORD_BYTES >> 2))) || !has(o, 1, weight_bytes(dtype, n, k))) return failed();
  if (!has(o, 2, extent(t, n)) || !has_scratch(EDGE_BYTES)) return failed();
  const code = check_units(begin, end, <u64>units(n));
  if (code) return code;
  const group_bytes = <usize>(k >> 5) * (dtype == Q8_0_R8 ? Q8_0_R8_BYTES : Q4_0_R8_BYTES);
  const groups = min(end << 1, (n + 7) >> 3);
  for (let g = begin << 1; g < groups; g++)
    group(dtype, o, address(o, 1) + <usize>g * group_bytes, address(o, 2) + (<usize>g << 5), n - (g << 3), scratch);
  return ERROR_NONE;
}

export function linear_i8_q8_0_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return linear(Q8_0_R8, o, begin, end, scratch);
}

export function linear_i8_q4_0_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return linear(Q4_0_R8, o, begin, end, scratch);
}
