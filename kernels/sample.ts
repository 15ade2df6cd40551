/** Chooses a token per row of logits. */
import { ERROR_NONE } from "./layout";
import { PAGE, PAGE_INFINITY } from "./constants";
import { log_lanes } from "./exp";
import { check_units, extent } from "./extent";
import { address, failed, float, has, scalar } from "./operands";
import { random_key, threefry, uniform_lanes } from "./random";
import { load_lanes, replace_tail } from "./tail";

/** −ln(−ln u) of the largest u that `uniform_lanes` gives, 1 − 2⁻²⁴, is 16.64: no Gumbel number is above this. */
const GUMBEL_MAX: f32 = 16.7;

/**
 * token = argmax_v logit/temperature + Gumbel number: an exact draw from softmax(logits/temperature) without a sort or
 * a sum (Gumbel 1954; Maddison, Tarlow & Minka 2014, arXiv:1411.0030). Temperature 0: argmax of the logits. The lowest
 * index wins a tie; NaN is never chosen, and a row without a number above −∞ gives 0.
 * Random counters: (step, node, row, element).
 * logits (O,V), token u32[O]. Unit: a row.
 */
export function sample(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const rows = scalar(o, 2);
  const v = scalar(o, 3);
  const code = check_units(begin, end, <u64>rows);
  if (code != ERROR_NONE) return code;
  if (!has(o, 0, extent(rows, v)) || !has(o, 1, extent(rows))) return failed();
  const temperature = float(o, 7);
  for (let row = <usize>begin; row < <usize>end; row++) {
    const logits = address(o, 0) + ((row * <usize>v) << 2);
    const token = temperature > 0
      ? draw(logits, <usize>v, temperature, scalar(o, 5), scalar(o, 6), scalar(o, 4), <i32>row)
      : argmax(logits, <usize>v);
    store<u32>(address(o, 1) + (row << 2), token);
  }
  return ERROR_NONE;
}

function argmax(logits: usize, v: usize): u32 {
  const masked = f32x4.neg(v128.load(PAGE + PAGE_INFINITY));
  let best = masked;
  let chosen = i32x4.splat(0);
  for (let i: usize = 0; i < v; i += 4) {
    const value = lanes_of(logits, i, v, masked);
    const higher = f32x4.gt(value, best);
    best = v128.bitselect(value, best, higher);
    chosen = v128.bitselect(elements(i), chosen, higher);
  }
  return first_of_best(best, chosen);
}

function draw(logits: usize, v: usize, temperature: f32, seed: i32, step: i32, node: i32, row: i32): u32 {
  const masked = f32x4.neg(v128.load(PAGE + PAGE_INFINITY));
  const k0 = random_key(seed, step, node, 0);
  const k1 = random_key(seed, step, node, 1);
  const divisor = f32x4.splat(temperature);
  let best = masked;
  let chosen = i32x4.splat(0);
  for (let i: usize = 0; i < v; i += 4) {
    const value = f32x4.div(lanes_of(logits, i, v, masked), divisor);
    // no random number can lift these above the best so far
    if (!v128.any_true(f32x4.gt(f32x4.add(value, f32x4.splat(GUMBEL_MAX)), best))) continue;
    const bits = threefry(k0, k1, i32x4.splat(row), elements(i), 0);
    const gumbel = f32x4.neg(log_lanes(f32x4.neg(log_lanes(uniform_lanes(bits)))));
    const lifted = f32x4.add(value, gumbel);
    const higher = f32x4.gt(lifted, best);
    best = v128.bitselect(lifted, best, higher);
    chosen = v128.bitselect(elements(i), chosen, higher);
  }
  return first_of_best(best, chosen);
}

/** Four logits from element i; past the end, `masked`. */
// @ts-ignore: decorator
@inline
function lanes_of(logits: usize, i: usize, v: usize, masked: v128): v128 {
  const count = v - i;
  const value = load_lanes(logits + (i << 2), count);
  return count >= 4 ? value : replace_tail(value, count, masked);
}

/** i, i + 1, i + 2, i + 3 */
// @ts-ignore: decorator
@inline
function elements(i: usize): v128 {
  return i32x4.add(i32x4.splat(<i32>i), i32x4(0, 1, 2, 3));
}

function first_of_best(best: v128, chosen: v128): u32 {
  let top = f32x4.extract_lane(best, 0);
  let token = <u32>i32x4.extract_lane(chosen, 0);
  for (let lane = 1; lane < 4; lane++) {
    best = v128.shuffle<i32>(best, best, 1, 2, 3, 0);
    chosen = v128.shuffle<i32>(chosen, chosen, 1, 2, 3, 0);
    const value = f32x4.extract_lane(best, 0);
    const index = <u32>i32x4.extract_lane(chosen, 0);
    if (value > top || (value == top && index < token)) {
      top = value;
      token = index;
    }
  }
  return token;
}
