/** Elementwise primitives and reductions: what an op without a kernel of its own is expanded into. Plain, and right. */
import { PAGE, PAGE_INFINITY, PAGE_ONE } from "./constants";
import { exp_lanes, log_lanes } from "./exp";
import { check_units, extent, piece_start, piece_units, pieces, strided_extent } from "./extent";
import { ERROR_DIMENSION, ERROR_NONE } from "./layout";
import { address, fail, failed, has, scalar } from "./operands";
import { max_lanes } from "./simd";
import { load_lanes, replace_tail, store_lanes } from "./tail";

// What `binary` or `unary` computes: a constant wherever they are called, so that the compiler makes the choice.
const ADD = 0;
const SUB = 1;
const MUL = 2;
const DIV = 3;
const LESS_EQUAL = 4;
const EQUAL = 5;
const EXP = 6;
const LOG = 7;
const RSQRT = 8;

export function add(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return binary(ADD, o, begin, end);
}

export function sub(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return binary(SUB, o, begin, end);
}

export function mul(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return binary(MUL, o, begin, end);
}

export function div(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return binary(DIV, o, begin, end);
}

/** 1 where a ≤ b, else 0. */
export function less_equal(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return binary(LESS_EQUAL, o, begin, end);
}

/** 1 where a = b, else 0. */
export function equal(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return binary(EQUAL, o, begin, end);
}

export function exp(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return unary(EXP, o, begin, end);
}

export function log(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return unary(LOG, o, begin, end);
}

/** 1/√x */
export function rsqrt(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return unary(RSQRT, o, begin, end);
}

/**
 * a, y (R,C), b (R,C), (1,C), (R,1) or (1,1) by its strides in elements; y may be a, or a b of the same shape.
 * Unit: a row.
 */
// @ts-ignore: decorator
@inline
function binary(kind: i32, o: usize, begin: i32, end: i32): i32 {
  const r = scalar(o, 3);
  const c = scalar(o, 4);
  const row_stride = scalar(o, 5);
  const column_stride = scalar(o, 6);
  const code = check_units(o, begin, end, <u64>r);
  if (code != ERROR_NONE) return code;
  if (row_stride < 0) return fail(o, ERROR_DIMENSION, 5, <u64>row_stride, 0);
  if (column_stride < 0 || column_stride > 1) return fail(o, ERROR_DIMENSION, 6, <u64>column_stride, 1);
  if (!has(o, 0, extent(r, c)) || !has(o, 2, extent(r, c))) return failed();
  if (!has(o, 1, strided_extent(r, row_stride, c, column_stride))) return failed();
  const bytes = <usize>c << 2;
  for (let row = <usize>begin; row < <usize>end; row++) {
    const a = address(o, 0) + row * bytes;
    const b = address(o, 1) + ((row * <usize>row_stride) << 2);
    const y = address(o, 2) + row * bytes;
    for (let i: usize = 0; i < bytes; i += 16) {
      const count = (bytes - i) >> 2;
      const right = column_stride ? load_lanes(b + i, count) : v128.load32_splat(b);
      store_lanes(y + i, apply_binary(kind, load_lanes(a + i, count), right), count);
    }
  }
  return ERROR_NONE;
}

// @ts-ignore: decorator
@inline
function apply_binary(kind: i32, a: v128, b: v128): v128 {
  if (kind == ADD) return f32x4.add(a, b);
  if (kind == SUB) return f32x4.sub(a, b);
  if (kind == MUL) return f32x4.mul(a, b);
  if (kind == DIV) return f32x4.div(a, b);
  const mask = kind == LESS_EQUAL ? f32x4.le(a, b) : f32x4.eq(a, b);
  return v128.and(mask, v128.load(PAGE + PAGE_ONE));
}

/** x, y (R,C); y may be x. Unit: a row. */
// @ts-ignore: decorator
@inline
function unary(kind: i32, o: usize, begin: i32, end: i32): i32 {
  const r = scalar(o, 2);
  const c = scalar(o, 3);
  const code = check_units(o, begin, end, <u64>r);
  if (code != ERROR_NONE) return code;
  if (!has(o, 0, extent(r, c)) || !has(o, 1, extent(r, c))) return failed();
  const bytes = <usize>c << 2;
  for (let row = <usize>begin; row < <usize>end; row++) {
    const x = address(o, 0) + row * bytes;
    const y = address(o, 1) + row * bytes;
    for (let i: usize = 0; i < bytes; i += 16) {
      const count = (bytes - i) >> 2;
      store_lanes(y + i, apply_unary(kind, load_lanes(x + i, count)), count);
    }
  }
  return ERROR_NONE;
}

