/** Primitives that move or make values: views, constants, and the generic matrix product. */
import { check_units, extent, piece_start, piece_units, reach, strided_extent } from "./extent";
import { ERROR_DIMENSION, ERROR_NONE } from "./layout";
import { address, fail, failed, float, has, scalar } from "./operands";
import { multiply_add } from "./simd";
import { load_lanes, store_lanes } from "./tail";

/**
 * y[i0, i1, i2, i3] = x[offset + Σ i·stride], y dense; a stride of 0 repeats. Four extents, then four strides and the
 * offset in elements of x, none negative. Unit: an index of the first extent.
 */
export function copy(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const code = check_units(o, begin, end, <u64>scalar(o, 2));
  if (code != ERROR_NONE) return code;
  for (let i = 6; i < 11; i++) if (scalar(o, i) < 0) return fail(o, ERROR_DIMENSION, i, <u64>scalar(o, i), 0);
  if (!has(o, 1, extent(scalar(o, 2), scalar(o, 3), scalar(o, 4), scalar(o, 5)))) return failed();
  if (!has(o, 0, view_extent(o))) return failed();
  const d1 = <usize>scalar(o, 3);
  const d2 = <usize>scalar(o, 4);
  const d3 = <usize>scalar(o, 5);
  const s3 = <usize>scalar(o, 9);
  let y = address(o, 1) + ((<usize>begin * d1 * d2 * d3) << 2);
  for (let i0 = <usize>begin; i0 < <usize>end; i0++)
    for (let i1: usize = 0; i1 < d1; i1++)
      for (let i2: usize = 0; i2 < d2; i2++) {
        const inner = i1 * <usize>scalar(o, 7) + i2 * <usize>scalar(o, 8);
        const x = address(o, 0) + ((<usize>scalar(o, 10) + i0 * <usize>scalar(o, 6) + inner) << 2);
        if (s3 == 1) memory.copy(y, x, d3 << 2);
        else for (let i3: usize = 0; i3 < d3; i3++) store<u32>(y + (i3 << 2), load<u32>(x + ((i3 * s3) << 2)));
        y += d3 << 2;
      }
  return ERROR_NONE;
}

/** Bytes of x up to the last element that `copy` reads; 0 where it reads none. */
function view_extent(o: usize): u64 {
  let bytes: u64 = 4;
  for (let i: usize = 2; i < 6; i++) bytes = reach(bytes, scalar(o, i), scalar(o, i + 4));
  return bytes ? bytes + (<u64>scalar(o, 10) << 2) : 0;
}

/** y (n) = value. Unit: 1024 elements. */
export function fill(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const n = scalar(o, 1);
  const code = check_units(o, begin, end, piece_units(n));
  if (code != ERROR_NONE) return code;
  if (!has(o, 0, extent(n))) return failed();
  const value = f32x4.splat(float(o, 2));
  const last = piece_start(end, n);
  for (let i = piece_start(begin, n); i < last; i += 16) store_lanes(address(o, 0) + i, value, (last - i) >> 2);
  return ERROR_NONE;
}

/** x u32[n] → y f32 (n), rounded to nearest even; y may be x. Unit: 1024 elements. */
export function cast_u32_f32(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const n = scalar(o, 2);
  const code = check_units(o, begin, end, piece_units(n));
  if (code != ERROR_NONE) return code;
  if (!has(o, 0, extent(n)) || !has(o, 1, extent(n))) return failed();
  const last = piece_start(end, n);
  for (let i = piece_start(begin, n); i < last; i += 16) {
    const count = (last - i) >> 2;
    store_lanes(address(o, 1) + i, f32x4.convert_i32x4_u(load_lanes(address(o, 0) + i, count)), count);
  }
  return ERROR_NONE;
}

