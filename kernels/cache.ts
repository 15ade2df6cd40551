/**
 * The KV cache: `capacity` rows a cache, the key of position p in row p mod capacity, in one of three dtypes. A row
 * holds the kv heads one after the other, each D values:
 *
 *   f32    D × f32                                   f16    D × half, to nearest, ties to even
 *   q8_0   D/32 blocks of 36 B:  f32 scale │ 32 × int8        value = scale·int8
 *          scale = absmax/127, int8 = round-half-even(x·(127/absmax)), all 0 where absmax is 0
 */
import { PAGE, PAGE_QUANT_MAX, PAGE_TWO_112 } from "./constants";
import { PAGE_HALF_INFINITY, PAGE_HALF_LARGEST, PAGE_HALF_REST, PAGE_HALF_SIGNED } from "./constants";
import { check_units, extent } from "./extent";
import {
  ERROR_DIMENSION,
  ERROR_NONE,
  ERROR_POSITION,
  ERROR_SEQUENCE,
  SEQUENCE_CACHE,
} from "./layout";
import { address, fail, failed, has, scalar } from "./operands";
import { sequence_of } from "./sequences";
import { max_lanes } from "./simd";

export const CACHE_F32 = 0;
export const CACHE_F16 = 1;
export const CACHE_Q8_0 = 2;

/** Bytes of `columns` values, whole blocks. */
// @ts-ignore: decorator
@inline
export function cache_bytes(dtype: i32, columns: usize): usize {
  if (dtype == CACHE_F32) return columns << 2;
  return dtype == CACHE_F16 ? columns << 1 : (columns >> 5) * 36;
}

/** `cache_bytes` of a·b·c values as `extent` has it; `columns`, a factor of c, is a whole number of blocks. */
export function cache_extent(dtype: i32, a: i32, b: i32, c: i32): u64 {
  const bytes = extent(a, b, c);
  if (dtype == CACHE_F32) return bytes;
  return dtype == CACHE_F16 ? bytes >> 1 : (bytes >> 7) * 36;
}

/** x (T,C), cache (caches·capacity, C), position u32[T], sequence u32[T], sequences (S). Unit: a row. */
export function cache_write(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return write_rows(o, begin, end, CACHE_F32);
}

export function cache_write_f16(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return write_rows(o, begin, end, CACHE_F16);
}

/** C is a multiple of 32. */
export function cache_write_q8_0(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return write_rows(o, begin, end, CACHE_Q8_0);
}

function write_rows(o: usize, begin: i32, end: i32, dtype: i32): i32 {
  const t = scalar(o, 5);
  const c = scalar(o, 6);
  const s = scalar(o, 7);
  const context = scalar(o, 8);
  const caches = scalar(o, 9);
  const capacity = scalar(o, 10);
  const code = check_units(o, begin, end, <u64>t);
  if (code != ERROR_NONE) return code;
  if (dtype == CACHE_Q8_0 && c & 31) return fail(o, ERROR_DIMENSION, 6, <u64>c, 32);
  if (capacity <= 0) return fail(o, ERROR_DIMENSION, 10, <u64>capacity, 0);
  if (!has(o, 0, extent(t, c)) || !has(o, 1, cache_extent(dtype, caches, capacity, c))) return failed();
  if (!has(o, 2, extent(t)) || !has(o, 3, extent(t)) || !has(o, 4, extent(s, 8))) return failed();
  const bytes = cache_bytes(dtype, c);
  for (let row = <usize>begin; row < <usize>end; row++) {
    const entry = sequence_of(o, 3, row, t, s);
    if (!entry) return failed();
    const cache = load<u32>(entry + SEQUENCE_CACHE);
    if (cache >= <u32>caches) return fail(o, ERROR_SEQUENCE, 4, cache, <u64>caches);
    const position = load<u32>(address(o, 2) + (row << 2));
    if (position >= <u32>context) return fail(o, ERROR_POSITION, 2, position, <u64>context);
    const to = address(o, 1) + (<usize>cache * <usize>capacity + <usize>(position % <u32>capacity)) * bytes;
    const from = address(o, 0) + ((row * <usize>c) << 2);
    if (dtype == CACHE_F32) memory.copy(to, from, bytes);
    else if (dtype == CACHE_F16) encode_f16(from, <usize>c, to);
    else encode_q8_0(from, <usize>c, to);
  }
  return ERROR_NONE;
}

function encode_f16(x: usize, count: usize, to: usize): void {
  for (let i: usize = 0; i < count; i++) store<u16>(to + (i << 1), <u16>f32_to_f16(load<f32>(x + (i << 2))));
}

