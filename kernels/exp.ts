/** exp and log of four lanes; a scalar goes through the same lanes, so that its bits are those of the vector. */
import {
  PAGE, PAGE_23, PAGE_EXP_0, PAGE_EXP_MAX, PAGE_EXP_MIN, PAGE_EXP_ROUND, PAGE_HALF, PAGE_INFINITY, PAGE_LN2_HIGH,
  PAGE_LN2_LOW, PAGE_LOG2E, PAGE_LOG_0, PAGE_ONE, PAGE_SMALLEST_NORMAL, PAGE_SQRT_HALF, PAGE_TWO_23,
} from "./constants";
import { multiply_add } from "./simd";

// @ts-ignore: decorator
@inline
function entry(at: usize): v128 {
  return v128.load(PAGE + at);
}

/**
 * eˣ, relative error below 2⁻²²; 0 below −87.33 (so for −∞, a masked score), at most e^88.37, NaN for NaN.
 * x = n·ln 2 + r with |r| ≤ ln 2 / 2, then eʳ by Cephes' polynomial times 2ⁿ.
 */
// @ts-ignore: decorator
@inline
export function exp_lanes(x: v128): v128 {
  const clamped = f32x4.pmin(f32x4.pmax(x, entry(PAGE_EXP_MIN)), entry(PAGE_EXP_MAX));
  const shifted = multiply_add(entry(PAGE_EXP_ROUND), clamped, entry(PAGE_LOG2E));
  const n = f32x4.sub(shifted, entry(PAGE_EXP_ROUND));
  let r = f32x4.sub(clamped, f32x4.mul(n, entry(PAGE_LN2_HIGH)));
  r = f32x4.sub(r, f32x4.mul(n, entry(PAGE_LN2_LOW)));
  let y = multiply_add(entry(PAGE_EXP_0 + 16), r, entry(PAGE_EXP_0));
  y = multiply_add(entry(PAGE_EXP_0 + 32), r, y);
  y = multiply_add(entry(PAGE_EXP_0 + 48), r, y);
  y = multiply_add(entry(PAGE_EXP_0 + 64), r, y);
  y = multiply_add(entry(PAGE_EXP_0 + 80), r, y);
  y = multiply_add(r, f32x4.mul(r, r), y);
  y = f32x4.mul(f32x4.add(y, entry(PAGE_ONE)), i32x4.shl(shifted, 23));
  return v128.andnot(y, f32x4.lt(x, entry(PAGE_EXP_MIN)));
}

/**
 * ln x, relative error below 2⁻²²; −∞ for 0, NaN below 0.
 * x = 2ᵉ·(1 + f) with 1 + f in [√½, √2), then ln(1 + f) by Cephes' polynomial plus e·ln 2.
 */
// @ts-ignore: decorator
@inline
export function log_lanes(x: v128): v128 {
  const subnormal = f32x4.lt(x, entry(PAGE_SMALLEST_NORMAL));
  const normal = v128.bitselect(f32x4.mul(x, entry(PAGE_TWO_23)), x, subnormal);
  const exponent = i32x4.shr_s(i32x4.sub(normal, entry(PAGE_SQRT_HALF)), 23);
  const f = f32x4.sub(i32x4.sub(normal, i32x4.shl(exponent, 23)), entry(PAGE_ONE));
  const e = f32x4.sub(f32x4.convert_i32x4_s(exponent), v128.and(subnormal, entry(PAGE_23)));
  const square = f32x4.mul(f, f);
  let y = multiply_add(entry(PAGE_LOG_0 + 16), f, entry(PAGE_LOG_0));
  y = multiply_add(entry(PAGE_LOG_0 + 32), f, y);
  y = multiply_add(entry(PAGE_LOG_0 + 48), f, y);
  y = multiply_add(entry(PAGE_LOG_0 + 64), f, y);
  y = multiply_add(entry(PAGE_LOG_0 + 80), f, y);
  y = multiply_add(entry(PAGE_LOG_0 + 96), f, y);
  y = multiply_add(entry(PAGE_LOG_0 + 112), f, y);
  y = multiply_add(entry(PAGE_LOG_0 + 128), f, y);
  y = f32x4.mul(y, f32x4.mul(f, square));
  y = multiply_add(y, e, entry(PAGE_LN2_LOW));
  y = f32x4.sub(y, f32x4.mul(square, entry(PAGE_HALF)));
  y = multiply_add(f32x4.add(f, y), e, entry(PAGE_LN2_HIGH));
  const infinity = entry(PAGE_INFINITY);
  const undefined_value = f32x4.sub(infinity, infinity); // NaN, for x < 0 and for NaN
  y = v128.bitselect(y, undefined_value, f32x4.ge(x, v128.xor(x, x)));
  y = v128.bitselect(f32x4.neg(infinity), y, f32x4.eq(x, v128.xor(x, x)));
  return v128.bitselect(infinity, y, f32x4.eq(x, infinity));
}

export function exp_scalar(x: f32): f32 {
  return f32x4.extract_lane(exp_lanes(f32x4.splat(x)), 0);
}

export function log_scalar(x: f32): f32 {
  return f32x4.extract_lane(log_lanes(f32x4.splat(x)), 0);
}