/** y (R,C): the number of the row (axis 0) or of the column (axis 1). Unit: a row. */
export function iota(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const r = scalar(o, 1);
  const c = scalar(o, 2);
  const axis = scalar(o, 3);
  const code = check_units(o, begin, end, <u64>r);
  if (code != ERROR_NONE) return code;
  if (axis < 0 || axis > 1) return fail(o, ERROR_DIMENSION, 3, <u64>axis, 1);
  if (!has(o, 0, extent(r, c))) return failed();
  for (let row = begin; row < end; row++)
    for (let column = 0; column < c; column++) {
      const at = <usize>row * <usize>c + <usize>column;
      store<f32>(address(o, 0) + (at << 2), <f32>(axis ? column : row));
    }
  return ERROR_NONE;
}

/**
 * y[z] = a[z]·b[z], or added to y (acc), k ascending. y (batch, m, n) dense; a and b by their strides in elements for
 * batch, row and column, none negative; y overlaps neither. Unit: a row of a batch.
 */
export function matmul(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const batch = scalar(o, 3);
  const m = scalar(o, 4);
  const n = scalar(o, 5);
  const k = scalar(o, 6);
  for (let i = 3; i < 13; i++) if (scalar(o, i) < 0) return fail(o, ERROR_DIMENSION, i, <u64>scalar(o, i), 0);
  const code = check_units(o, begin, end, <u64>batch * <u64>m);
  if (code != ERROR_NONE) return code;
  if (!has(o, 0, batched_extent(o, 7, m, k)) || !has(o, 1, batched_extent(o, 10, k, n))) return failed();
  if (!has(o, 2, extent(batch, m, n))) return failed();
  const b_column = <usize>scalar(o, 12);
  for (let unit = begin; unit < end; unit++) {
    const z = <usize>(unit / m);
    const a = address(o, 0) + ((z * <usize>scalar(o, 7) + <usize>(unit % m) * <usize>scalar(o, 8)) << 2);
    const b = address(o, 1) + ((z * <usize>scalar(o, 10)) << 2);
    const y = address(o, 2) + ((<usize>unit * <usize>n) << 2);
    if (b_column == 1) row_times_rows(o, a, b, y);
    else row_times_columns(o, a, b, y);
  }
  return ERROR_NONE;
}

/** Bytes of a batch of `rows` × `columns` matrices whose strides are the scalars from operand i. */
function batched_extent(o: usize, i: usize, rows: i32, columns: i32): u64 {
  return reach(strided_extent(rows, scalar(o, i + 1), columns, scalar(o, i + 2)), scalar(o, 3), scalar(o, i));
}

/** A row of y where the rows of b are contiguous: four columns at once. */
function row_times_rows(o: usize, a: usize, b: usize, y: usize): void {
  const bytes = <usize>scalar(o, 5) << 2;
  const k = scalar(o, 6);
  const a_step = <usize>scalar(o, 9) << 2;
  const b_step = <usize>scalar(o, 11) << 2;
  const accumulate = scalar(o, 13) != 0;
  for (let i: usize = 0; i < bytes; i += 16) {
    const count = (bytes - i) >> 2;
    let sum = accumulate ? load_lanes(y + i, count) : f32x4.splat(0);
    let left = a;
    let right = b + i;
    for (let l = 0; l < k; l++) {
      sum = multiply_add(sum, v128.load32_splat(left), load_lanes(right, count));
      left += a_step;
      right += b_step;
    }
    store_lanes(y + i, sum, count);
  }
}

/** A row of y for any strides, in the same order as `row_times_rows`. */
function row_times_columns(o: usize, a: usize, b: usize, y: usize): void {
  const n = <usize>scalar(o, 5);
  const k = scalar(o, 6);
  const a_step = <usize>scalar(o, 9) << 2;
  const b_step = <usize>scalar(o, 11) << 2;
  const b_column = <usize>scalar(o, 12) << 2;
  for (let j: usize = 0; j < n; j++) {
    let sum: f32 = scalar(o, 13) ? load<f32>(y + (j << 2)) : 0;
    let left = a;
    let right = b + j * b_column;
    for (let l = 0; l < k; l++) {
      sum += load<f32>(left) * load<f32>(right);
      left += a_step;
      right += b_step;
    }
    store<f32>(y + (j << 2), sum);
  }
}
