/** Rotary position embedding (Su et al. 2021, arXiv:2104.09864), Hugging Face pairing: element i with i + D/2. */
import { ERROR_DIMENSION, ERROR_NONE, ERROR_POSITION } from "./layout";
import { check_units, extent } from "./extent";
import { address, fail, failed, has, scalar } from "./operands";
import { load_lanes, store_lanes } from "./tail";

/**
 * y = [a·cos − b·sin | b·cos + a·sin] for the halves a, b of every head; inverse turns back, which is the gradient.
 * x, y (T,H·D), position u32[T], table (context, D) = [cos D/2 | sin D/2]; y may be x. Unit: a row.
 */
export function rope(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const t = scalar(o, 4);
  const heads = scalar(o, 5);
  const d = scalar(o, 6);
  const context = scalar(o, 7);
  const code = check_units(o, begin, end, <u64>t);
  if (code != ERROR_NONE) return code;
  if (d & 1) return fail(o, ERROR_DIMENSION, 6, <u64>d, 2);
  if (!has(o, 0, extent(t, heads, d)) || !has(o, 1, extent(t))) return failed();
  if (!has(o, 2, extent(context, d)) || !has(o, 3, extent(t, heads, d))) return failed();
  const sign = f32x4.splat(scalar(o, 8) != 0 ? -1 : 1);
  const head_bytes = <usize>d << 2;
  const row_bytes = <usize>heads * head_bytes;
  for (let row = <usize>begin; row < <usize>end; row++) {
    const position = load<u32>(address(o, 1) + (row << 2));
    if (position >= <u32>context) return fail(o, ERROR_POSITION, 1, position, <u64>context);
    const table = address(o, 2) + <usize>position * head_bytes;
    const x = address(o, 0) + row * row_bytes;
    const y = address(o, 3) + row * row_bytes;
    for (let head: usize = 0; head < row_bytes; head += head_bytes) {
      rotate(x + head, table, y + head, head_bytes >> 1, sign);
    }
  }
  return ERROR_NONE;
}

/** One head: x and y are its first halves of `half` bytes. */
function rotate(x: usize, table: usize, y: usize, half: usize, sign: v128): void {
  for (let i: usize = 0; i < half; i += 16) {
    const count = (half - i) >> 2;
    const cosine = load_lanes(table + i, count);
    const sine = f32x4.mul(load_lanes(table + half + i, count), sign);
    const a = load_lanes(x + i, count);
    const b = load_lanes(x + half + i, count);
    store_lanes(y + i, f32x4.sub(f32x4.mul(a, cosine), f32x4.mul(b, sine)), count);
    store_lanes(y + half + i, f32x4.add(f32x4.mul(b, cosine), f32x4.mul(a, sine)), count);
  }
}
