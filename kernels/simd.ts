/** The only file that knows CPU features: what a build with other instructions would replace. */

/** sum + a·b with two roundings; never fused, so that every host gives the same bits. */
// @ts-ignore: decorator
@inline
export function multiply_add(sum: v128, a: v128, b: v128): v128 {
  return f32x4.add(sum, f32x4.mul(a, b));
}

/** Exact dot products of neighbours: i16x8 · i16x8 → i32x4 (pairs 0·1, 2·3, 4·5, 6·7). */
// @ts-ignore: decorator
@inline
export function dot_pairs(a: v128, b: v128): v128 {
  return i32x4.dot_i16x8_s(a, b);
}

/** (lane 0 + lane 2) + (lane 1 + lane 3): the one order of horizontal sums. */
// @ts-ignore: decorator
@inline
export function sum_lanes(v: v128): f32 {
  const halves = f32x4.add(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(halves, 0) + f32x4.extract_lane(halves, 1);
}

/** The largest lane. */
// @ts-ignore: decorator
@inline
export function max_lanes(v: v128): f32 {
  const halves = f32x4.max(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1));
  return max(f32x4.extract_lane(halves, 0), f32x4.extract_lane(halves, 1));
}
