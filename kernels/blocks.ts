/**
 * Weights of 4, 5 and 6 bits, 8 output rows × 32 k a block (of K-quants eight share a header): where their parts stand,
 * and vectors of them. Pictures: src/engine/dtypes/packed/. `group` is the address of 8 rows, `b` a block of 32 k,
 * `sixteen` 0 or 1 a half of it, `rows` 0 or 1: rows 0–3 or 4–7. Where `dtype` is a constant of the caller, so is
 * everything that depends on it.
 */
import {
  PAGE, PAGE_EIGHT, PAGE_FORTY_EIGHT, PAGE_HALF_MAX, PAGE_INFINITY, PAGE_SIXTEEN, PAGE_THIRTY_TWO, PAGE_TWO_112,
} from "./constants";
import { f16_to_f32, widen_f16 } from "./weight_f16";

export const F32: i32 = 0; // row-major
export const F32_R16: i32 = 1;
export const F16_R16: i32 = 2;
export const BF16_R16: i32 = 3;
export const Q8_0_R8: i32 = 4;
export const Q4_0_R8: i32 = 5;
export const Q4_1_R8: i32 = 6;
export const Q5_0_R8: i32 = 7;
export const Q5_1_R8: i32 = 8;
export const Q4_K_R8: i32 = 9;
export const Q5_K_R8: i32 = 10;
export const Q6_K_R8: i32 = 11;

/** Columns that share a header. */
// @ts-ignore: decorator
@inline
export function block_size(dtype: i32): i32 {
  return dtype >= Q4_K_R8 ? 256 : dtype >= Q8_0_R8 ? 32 : 1;
}

/** Bytes of 8 rows × block_size columns. */
// @ts-ignore: decorator
@inline
export function block_bytes(dtype: i32): usize {
  if (dtype == Q8_0_R8) return 288;
  if (dtype == Q4_0_R8) return 160;
  if (dtype == Q5_1_R8) return 208;
  if (dtype == Q4_K_R8) return 1216;
  if (dtype == Q5_K_R8) return 1472;
  return dtype == Q6_K_R8 ? 1696 : 192;
}

/** Bytes of 8 rows of k columns. */
// @ts-ignore: decorator
@inline
export function group_bytes(dtype: i32, k: i32): usize {
  return <usize>(k / block_size(dtype)) * block_bytes(dtype);
}

// @ts-ignore: decorator
@inline
function header_bytes(dtype: i32): usize {
  if (dtype >= Q4_K_R8) return dtype == Q6_K_R8 ? 160 : 192;
  return dtype == Q4_1_R8 ? 64 : dtype == Q5_1_R8 ? 48 : 32;
}

/** Bits of an integer beyond its nibble. */
// @ts-ignore: decorator
@inline
export function upper_bits(dtype: i32): i32 {
  if (dtype == Q6_K_R8) return 2;
  return <i32>(dtype == Q5_0_R8 || dtype == Q5_1_R8 || dtype == Q5_K_R8);
}

/** What is subtracted from the integers, as a shift of 1; dtypes with a min have none. */
// @ts-ignore: decorator
@inline
export function zero_shift(dtype: i32): i32 {
  return dtype == Q6_K_R8 ? 5 : dtype == Q5_0_R8 ? 4 : 3;
}

// @ts-ignore: decorator
@inline
export function has_min(dtype: i32): bool {
  return dtype == Q4_1_R8 || dtype == Q5_1_R8 || dtype == Q4_K_R8 || dtype == Q5_K_R8;
}

// @ts-ignore: decorator
@inline
export function header_at(dtype: i32, group: usize, b: i32): usize {
  return group + <usize>(dtype >= Q4_K_R8 ? b >> 3 : b) * block_bytes(dtype);
}

// @ts-ignore: decorator
@inline
export function nibbles_at(dtype: i32, group: usize, b: i32): usize {
  const at = header_at(dtype, group, b) + header_bytes(dtype);
  return dtype >= Q4_K_R8 ? at + (<usize>(b & 7) << 7) : at;
}

// @ts-ignore: decorator
@inline
export function upper_at(dtype: i32, group: usize, b: i32): usize {
  const at = header_at(dtype, group, b) + header_bytes(dtype);
  if (dtype < Q4_K_R8) return at + 128;
  return at + 1024 + (<usize>(b & 7) << (dtype == Q6_K_R8 ? 6 : 5));
}

/** Four bytes as f32. */
// @ts-ignore: decorator
@inline
function bytes_u(at: usize): v128 {
  const wide = i16x8.extend_low_i8x16_u(v128.load32_zero(at));
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(wide));
}

/** Factors of q6_k's 16 k as i32. */
// @ts-ignore: decorator
@inline
export function factors(group: usize, b: i32, sixteen: i32, rows: usize): v128 {
  const at = header_at(Q6_K_R8, group, b) + 32 + (<usize>((b & 7) << 1 | sixteen) << 3) + (rows << 2);
  return i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(at)));
}

