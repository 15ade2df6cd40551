/**
 * The `apply` range of a training step: gradient norm, clipping, AdamW.
 *
 * schedule (8 f32, state): [0] β₁ᵗ, [1] β₂ᵗ, [2] gradient factor, [3] gradient norm, [4] weight sum, [5] 1 − β₁ᵗ,
 * [6] 1 − β₂ᵗ, [7] unused. It starts as 1, 1, 0, 0, 0, 0, 0, 0. `adamw` clears the gradients, `optimizer_schedule` the
 * weight sum; pieces are overwritten.
 */
import { ERROR_NONE, ERROR_NOT_FINITE } from "./layout";
import { check_units, extent, pieces } from "./extent";
import { address, fail, failed, float, has, scalar } from "./operands";
import { multiply_add, sum_lanes } from "./simd";
import { load_lanes, load_tail, store_lanes } from "./tail";

/** Elements of a piece: fixed, so that the sum does not depend on the number of threads. */
const PIECE: i32 = 4096;
const SCHEDULE_FLOATS: i32 = 8;

/**
 * pieces[p] = Σ x² over elements 4096·p …, in four lanes over ascending index and then across them; x (n), pieces (P).
 * Unit: a piece.
 */
export function sum_squares(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const n = scalar(o, 2);
  const count = pieces(n, PIECE);
  const code = check_units(o, begin, end, count);
  if (code != ERROR_NONE) return code;
  if (!has(o, 0, extent(n)) || !has(o, 1, count << 2)) return failed();
  const bytes = <usize>n << 2;
  for (let piece = <usize>begin; piece < <usize>end; piece++) {
    const from = address(o, 0) + piece * PIECE * 4;
    const size = min<usize>(bytes - piece * PIECE * 4, PIECE * 4);
    let sum = f32x4.splat(0);
    for (let i: usize = 0; i + 16 <= size; i += 16) {
      const x = v128.load(from + i);
      sum = multiply_add(sum, x, x);
    }
    const left = (size >> 2) & 3;
    if (left) {
      const x = load_tail(from + (size & ~15), left);
      sum = multiply_add(sum, x, x);
    }
    store<f32>(address(o, 1) + (piece << 2), sum_lanes(sum));
  }
  return ERROR_NONE;
}

/**
 * Advances βᵗ and sets the factor of the gradients: 1/W · min(1, max_norm/norm) with norm = √(Σ pieces)/W, W the sum of
 * the loss weights of the step; max_norm 0 does not clip; W = 0 gives factor 0. Pieces are summed ascending, in f64.
 * Then the weight sum is cleared for the next step. Where the norm is not finite it fails and changes nothing.
 * pieces (P), weight sum (1), schedule (8). Unit: 1.
 */
export function optimizer_schedule(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const p = scalar(o, 3);
  const code = check_units(o, begin, end, 1);
  if (code != ERROR_NONE) return code;
  if (!has(o, 0, extent(p)) || !has(o, 1, 4) || !has(o, 2, 4 * SCHEDULE_FLOATS)) return failed();
  if (begin == end) return ERROR_NONE;
  let total: f64 = 0;
  for (let piece: usize = 0; piece < <usize>p; piece++) total += <f64>load<f32>(address(o, 0) + (piece << 2));
  if (total - total != 0) return fail(o, ERROR_NOT_FINITE, 0, 0, p);
  const weights = load<f32>(address(o, 1));
  const max_norm = <f64>float(o, 4);
  const schedule = address(o, 2);
  const norm: f64 = weights != 0 ? sqrt<f64>(total) / <f64>weights : 0;
  let factor: f64 = weights != 0 ? 1 / <f64>weights : 0;
  if (max_norm > 0 && norm > max_norm) factor *= max_norm / norm;
  store<f32>(schedule, load<f32>(schedule) * float(o, 5));
  store<f32>(schedule, load<f32>(schedule, 4) * float(o, 6), 4);
  store<f32>(schedule, <f32>factor, 8);
  store<f32>(schedule, <f32>norm, 12);
  store<f32>(schedule, weights, 16);
  store<f32>(schedule, next_correction(load<f32>(schedule, 20), float(o, 5)), 20);
  store<f32>(schedule, next_correction(load<f32>(schedule, 24), float(o, 6)), 24);
  store<f32>(address(o, 1), 0);
  return ERROR_NONE;
}

/** 1 − βᵗ from 1 − βᵗ⁻¹ without the cancellation of 1 − βᵗ for β near 1. */
function next_correction(last: f32, beta: f32): f32 {
  return <f32>(<f64>last * <f64>beta + (1 - <f64>beta));
}

/**
 * AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101), in the order of torch.optim.AdamW: p −= lr·λ·p,
 * m += (g − m)(1 − β₁), v = β₂v + (1 − β₂)g², p −= lr/(1 − β₁ᵗ) · m / (√v/√(1 − β₂ᵗ) + ε), with g = gradient·factor;
 * then the gradient is cleared.
 * parameter, gradient, m, v (n), schedule (8). Unit: 1024 elements.
 */
export function adamw(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const n = scalar(o, 5);
  const code = check_units(o, begin, end, pieces(n, 1024));
  if (code != ERROR_NONE) return code;
  for (let i: usize = 0; i < 4; i++) if (!has(o, i, extent(n))) return failed();
  if (!has(o, 4, 4 * SCHEDULE_FLOATS)) return failed();
  const schedule = address(o, 4);
  const learning_rate = float(o, 6);
  const factor = v128.load32_splat(schedule, 8);
  const decay = f32x4.splat(1 - learning_rate * float(o, 10));
  const rest1 = f32x4.splat(1 - float(o, 7));
  const beta2 = f32x4.splat(float(o, 8));
  const rest2 = f32x4.splat(1 - float(o, 8));
  const step = f32x4.splat(learning_rate / load<f32>(schedule, 20));
  const root = f32x4.splat(sqrt<f32>(load<f32>(schedule, 24)));
  const epsilon = f32x4.splat(float(o, 9));
  const last = min(<usize>n << 2, <usize>end << 12);
  for (let i = <usize>begin << 12; i < last; i += 16) {
    const count = (last - i) >> 2;
    const g = f32x4.mul(load_lanes(address(o, 1) + i, count), factor);
    let m = load_lanes(address(o, 2) + i, count);
    m = multiply_add(m, f32x4.sub(g, m), rest1);
    const v = multiply_add(f32x4.mul(load_lanes(address(o, 3) + i, count), beta2), f32x4.mul(g, g), rest2);
    const denominator = f32x4.add(f32x4.div(f32x4.sqrt(v), root), epsilon);
    const p = f32x4.mul(load_lanes(address(o, 0) + i, count), decay);
    store_lanes(address(o, 0) + i, f32x4.sub(p, f32x4.div(f32x4.mul(step, m), denominator)), count);
    store_lanes(address(o, 1) + i, f32x4.splat(0), count);
    store_lanes(address(o, 2) + i, m, count);
    store_lanes(address(o, 3) + i, v, count);
  }
  return ERROR_NONE;
}
