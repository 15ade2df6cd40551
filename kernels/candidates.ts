/**
 * Which tokens may be drawn: top_k, top_p, min_p. Nothing is sorted: the last value that stays is found digit by digit
 * of its ordered bits, in three passes over the values (radix selection). Values stand in scratch, four lanes at a
 * time, without NaN and −0; what may not be drawn becomes −∞.
 */
import { PAGE, PAGE_INFINITY, PAGE_ONE } from "./constants";
import { exp_lanes } from "./exp";

/** Bins of one digit, 11 bits of the 32, a u64 each. */
export const BINS_BYTES: usize = 2048 * 8;
/** Probabilities are added as whole numbers of 2⁻³², so that their sum depends on no order. */
const WEIGHT_ONE: f32 = 4294967296;
/** Keys of the least and the greatest value that can be drawn: −3.4e38 and ∞. */
const KEY_LEAST: u32 = 0x00800000;
const KEY_MOST: u32 = 0xff800000;

/**
 * top_k: the k largest values, of equal ones those with the lower index. top_p: then the shortest beginning of that
 * order whose probabilities reach top_p of those that are left. min_p: then those at least min_p times as probable as
 * the first. Off: top_k 0, top_p 0 or from 1, min_p 0.
 */
export function keep_candidates(values: usize, end: usize, top_k: u32, top_p: f32, min_p: f32, bins: usize): void {
  const most = f32x4.splat(largest(values, end));
  if (top_k) keep_first(values, end, <u64>top_k, false, most, bins);
  if (top_p > 0 && top_p < 1) {
    const total = sum_weights(values, end, most);
    const wanted = <u64>ceil<f64>(<f64>top_p * <f64>total); // exact: the sum of 2²⁰ weights is below 2⁵³
    keep_first(values, end, max<u64>(1, wanted), true, most, bins);
  }
  if (min_p > 0) keep_probable(values, end, min_p, most);
}

/** The largest value; −∞ where there is none. */
export function largest(values: usize, end: usize): f32 {
  let most = f32x4.neg(v128.load(PAGE + PAGE_INFINITY));
  for (let at = values; at < end; at += 16) most = f32x4.pmax(most, v128.load(at));
  most = f32x4.pmax(most, v128.shuffle<i32>(most, most, 2, 3, 0, 1));
  most = f32x4.pmax(most, v128.shuffle<i32>(most, most, 1, 0, 3, 2));
  return f32x4.extract_lane(most, 0);
}

/** e^(value − most): 1 for the largest. */
// @ts-ignore: decorator
@inline
function weights(value: v128, most: v128): v128 {
  const weight = exp_lanes(f32x4.sub(value, most));
  return v128.bitselect(v128.load(PAGE + PAGE_ONE), weight, f32x4.eq(value, most));
}

// @ts-ignore: decorator
@inline
function whole(weight: f32): u64 {
  return <u64>(weight * WEIGHT_ONE);
}

/** Bits that are ordered as the values are. */
// @ts-ignore: decorator
@inline
function key_of(at: usize): u32 {
  const bits = load<u32>(at);
  return bits & 0x80000000 ? ~bits : bits | 0x80000000;
}

// @ts-ignore: decorator
@inline
function value_of(key: u32): f32 {
  return reinterpret<f32>(key & 0x80000000 ? key & 0x7fffffff : ~key);
}

/** Values below this weigh nothing: e^−22.5 is less than 2⁻³². */
// @ts-ignore: decorator
@inline
function least_weighed(most: v128): v128 {
  return f32x4.sub(most, f32x4.splat(22.5));
}

function sum_weights(values: usize, end: usize, most: v128): u64 {
  const least = least_weighed(most);
  let total: u64 = 0;
  for (let at = values; at < end; at += 16) {
    const value = v128.load(at);
    if (!v128.any_true(f32x4.ge(value, least))) continue;
    const weight = weights(value, most);
    total += whole(f32x4.extract_lane(weight, 0)) + whole(f32x4.extract_lane(weight, 1));
    total += whole(f32x4.extract_lane(weight, 2)) + whole(f32x4.extract_lane(weight, 3));
  }
  return total;
}

