/**
 * Activations as int8: per row and 32 values a record of 144 bytes,
 *   f32 scale │ i32 sum of the int8 │ 8 bytes zero │ 8 × 16 B: the int8 of k 4c…4c+3 as int16, twice
 * scale = absmax/127, int8 = round-half-even(x·(127/absmax)), all 0 where absmax is 0.
 * Widened and repeated because the dot product takes it so: one load an operand, no shuffle.
 */
import { PAGE, PAGE_QUANT_MAX } from "./constants";
import { check_units, extent } from "./extent";
import { ERROR_DIMENSION, ERROR_NONE } from "./layout";
import { address, fail, failed, has, scalar } from "./operands";
import { max_lanes } from "./simd";

export const RECORD_BYTES: usize = 144;
/** Bytes before the values. */
export const RECORD_HEADER: usize = 16;

const T: usize = 2;
const K: usize = 3;

export function quantize(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const t = scalar(o, T), k = scalar(o, K);
  if (k & 31) return fail(o, ERROR_DIMENSION, <i32>K, <u64>k, 32);
  if (!has(o, 0, extent(t, k)) || !has(o, 1, extent(t, k >> 5, <i32>(RECORD_BYTES >> 2)))) return failed();
  const code = check_units(o, begin, end, <u64>t);
  if (code) return code;
  const blocks = <usize>(k >> 5);
  let x = address(o, 0) + (<usize>begin * blocks << 7);
  let record = address(o, 1) + <usize>begin * blocks * RECORD_BYTES;
  for (let i = <usize>(end - begin) * blocks; i > 0; i--, x += 128, record += RECORD_BYTES) quantize_block(x, record);
  return ERROR_NONE;
}

function quantize_block(x: usize, record: usize): void {
  const limit = v128.load(PAGE + PAGE_QUANT_MAX);
  let largest = f32x4.abs(v128.load(x));
  for (let i: usize = 16; i < 128; i += 16) largest = f32x4.max(largest, f32x4.abs(v128.load(x + i)));
  const absmax = max_lanes(largest);
  // 127/absmax overflows below 4e-37: such a block is worth nothing and counts as zero.
  const inverse = <f32>127 / absmax;
  const factor = f32x4.splat(inverse < Infinity ? inverse : 0), floor = f32x4.neg(limit);
  let sums = i32x4.splat(0);
  for (let i: usize = 0; i < 128; i += 16) {
    const rounded = f32x4.nearest(f32x4.mul(v128.load(x + i), factor));
    const q = i32x4.trunc_sat_f32x4_s(f32x4.max(f32x4.min(rounded, limit), floor));
    sums = i32x4.add(sums, q);
    v128.store(record + RECORD_HEADER + i, i16x8.narrow_i32x4_s(q, q));
  }
  const halves = i32x4.add(sums, v128.shuffle<i32>(sums, sums, 2, 3, 0, 1));
  store<f32>(record, absmax / 127);
  store<i32>(record, i32x4.extract_lane(halves, 0) + i32x4.extract_lane(halves, 1), 4);
  store<u64>(record, 0, 8);
}
