/** f16_r16 and bf16_r16: panels of 16 output rows of two bytes a value, [N/16][K][16], missing rows zero. */
import { BF16_R16 } from "./blocks";
import { PAGE, PAGE_HALF_MAX, PAGE_INFINITY, PAGE_TWO_112 } from "./constants";
import { PANEL_ROW, store_transposed } from "./panels";

const HALF_ROW: usize = 32; // bytes of one step of depth

/** Half precision to single, exactly, subnormals, infinities and NaN included. */
export function f16_to_f32(h: u32): f32 {
  const rest = (h & 0x7fff) << 13;
  // The exponent bias differs by 112: a factor of 2¹¹² also normalises subnormals.
  const value = reinterpret<u32>(reinterpret<f32>(rest) * reinterpret<f32>(0x77800000));
  return reinterpret<f32>(((h & 0x8000) << 16) | (rest > 0x0f7fe000 ? rest | 0x7f800000 : value));
}

/** f16_to_f32 of four halves, zero-extended. The other arguments are the page's entries. */
// @ts-ignore: decorator
@inline
export function widen_f16(h: v128, bias: v128, largest: v128, infinity: v128): v128 {
  const rest = i32x4.shr_u(i32x4.shl(h, 17), 4);
  const special = v128.and(i32x4.gt_s(rest, largest), infinity);
  return v128.or(v128.or(i32x4.shl(i32x4.shr_u(h, 15), 31), special), f32x4.mul(rest, bias));
}

// @ts-ignore: decorator
@inline
function widen(dtype: i32, h: v128, bias: v128, largest: v128, infinity: v128): v128 {
  return dtype == BF16_R16 ? i32x4.shl(h, 16) : widen_f16(h, bias, largest, infinity);
}

// @ts-ignore: decorator
@inline
function widen_one(dtype: i32, h: u32): f32 {
  return dtype == BF16_R16 ? reinterpret<f32>(h << 16) : f16_to_f32(h);
}

/** out[d][r] = w[16·unit + r][from + d]; `dtype` is a constant of the caller, here and below. */
// @ts-ignore: decorator
@inline
export function panel_halves(dtype: i32, w: usize, k: i32, unit: i32, from: i32, depth: i32, out: usize): void {
  const bias = v128.load(PAGE + PAGE_TWO_112), largest = v128.load(PAGE + PAGE_HALF_MAX);
  const infinity = v128.load(PAGE + PAGE_INFINITY);
  let in_panel = w + (<usize>unit * <usize>k + <usize>from) * HALF_ROW;
  const end = in_panel + <usize>depth * HALF_ROW;
  for (; in_panel < end; in_panel += 16, out += 32) {
    const h = v128.load(in_panel);
    v128.store(out, widen(dtype, i32x4.extend_low_i16x8_u(h), bias, largest, infinity));
    v128.store(out, widen(dtype, i32x4.extend_high_i16x8_u(h), bias, largest, infinity), 16);
  }
}

/** out[d][c] = w[from + d][16·unit + c]; `from` is a multiple of 16, columns past k are zero. */
// @ts-ignore: decorator
@inline
export function columns_halves(dtype: i32, w: usize, k: i32, unit: i32, from: i32, depth: i32, out: usize): void {
  const bias = v128.load(PAGE + PAGE_TWO_112), largest = v128.load(PAGE + PAGE_HALF_MAX);
  const infinity = v128.load(PAGE + PAGE_INFINITY);
  const columns = min(k - (unit << 4), 16);
  for (let d = 0; d < depth; d += 4, out += PANEL_ROW << 2) {
    const n = from + d;
    let half = w + (<usize>(n >> 4) * <usize>k + <usize>(unit << 4)) * HALF_ROW + (<usize>(n & 15) << 1);
    let c = 0;
    for (; c + 4 <= columns; c += 4, half += HALF_ROW << 2) {
      const v0 = widen(dtype, v128.load16x4_u(half), bias, largest, infinity);
      const v1 = widen(dtype, v128.load16x4_u(half, 32), bias, largest, infinity);
      const v2 = widen(dtype, v128.load16x4_u(half, 64), bias, largest, infinity);
      const v3 = widen(dtype, v128.load16x4_u(half, 96), bias, largest, infinity);
      store_transposed(v0, v1, v2, v3, out + (<usize>c << 2), PANEL_ROW);
    }
    for (; c < 16; c++, half += HALF_ROW)
      for (let i: usize = 0; i < 4; i++) {
        const value = c < columns ? widen_one(dtype, load<u16>(half + (i << 1))) : 0;
        store<f32>(out + i * PANEL_ROW + (<usize>c << 2), value);
      }
  }
}

/** y[k] = row `row`. */
// @ts-ignore: decorator
@inline
export function row_halves(dtype: i32, w: usize, k: i32, row: i32, y: usize): void {
  let half = w + <usize>(row >> 4) * <usize>k * HALF_ROW + (<usize>(row & 15) << 1);
  for (let i = 0; i < k; i++, half += HALF_ROW, y += 4) store<f32>(y, widen_one(dtype, load<u16>(half)));
}