/** Keeps the first values, in falling order, whose count (or, `weighed`, whose weights) reaches `wanted`. */
function keep_first(values: usize, end: usize, wanted: u64, weighed: bool, most: v128, bins: usize): void {
  let prefix: u32 = 0;
  for (let digit = 0; digit < 3; digit++) {
    const width: u32 = digit == 2 ? 10 : 11;
    const shift: u32 = digit == 0 ? 21 : digit == 1 ? 10 : 0;
    memory.fill(bins, 0, BINS_BYTES);
    count_digits(values, end, prefix, digit == 0, shift, width, weighed, most, bins);
    let bin: u32 = (1 << width) - 1;
    for (let size = load<u64>(bins + (bin << 3)); size < wanted; size = load<u64>(bins + (bin << 3))) {
      if (bin == 0) return; // all together do not reach it
      wanted -= size;
      bin--;
    }
    prefix = (prefix << width) | bin;
  }
  let ties = wanted;
  if (weighed) {
    const weight = whole(f32x4.extract_lane(weights(f32x4.splat(value_of(prefix)), most), 0));
    ties = (wanted + weight - 1) / weight;
  }
  drop_after(values, end, prefix, ties);
}

/** Into the bin of each value's digit, where the digits before it are `prefix`: 1, or its weight. */
function count_digits(
  values: usize, end: usize, prefix: u32, is_first: bool, shift: u32, width: u32,
  weighed: bool, most: v128, bins: usize,
): void {
  // Most groups of four have nothing here: one comparison finds that out.
  const before = shift + width;
  const low = is_first ? KEY_LEAST : max(KEY_LEAST, prefix << before);
  const high = is_first ? KEY_MOST : min(KEY_MOST, (prefix << before) | ((1 << before) - 1));
  let least = f32x4.splat(value_of(low));
  if (weighed) least = f32x4.pmax(least, least_weighed(most));
  const greatest = f32x4.splat(value_of(high));
  const mask: u32 = (1 << width) - 1;
  for (let at = values; at < end; at += 16) {
    const value = v128.load(at);
    const lanes = i32x4.bitmask(v128.and(f32x4.ge(value, least), f32x4.le(value, greatest)));
    if (lanes == 0) continue;
    let size = f32x4.splat(0);
    if (weighed) size = weights(value, most);
    for (let lane = 0; lane < 4; lane++) {
      if ((lanes >> lane) & 1) {
        const key = key_of(at + (<usize>lane << 2));
        // −0 ≥ 0: the comparison above lets a 0 in where it does not belong
        if (is_first || key >> before == prefix) {
          const bin = bins + (((key >> shift) & mask) << 3);
          store<u64>(bin, load<u64>(bin) + (weighed ? whole(f32x4.extract_lane(size, 0)) : 1));
        }
      }
      size = v128.shuffle<i32>(size, size, 1, 2, 3, 0);
    }
  }
}

/** −∞ for all values whose key is below `last`, and for those equal to it after the first `ties`. */
function drop_after(values: usize, end: usize, last: u32, ties: u64): void {
  const least = f32x4.splat(value_of(last));
  const masked = f32x4.neg(v128.load(PAGE + PAGE_INFINITY));
  for (let at = values; at < end; at += 16) {
    const value = v128.load(at);
    v128.store(at, v128.bitselect(masked, value, f32x4.lt(value, least)));
    if (!v128.any_true(f32x4.eq(value, least))) continue;
    for (let lane = at; lane < at + 16; lane += 4) {
      if (key_of(lane) != last) continue;
      if (ties) ties--;
      else store<f32>(lane, -Infinity);
    }
  }
}

function keep_probable(values: usize, end: usize, min_p: f32, most: v128): void {
  const least = f32x4.splat(min_p);
  const masked = f32x4.neg(v128.load(PAGE + PAGE_INFINITY));
  for (let at = values; at < end; at += 16) {
    const value = v128.load(at);
    v128.store(at, v128.bitselect(value, masked, f32x4.ge(weights(value, most), least)));
  }
}
