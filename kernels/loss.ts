/** Weighted cross-entropy of a softmax, and its gradient. */
import { ERROR_NONE, ERROR_TOKEN, NO_TARGET } from "./layout";
import { PAGE, PAGE_INFINITY } from "./constants";
import { exp_lanes, log_scalar } from "./exp";
import { check_units, extent } from "./extent";
import { address, fail, failed, has, scalar } from "./operands";
import { max_lanes, sum_lanes } from "./simd";
import { load_lanes, load_tail, replace_tail, store_lanes } from "./tail";

/** Of a vocabulary that is summed by itself: one sum over 262,144 small numbers would lose 10⁻⁴ of them in f32. */
const PIECE_BYTES: usize = 16384;

/**
 * loss = weight·(lse − logit[target]), lse = ln Σ exp(logit): maximum first, then the sum in four lanes over ascending
 * v, pieces of 4,096 by themselves, and across the lanes.
 * logits (O,V), target u32[O], weight, loss, lse (O). NO_TARGET: loss and lse are 0. Unit: a row.
 */
export function cross_entropy(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const rows = scalar(o, 5);
  const v = scalar(o, 6);
  const code = check_units(o, begin, end, <u64>rows);
  if (code != ERROR_NONE) return code;
  if (!has(o, 0, extent(rows, v))) return failed();
  for (let i: usize = 1; i < 5; i++) if (!has(o, i, extent(rows))) return failed();
  for (let row = <usize>begin; row < <usize>end; row++) {
    const at = row << 2;
    const target = load<u32>(address(o, 1) + at);
    let loss: f32 = 0;
    let lse: f32 = 0;
    if (target != NO_TARGET) {
      if (target >= <u32>v) return fail(o, ERROR_TOKEN, 1, target, <u64>v);
      const logits = address(o, 0) + ((row * <usize>v) << 2);
      lse = log_sum_exp(logits, <usize>v);
      loss = load<f32>(address(o, 2) + at) * (lse - load<f32>(logits + (<usize>target << 2)));
    }
    store<f32>(address(o, 3) + at, loss);
    store<f32>(address(o, 4) + at, lse);
  }
  return ERROR_NONE;
}

/**
 * dlogits = dloss·weight·(exp(logit − lse) − [v = target]); logits, dlogits (O,V), target u32[O], weight, lse,
 * dloss (O).
 * NO_TARGET: zeros. dlogits may be logits. Unit: a row.
 */
export function cross_entropy_grad(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const rows = scalar(o, 6);
  const v = scalar(o, 7);
  const code = check_units(o, begin, end, <u64>rows);
  if (code != ERROR_NONE) return code;
  if (!has(o, 0, extent(rows, v)) || !has(o, 5, extent(rows, v))) return failed();
  for (let i: usize = 1; i < 5; i++) if (!has(o, i, extent(rows))) return failed();
  const bytes = <usize>v << 2;
  for (let row = <usize>begin; row < <usize>end; row++) {
    const at = row << 2;
    const logits = address(o, 0) + row * bytes;
    const dlogits = address(o, 5) + row * bytes;
    const target = load<u32>(address(o, 1) + at);
    if (target == NO_TARGET) {
      memory.fill(dlogits, 0, bytes);
      continue;
    }
    if (target >= <u32>v) return fail(o, ERROR_TOKEN, 1, target, <u64>v);
    const factor = load<f32>(address(o, 4) + at) * load<f32>(address(o, 2) + at);
    const lse = v128.load32_splat(address(o, 3) + at);
    const factors = f32x4.splat(factor);
    for (let i: usize = 0; i < bytes; i += 16) {
      const count = (bytes - i) >> 2;
      store_lanes(dlogits + i, f32x4.mul(exp_lanes(f32x4.sub(load_lanes(logits + i, count), lse)), factors), count);
    }
    const chosen = dlogits + (<usize>target << 2);
    store<f32>(chosen, load<f32>(chosen) - factor);
  }
  return ERROR_NONE;
}

/** max + ln Σ exp(x − max) over `count` floats. */
function log_sum_exp(x: usize, count: usize): f32 {
  const masked = f32x4.neg(v128.load(PAGE + PAGE_INFINITY));
  const tail = count & 3;
  const whole = (count - tail) << 2;
  const last = tail ? replace_tail(load_tail(x + whole, tail), tail, masked) : masked;
  let largest = last;
  for (let i: usize = 0; i < whole; i += 16) largest = f32x4.pmax(largest, v128.load(x + i));
  const top = max_lanes(largest);
  const shift = f32x4.splat(top);
  let total = f32x4.splat(0);
  for (let i: usize = 0; i < whole; i += PIECE_BYTES)
    total = f32x4.add(total, piece_sum(x + i, x + min(i + PIECE_BYTES, whole), shift));
  if (tail) total = f32x4.add(total, exp_lanes(f32x4.sub(last, shift)));
  return top + log_scalar(sum_lanes(total));
}

/** Σ exp(x − shift) from x to end, in four lanes. */
function piece_sum(x: usize, end: usize, shift: v128): v128 {
  let sum = f32x4.splat(0);
  for (; x < end; x += 16) sum = f32x4.add(sum, exp_lanes(f32x4.sub(v128.load(x), shift)));
  return sum;
}