// @ts-ignore: decorator
@inline
function apply_unary(kind: i32, x: v128): v128 {
  if (kind == EXP) return exp_lanes(x);
  if (kind == LOG) return log_lanes(x);
  return f32x4.div(v128.load(PAGE + PAGE_ONE), f32x4.sqrt(x));
}

/** y = a where the condition is not 0, else b; condition, a, b, y (R,C); y may be any of them. Unit: a row. */
export function select(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const r = scalar(o, 4);
  const c = scalar(o, 5);
  const code = check_units(o, begin, end, <u64>r);
  if (code != ERROR_NONE) return code;
  for (let i: usize = 0; i < 4; i++) if (!has(o, i, extent(r, c))) return failed();
  const zero = f32x4.splat(0);
  const last = <usize>end * (<usize>c << 2);
  for (let i = <usize>begin * (<usize>c << 2); i < last; i += 16) {
    const count = (last - i) >> 2;
    const condition = f32x4.ne(load_lanes(address(o, 0) + i, count), zero);
    const a = load_lanes(address(o, 1) + i, count);
    store_lanes(address(o, 3) + i, v128.bitselect(a, load_lanes(address(o, 2) + i, count), condition), count);
  }
  return ERROR_NONE;
}

/** y = Σ_c x, columns ascending from 0; x (R,C), y (R,1). Unit: a row. */
export function sum_columns(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const c = <usize>scalar(o, 3);
  const code = check_reduction(o, begin, end);
  if (code != ERROR_NONE) return code;
  for (let row = <usize>begin; row < <usize>end; row++) {
    const x = address(o, 0) + ((row * c) << 2);
    let sum: f32 = 0;
    for (let i: usize = 0; i < c << 2; i += 4) sum += load<f32>(x + i);
    store<f32>(address(o, 1) + (row << 2), sum);
  }
  return ERROR_NONE;
}

/** y = max_c x, −∞ for no columns; x (R,C), y (R,1). Unit: a row. */
export function max_columns(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const bytes = <usize>scalar(o, 3) << 2;
  const code = check_reduction(o, begin, end);
  if (code != ERROR_NONE) return code;
  const lowest = f32x4.neg(v128.load(PAGE + PAGE_INFINITY));
  for (let row = <usize>begin; row < <usize>end; row++) {
    const x = address(o, 0) + row * bytes;
    let largest = lowest;
    for (let i: usize = 0; i < bytes; i += 16) {
      const count = (bytes - i) >> 2;
      const value = load_lanes(x + i, count);
      largest = f32x4.max(largest, count >= 4 ? value : replace_tail(value, count, lowest));
    }
    store<f32>(address(o, 1) + (row << 2), max_lanes(largest));
  }
  return ERROR_NONE;
}

function check_reduction(o: usize, begin: i32, end: i32): i32 {
  const r = scalar(o, 2);
  const code = check_units(o, begin, end, <u64>r);
  if (code != ERROR_NONE) return code;
  return has(o, 0, extent(r, scalar(o, 3))) && has(o, 1, extent(r)) ? ERROR_NONE : failed();
}

/** y = Σ_r x, rows ascending from y (acc) or 0; x (R,C), y (1,C). Unit: 16 columns. */
export function sum_rows(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const r = scalar(o, 2);
  const c = scalar(o, 3);
  const adds = scalar(o, 4) != 0;
  const code = check_units(o, begin, end, pieces(c, 16));
  if (code != ERROR_NONE) return code;
  if (!has(o, 0, extent(r, c)) || !has(o, 1, extent(c))) return failed();
  const bytes = <usize>c << 2;
  const last = min(bytes, <usize>end << 6);
  for (let i = <usize>begin << 6; i < last; i += 16) {
    const count = (last - i) >> 2;
    const y = address(o, 1) + i;
    let x = address(o, 0) + i;
    let sum = adds ? load_lanes(y, count) : f32x4.splat(0);
    for (let row = 0; row < r; row++) {
      sum = f32x4.add(sum, load_lanes(x, count));
      x += bytes;
    }
    store_lanes(y, sum, count);
  }
  return ERROR_NONE;
}

/** state += x; state, x (n). Unit: 1024 elements. */
export function accumulate(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const n = scalar(o, 2);
  const code = check_units(o, begin, end, piece_units(n));
  if (code != ERROR_NONE) return code;
  if (!has(o, 0, extent(n)) || !has(o, 1, extent(n))) return failed();
  const last = piece_start(end, n);
  for (let i = piece_start(begin, n); i < last; i += 16) {
    const count = (last - i) >> 2;
    const state = address(o, 0) + i;
    store_lanes(state, f32x4.add(load_lanes(state, count), load_lanes(address(o, 1) + i, count)), count);
  }
  return ERROR_NONE;
}
