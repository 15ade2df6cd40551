/** The last 1–3 elements of a row whose length is no multiple of 4. */

/** `count` (1–3) floats at p; the other lanes are 0. */
// @ts-ignore: decorator
@inline
export function load_tail(p: usize, count: usize): v128 {
  if (count == 1) return v128.load32_zero(p);
  const pair = v128.load64_zero(p);
  return count == 2 ? pair : v128.load32_lane(p, pair, 2, 8);
}

/** Stores the first `count` (1–3) lanes. */
// @ts-ignore: decorator
@inline
export function store_tail(p: usize, v: v128, count: usize): void {
  if (count == 1) {
    v128.store32_lane(p, v, 0);
    return;
  }
  v128.store64_lane(p, v, 0);
  if (count == 3) v128.store32_lane(p, v, 2, 8);
}

/** `count` (1–4) floats at p, the other lanes 0. */
// @ts-ignore: decorator
@inline
export function load_lanes(p: usize, count: usize): v128 {
  return count >= 4 ? v128.load(p) : load_tail(p, count);
}

/** Stores the first `count` (1–4, or more for 4) lanes. */
// @ts-ignore: decorator
@inline
export function store_lanes(p: usize, v: v128, count: usize): void {
  if (count >= 4) v128.store(p, v);
  else store_tail(p, v, count);
}

/** Lanes from `count` on become the lane value of `rest`; lanes before it stay. */
// @ts-ignore: decorator
@inline
export function replace_tail(v: v128, count: usize, rest: v128): v128 {
  const lane = i32x4(0, 1, 2, 3);
  return v128.bitselect(v, rest, i32x4.lt_s(lane, i32x4.splat(<i32>count)));
}
