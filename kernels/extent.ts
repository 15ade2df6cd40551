/** How much memory given dimensions need, in u64 and without overflow. */
import { fail } from "./operands";
import { ERROR_DIMENSION, ERROR_NONE } from "./layout";

/** Beyond any address; a product stops here instead of wrapping. */
const TOO_MUCH: u64 = 1 << 40;

/** Bytes of a·b·c·d f32 or u32 elements. A negative dimension counts as a huge one. */
export function extent(a: i32, b: i32 = 1, c: i32 = 1, d: i32 = 1): u64 {
  return times(times(times(times(4, a), b), c), d);
}

function times(bytes: u64, count: i32): u64 {
  if (count < 0) return TOO_MUCH;
  const product = bytes * <u64>count; // < 2⁴⁰ · 2³¹ as bytes ≤ 2⁴⁰
  return product < TOO_MUCH ? product : TOO_MUCH;
}

/** ERROR_NONE where [begin, end) lies in [0, units); the error record is written where it does not. */
export function check_units(o: usize, begin: i32, end: i32, units: u64): i32 {
  if (begin >= 0 && begin <= end && <u64>end <= units) return ERROR_NONE;
  return fail(o, ERROR_DIMENSION, -1, <u64>end, units);
}

/** ⌈count / size⌉ */
// @ts-ignore: decorator
@inline
export function pieces(count: i32, size: i32): u64 {
  return (<u64>count + <u64>size - 1) / <u64>size;
}

/** Units of kernels over n elements in pieces of 1024: where n is known only when a plan runs, it may count up to n, the last ones empty. */
export function piece_units(n: i32): u64 {
  return max(pieces(n, 1024), <u64>n);
}

/** Byte at which such a unit begins, or the end of the elements. */
export function piece_start(unit: i32, n: i32): usize {
  return <usize>min(<u64>unit << 12, <u64>n << 2);
}

/** Bytes up to the last of `rows` × `columns` elements with these strides in elements (not negative); 0 without any. */
export function strided_extent(rows: i32, row_stride: i32, columns: i32, column_stride: i32): u64 {
  return reach(reach(4, rows, row_stride), columns, column_stride);
}

/** Bytes that `count` views of `bytes` bytes reach over, `stride` elements apart; none where there are no views. */
export function reach(bytes: u64, count: i32, stride: i32): u64 {
  if (count < 0 || stride < 0) return TOO_MUCH;
  if (count == 0 || bytes == 0) return 0;
  const between = <u64>(count - 1) * <u64>stride; // < 2⁶²
  return min(bytes + (min(between, TOO_MUCH) << 2), TOO_MUCH);
}