/** What four rows' integers are multiplied with. */
// @ts-ignore: decorator
@inline
export function scales(dtype: i32, group: usize, b: i32, sixteen: i32, rows: usize): v128 {
  const at = header_at(dtype, group, b), first = v128.load(at + (rows << 4));
  if (dtype < Q4_K_R8) return first;
  if (dtype == Q6_K_R8) return f32x4.mul(first, f32x4.convert_i32x4_s(factors(group, b, sixteen, rows)));
  return f32x4.mul(first, bytes_u(at + 64 + (<usize>(b & 7) << 3) + (rows << 2)));
}

/** What is added to four rows' products; only of dtypes that have it. */
// @ts-ignore: decorator
@inline
export function mins(dtype: i32, group: usize, b: i32, rows: usize): v128 {
  const at = header_at(dtype, group, b) + 32;
  if (dtype == Q4_1_R8) return v128.load(at + (rows << 4));
  if (dtype >= Q4_K_R8)
    return f32x4.neg(f32x4.mul(v128.load(at + (rows << 4)), bytes_u(at + 96 + (<usize>(b & 7) << 3) + (rows << 2))));
  const bias = v128.load(PAGE + PAGE_TWO_112), largest = v128.load(PAGE + PAGE_HALF_MAX);
  const halves = i32x4.extend_low_i16x8_u(v128.load64_zero(at + (rows << 3)));
  return widen_f16(halves, bias, largest, v128.load(PAGE + PAGE_INFINITY));
}

/** `scales` and `mins` of row r alone. */
// @ts-ignore: decorator
@inline
export function scale_of(dtype: i32, group: usize, b: i32, sixteen: i32, r: usize): f32 {
  const at = header_at(dtype, group, b), first = load<f32>(at + (r << 2));
  if (dtype < Q4_K_R8) return first;
  if (dtype == Q6_K_R8) return first * <f32>load<i8>(at + 32 + (<usize>((b & 7) << 1 | sixteen) << 3) + r);
  return first * <f32>load<u8>(at + 64 + (<usize>(b & 7) << 3) + r);
}

// @ts-ignore: decorator
@inline
export function min_of(dtype: i32, group: usize, b: i32, r: usize): f32 {
  const at = header_at(dtype, group, b) + 32;
  if (dtype == Q4_1_R8) return load<f32>(at + (r << 2));
  if (dtype == Q5_1_R8) return f16_to_f32(load<u16>(at + (r << 1)));
  return -(load<f32>(at + (r << 2)) * <f32>load<u8>(at + 96 + (<usize>(b & 7) << 3) + r));
}

/** Upper bits of 16 k of four rows, for `low`, `high` and `next`. */
// @ts-ignore: decorator
@inline
export function upper(dtype: i32, group: usize, b: i32, sixteen: i32, rows: usize): v128 {
  if (upper_bits(dtype) == 0) return i32x4.splat(0);
  const at = upper_at(dtype, group, b) + (rows << 4);
  if (upper_bits(dtype) == 2) return v128.load(at + (<usize>sixteen << 5));
  return i16x8.shr_u(v128.load(at), sixteen << 2);
}

/** Where upper bits stand in an integer. */
// @ts-ignore: decorator
@inline
export function upper_mask(dtype: i32): v128 {
  return v128.load(PAGE + (upper_bits(dtype) == 2 ? PAGE_FORTY_EIGHT : PAGE_SIXTEEN));
}

/** The zero point of the dtypes without a min. */
// @ts-ignore: decorator
@inline
export function zero_point(dtype: i32): v128 {
  return v128.load(PAGE + (dtype == Q6_K_R8 ? PAGE_THIRTY_TWO : dtype == Q5_0_R8 ? PAGE_SIXTEEN : PAGE_EIGHT));
}

/** Unsigned integers of the low nibbles of v; t are their upper bits. */
// @ts-ignore: decorator
@inline
export function low(dtype: i32, v: v128, t: v128, nibble: v128, above: v128): v128 {
  const q = v128.and(v, nibble);
  // Shifts are of 16 bits; what crosses between bytes is masked away.
  return upper_bits(dtype) ? v128.or(q, v128.and(i16x8.shl(t, 4), above)) : q;
}

/** The same of the high nibbles. */
// @ts-ignore: decorator
@inline
export function high(dtype: i32, v: v128, t: v128, nibble: v128, above: v128): v128 {
  const q = v128.and(i16x8.shr_u(v, 4), nibble);
  return upper_bits(dtype) ? v128.or(q, v128.and(i16x8.shl(t, upper_bits(dtype) == 2 ? 2 : 3), above)) : q;
}

/** Upper bits of the next chunk. */
// @ts-ignore: decorator
@inline
export function next(dtype: i32, t: v128): v128 {
  return upper_bits(dtype) ? i16x8.shr_u(t, upper_bits(dtype) << 1) : t;
}
