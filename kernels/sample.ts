/** Chooses a token per row of logits. */
import { ERROR_NONE } from "./layout";
import { PAGE, PAGE_INFINITY } from "./constants";
import { log_lanes } from "./exp";
import { check_units, extent } from "./extent";
import { BINS_BYTES, keep_candidates } from "./candidates";
import { history_of } from "./history";
import { address, failed, float, has, has_scratch, scalar } from "./operands";
import { random_key, threefry, uniform_lanes } from "./random";
import { load_lanes, replace_tail } from "./tail";

/** −ln(−ln u) of the largest u that `uniform_lanes` gives, 1 − 2⁻²⁴, is 16.64: no Gumbel number is above this. */
const GUMBEL_MAX: f32 = 16.7;

/**
 * token = argmax_v logit/temperature + Gumbel number: an exact draw from softmax(logits/temperature) without a sort or
 * a sum (Gumbel 1954; Maddison, Tarlow & Minka 2014, arXiv:1411.0030). Temperature 0: argmax of the logits. The lowest
 * index wins a tie; NaN is never chosen, and a row without a number above −∞ gives 0.
 * Before that, in this order, where they are asked for: the logit of every token that the row's sequence holds up to
 * the row is divided by the penalty where it is positive and multiplied by it elsewhere, once (Keskar et al. 2019,
 * arXiv:1909.05858); temperature; top_k, top_p, min_p (candidates.ts).
 * Random counters: (step, stream, row, element).
 * logits (O,V), token u32[O], output_row u32[O], sequence u32[T], sequences (S), history u32 (caches, context).
 * Scratch, only where something is asked for: the row's values and the bins of the search. Unit: a row.
 */
export function sample(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const rows = scalar(o, 6);
  const v = scalar(o, 7);
  const code = check_units(o, begin, end, <u64>rows);
  if (code != ERROR_NONE) return code;
  if (!has(o, 0, extent(rows, v)) || !has(o, 1, extent(rows)) || !has(o, 2, extent(rows))) return failed();
  if (!has(o, 3, extent(scalar(o, 11))) || !has(o, 4, extent(scalar(o, 12), 8))) return failed();
  if (!has(o, 5, extent(scalar(o, 14), scalar(o, 13)))) return failed();
  const temperature = float(o, 16);
  const is_plain = !is_penalty(float(o, 17)) && (temperature <= 0 || !is_filter(o));
  if (!is_plain && !has_scratch(o, (<u64>padded(v) << 2) + <u64>BINS_BYTES)) return failed();
  for (let row = <usize>begin; row < <usize>end; row++) {
    let logits = address(o, 0) + ((row * <usize>v) << 2);
    let divisor = temperature;
    if (!is_plain) {
      if (!adjust(o, logits, row, <usize>v, scratch)) return failed();
      logits = scratch;
      divisor = 1;
    }
    const token = temperature > 0
      ? draw(logits, <usize>v, divisor, scalar(o, 9), scalar(o, 10), scalar(o, 8), <i32>row)
      : argmax(logits, <usize>v);
    store<u32>(address(o, 1) + (row << 2), token);
  }
  return ERROR_NONE;
}

/** 0, what a slot holds that nobody has set, is none. */
// @ts-ignore: decorator
@inline
function is_penalty(penalty: f32): bool {
  return penalty > 0 && penalty != 1;
}

function is_filter(o: usize): bool {
  const top_p = float(o, 18);
  return scalar(o, 15) != 0 || (top_p > 0 && top_p < 1) || float(o, 19) > 0;
}

// @ts-ignore: decorator
@inline
function padded(v: i32): usize {
  return (<usize>v + 3) & ~3;
}

/** A row's values in scratch: penalty, temperature, −∞ for all but the candidates. False where the history is wrong. */
function adjust(o: usize, logits: usize, row: usize, v: usize, scratch: usize): bool {
  const end = scratch + (padded(<i32>v) << 2);
  const masked = f32x4.neg(v128.load(PAGE + PAGE_INFINITY));
  for (let i: usize = 0; i < v; i += 4) {
    const value = lanes_of(logits, i, v, masked);
    v128.store(scratch + (i << 2), v128.bitselect(value, masked, f32x4.eq(value, value)));
  }
  if (is_penalty(float(o, 17)) && !penalize(o, logits, row, v, scratch, end)) return false;
  const temperature = float(o, 16);
  if (temperature <= 0) return true;
  const divisor = f32x4.splat(temperature);
  for (let at = scratch; at < end; at += 16) {
    const value = f32x4.div(v128.load(at), divisor);
    v128.store(at, f32x4.add(value, v128.xor(value, value))); // −0 becomes 0
  }
  if (is_filter(o)) keep_candidates(scratch, end, scalar(o, 15), float(o, 18), float(o, 19), end);
  return true;
}

/** A token that stands in the history twice is computed twice from its logit, and so penalized once. */
function penalize(o: usize, logits: usize, row: usize, v: usize, values: usize, free: usize): bool {
  const penalty = float(o, 17);
  const count = history_of(o, 2, row, scalar(o, 11), scalar(o, 12), scalar(o, 13), scalar(o, 14), free);
  if (count < 0) return false;
  const tokens = <usize>load<u32>(free);
  for (let i = 0; i < count; i++) {
    const token = <usize>load<u32>(tokens + (<usize>i << 2));
    if (token >= v) continue;
    const logit = load<f32>(logits + (token << 2));
    if (logit == logit) store<f32>(values + (token << 2), logit > 0 ? logit / penalty : logit * penalty);
  }
  return true;
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

function draw(logits: usize, v: usize, temperature: f32, seed: i32, step: i32, stream: i32, row: i32): u32 {
  const masked = f32x4.neg(v128.load(PAGE + PAGE_INFINITY));
  const k0 = random_key(seed, step, stream, 0);
  const k1 = random_key(seed, step, stream, 1);
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
