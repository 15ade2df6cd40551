/**
 * y = x·Wᵀ with x in quantize records: exact integer dot products a block of 32, then in f32 (see tiles_i8.ts). One row
 * runs over packed weights; for two and more a group of 8 outputs is unpacked into scratch once, to the same bits.
 */
import {
  block_size, group_bytes, has_min, Q4_0_R8, Q4_1_R8, Q4_K_R8, Q5_0_R8, Q5_1_R8, Q5_K_R8, Q6_K_R8, Q8_0_R8,
} from "./blocks";
import { check_units, extent } from "./extent";
import { ERROR_DIMENSION, ERROR_NONE } from "./layout";
import { address, fail, failed, has, has_scratch, scalar } from "./operands";
import { units } from "./panels";
import { RECORD_BYTES } from "./quantize";
import { pair_i8, pair_i8_factors, pair_i8_min, row_i8 } from "./tiles_i8";
import { unpack_blocks, unpacked_bytes } from "./weight_blocks";
import { weight_bytes } from "./weights";

const T: usize = 3;
const K: usize = 4;
const N: usize = 5;
const ACC: usize = 6;
/** Two rows of 8 outputs, where a group hangs over the last column. */
const EDGE_BYTES: usize = 64;

/** One row over `w`, or two, `pitch` bytes apart, over `unpacked`. */
function tile(
  dtype: i32, rows: i32, blocks: i32, w: usize, unpacked: usize, x: usize, pitch: usize, y: usize, below: usize,
  acc: bool,
): void {
  if (rows == 1) row_i8(dtype, blocks, w, x, y, acc);
  else if (dtype == Q6_K_R8) pair_i8_factors(blocks, unpacked, x, pitch, y, below, acc);
  else if (has_min(dtype)) pair_i8_min(blocks, unpacked, x, pitch, y, below, acc);
  else pair_i8(blocks, unpacked, x, pitch, y, below, acc);
}

/** All rows of one group of 8 outputs; `columns` of them exist. */
function group(dtype: i32, o: usize, w: usize, y: usize, columns: i32, edge: usize): void {
  const blocks = scalar(o, K) >> 5, y_pitch = <usize>scalar(o, N) << 2, pitch = <usize>blocks * RECORD_BYTES;
  const bytes = <usize>columns << 2, acc = scalar(o, ACC) != 0, in_place = dtype == Q8_0_R8;
  const unpacked = in_place ? w : edge + EDGE_BYTES;
  let x = address(o, 0), rows = scalar(o, T);
  if (rows > 1 && !in_place) unpack_blocks(dtype, blocks, w, unpacked);
  for (; rows > 0; rows -= 2) {
    if (columns >= 8) {
      tile(dtype, rows, blocks, w, unpacked, x, pitch, y, y + y_pitch, acc);
    } else {
      memory.copy(edge, y, bytes);
      if (rows > 1) memory.copy(edge + 32, y + y_pitch, bytes);
      tile(dtype, rows, blocks, w, unpacked, x, pitch, edge, edge + 32, acc);
      memory.copy(y, edge, bytes);
      if (rows > 1) memory.copy(y + y_pitch, edge + 32, bytes);
    }
    x += pitch << 1;
    y += y_pitch << 1;
  }
}

/** Scratch: the edge, and a group of unpacked weights. */
function scratch_bytes(dtype: i32, t: i32, k: i32): u64 {
  const unpacked = t > 1 && dtype != Q8_0_R8 ? <u64>(k >> 5) * <u64>unpacked_bytes(dtype) : 0;
  return <u64>EDGE_BYTES + unpacked;
}

function linear(dtype: i32, o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const t = scalar(o, T), k = scalar(o, K), n = scalar(o, N), size = block_size(dtype);
  if (k % size) return fail(o, ERROR_DIMENSION, <i32>K, <u64>k, <u64>size);
  if (!has(o, 0, extent(t, k >> 5, <i32>(RECORD_BYTES >> 2))) || !has(o, 1, weight_bytes(dtype, n, k))) return failed();
  if (!has(o, 2, extent(t, n)) || !has_scratch(o, scratch_bytes(dtype, t, k))) return failed();
  const code = check_units(o, begin, end, <u64>units(n));
  if (code) return code;
  const bytes = group_bytes(dtype, k), groups = min(end << 1, (n + 7) >> 3);
  for (let g = begin << 1; g < groups; g++)
    group(dtype, o, address(o, 1) + <usize>g * bytes, address(o, 2) + (<usize>g << 5), n - (g << 3), scratch);
  return ERROR_NONE;
}

export function linear_i8_q8_0_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return linear(Q8_0_R8, o, begin, end, scratch);
}

export function linear_i8_q4_0_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return linear(Q4_0_R8, o, begin, end, scratch);
}

export function linear_i8_q4_1_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return linear(Q4_1_R8, o, begin, end, scratch);
}

export function linear_i8_q5_0_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return linear(Q5_0_R8, o, begin, end, scratch);
}

export function linear_i8_q5_1_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return linear(Q5_1_R8, o, begin, end, scratch);
}

export function linear_i8_q4_k_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return linear(Q4_K_R8, o, begin, end, scratch);
}

export function linear_i8_q5_k_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return linear(Q5_K_R8, o, begin, end, scratch);
}

export function linear_i8_q6_k_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return linear(Q6_K_R8, o, begin, end, scratch);
}