/** Single precision to half, to nearest, ties to even; beyond 65504 infinity, NaN stays NaN. */
function f32_to_f16(value: f32): u32 {
  const bits = reinterpret<u32>(value);
  const sign = (bits >>> 16) & 0x8000;
  const rest = bits & 0x7fffffff;
  if (rest > 0x7f800000) return sign | 0x7e00;
  if (rest >= 0x47800000) return sign | 0x7c00;
  // Below 2⁻¹⁴ the last place is 2⁻²⁴: adding 2⁻¹ makes f32 arithmetic round there.
  if (rest < 0x38800000) return sign | (reinterpret<u32>(abs(value) + 0.5) - 0x3f000000);
  return sign | ((rest - 0x38000000 + 0xfff + ((rest >>> 13) & 1)) >>> 13);
}

function encode_q8_0(x: usize, count: usize, to: usize): void {
  const limit = v128.load(PAGE + PAGE_QUANT_MAX);
  const floor = f32x4.neg(limit);
  const end = x + (count << 2);
  for (; x < end; x += 128, to += 36) {
    let largest = f32x4.abs(v128.load(x));
    for (let i: usize = 16; i < 128; i += 16) largest = f32x4.max(largest, f32x4.abs(v128.load(x + i)));
    const absmax = max_lanes(largest);
    const inverse = <f32>127 / absmax; // infinite below 4e-37: such a block is worth nothing and counts as zero
    const factor = f32x4.splat(inverse < Infinity ? inverse : 0);
    store<f32>(to, absmax / 127);
    for (let i: usize = 0; i < 32; i += 8) {
      const q0 = rounded(x + (i << 2), factor, limit, floor);
      const q1 = rounded(x + (i << 2) + 16, factor, limit, floor);
      const q = i16x8.narrow_i32x4_s(q0, q1);
      v128.store64_lane(to + i, i8x16.narrow_i16x8_s(q, q), 0, 4);
    }
  }
}

// @ts-ignore: decorator
@inline
function rounded(x: usize, factor: v128, limit: v128, floor: v128): v128 {
  const q = f32x4.nearest(f32x4.mul(v128.load(x), factor));
  return i32x4.trunc_sat_f32x4_s(f32x4.max(f32x4.min(q, limit), floor));
}

/** D values of `rows` rows, `stride` bytes apart, as f32 at `out`, row after row. */
export function decode_rows(dtype: i32, from: usize, stride: usize, rows: usize, d: usize, out: usize): void {
  const bytes = d << 2;
  for (let row: usize = 0; row < rows; row++, from += stride, out += bytes) {
    if (dtype == CACHE_F16) decode_f16(from, bytes, out);
    else decode_q8_0(from, bytes, out);
  }
}

/** Exact, infinities and NaN included; D is a multiple of 4. */
function decode_f16(from: usize, bytes: usize, out: usize): void {
  const signed = v128.load(PAGE + PAGE_HALF_SIGNED), rest = v128.load(PAGE + PAGE_HALF_REST);
  const largest = v128.load(PAGE + PAGE_HALF_LARGEST), infinity = v128.load(PAGE + PAGE_HALF_INFINITY);
  const bias = v128.load(PAGE + PAGE_TWO_112);
  let i: usize = 0;
  for (; i + 32 <= bytes; i += 32) {
    const h = v128.load(from + (i >> 1));
    const upper = upper_words(h, signed, rest, largest, infinity), lower = i16x8.shl(h, 13);
    v128.store(out + i, f32x4.mul(v128.shuffle<i16>(lower, upper, 0, 8, 1, 9, 2, 10, 3, 11), bias));
    v128.store(out + i, f32x4.mul(v128.shuffle<i16>(lower, upper, 4, 12, 5, 13, 6, 14, 7, 15), bias), 16);
  }
  if (i == bytes) return;
  const h = v128.load64_zero(from + (i >> 1));
  const upper = upper_words(h, signed, rest, largest, infinity), lower = i16x8.shl(h, 13);
  v128.store(out + i, f32x4.mul(v128.shuffle<i16>(lower, upper, 0, 8, 1, 9, 2, 10, 3, 11), bias));
}

/**
 * Upper 16 bits of halves as f32, times 2⁻¹¹²: sign, exponent and fraction three bits further down; all ones in the
 * exponent of what is not finite.
 */
// @ts-ignore: decorator
@inline
function upper_words(h: v128, signed: v128, rest: v128, largest: v128, infinity: v128): v128 {
  const special = v128.and(i16x8.gt_s(v128.and(h, rest), largest), infinity);
  return v128.or(v128.and(i16x8.shr_s(h, 3), signed), special);
}

function decode_q8_0(from: usize, bytes: usize, out: usize): void {
  for (const end = out + bytes; out < end; from += 36, out += 128) {
    const scale = v128.load32_splat(from);
    for (let i: usize = 0; i < 32; i += 8) {
      const q = v128.load8x8_s(from + i, 4);
      const to = out + (i << 2);
      v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(q)), scale));
      v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(q)), scale), 16);
    }
  }
}
