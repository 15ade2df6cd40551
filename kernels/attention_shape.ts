/** Shapes that attention takes, and where a unit stands in them. */
import { ERROR_DIMENSION, ERROR_NONE } from "./layout";
import { fail, scalar } from "./operands";

/** ERROR_NONE where the scalars from operand `i` (heads, kv_heads, d) are a shape the tiles take. */
export function check_heads(o: usize, i: usize): i32 {
  const heads = scalar(o, i);
  const kv_heads = scalar(o, i + 1);
  const d = scalar(o, i + 2);
  if (kv_heads <= 0 || heads < kv_heads) return fail(o, ERROR_DIMENSION, <i32>i + 1, <u64>kv_heads, <u64>heads);
  if (d <= 0 || d & 3) return fail(o, ERROR_DIMENSION, <i32>i + 2, <u64>d, 4);
  return ERROR_NONE;
}

/** Bytes of a row of `count` scores, padded to whole vectors. */
// @ts-ignore: decorator
@inline
export function quads(count: i32): usize {
  return ((<usize>count + 3) & ~3) << 2;
}

/** ⌊h·G/H⌋ */
// @ts-ignore: decorator
@inline
export function kv_head(head: i32, heads: i32, kv_heads: i32): i32 {
  return <i32>(<i64>head * <i64>kv_heads / <i64>heads);
}

/** The first head h with ⌊h·G/H⌋ = group: ⌈group·H/G⌉ */
// @ts-ignore: decorator
@inline
export function group_heads(group: i32, heads: i32, kv_heads: i32): i32 {
  return <i32>((<i64>group * <i64>heads + <i64>kv_heads - 1) / <i64>kv_heads);
}

/** Element offset of unit u in a (T,H) matrix. */
// @ts-ignore: decorator
@inline
export function cell(u: i32, t: i32, heads: i32): usize {
  return <usize>(u % t) * <usize>heads + <usize>(u / t);
}
