/** Rows of a table by token, for every weight dtype, and the gradient of a row-major table. */
import {
  BF16_R16, block_size, F16_R16, F32, F32_R16, Q4_0_R8, Q4_1_R8, Q4_K_R8, Q5_0_R8, Q5_1_R8, Q5_K_R8, Q6_K_R8, Q8_0_R8,
} from "./blocks";
import { check_units, extent } from "./extent";
import { ERROR_DIMENSION, ERROR_NONE, ERROR_TOKEN } from "./layout";
import { address, fail, failed, has, scalar } from "./operands";
import { units } from "./panels";
import { decode_row, weight_bytes } from "./weights";

const T: usize = 3;
const C: usize = 4;
const V: usize = 5;
const ACC: usize = 6;

function embedding(dtype: i32, o: usize, begin: i32, end: i32): i32 {
  const t = scalar(o, T), c = scalar(o, C), v = scalar(o, V);
  if (c % block_size(dtype)) return fail(o, ERROR_DIMENSION, <i32>C, <u64>c, <u64>block_size(dtype));
  if (!has(o, 0, extent(t)) || !has(o, 1, weight_bytes(dtype, v, c)) || !has(o, 2, extent(t, c))) return failed();
  const code = check_units(o, begin, end, <u64>t);
  if (code) return code;
  const tokens = address(o, 0), table = address(o, 1), y = address(o, 2);
  for (let r = begin; r < end; r++) {
    const token = load<u32>(tokens + (<usize>r << 2));
    if (token >= <u32>v) return fail(o, ERROR_TOKEN, 0, <u64>token, <u64>v);
    decode_row(dtype, table, c, <i32>token, y + (<usize>r * <usize>c << 2));
  }
  return ERROR_NONE;
}

/** dtable[token] += dy, 16 columns a unit, rows ascending: no two threads meet in a column. */
export function embedding_grad(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const t = scalar(o, T), c = scalar(o, C), v = scalar(o, V);
  if (!has(o, 0, extent(t)) || !has(o, 1, extent(t, c)) || !has(o, 2, extent(v, c))) return failed();
  const code = check_units(o, begin, end, <u64>units(c));
  if (code) return code;
  const first = begin << 4, width = min(c, end << 4) - first, pitch = <usize>c << 2;
  if (width <= 0) return ERROR_NONE;
  const table = address(o, 2) + (<usize>first << 2), bytes = <usize>width << 2;
  if (!scalar(o, ACC)) for (let r = 0; r < v; r++) memory.fill(table + <usize>r * pitch, 0, bytes);
  const tokens = address(o, 0);
  let dy = address(o, 1) + (<usize>first << 2);
  for (let r = 0; r < t; r++, dy += pitch) {
    const token = load<u32>(tokens + (<usize>r << 2));
    if (token >= <u32>v) return fail(o, ERROR_TOKEN, 0, <u64>token, <u64>v);
    add(dy, table + <usize>token * pitch, bytes);
  }
  return ERROR_NONE;
}

function add(x: usize, y: usize, bytes: usize): void {
  const end = y + bytes;
  for (; y + 16 <= end; y += 16, x += 16) v128.store(y, f32x4.add(v128.load(y), v128.load(x)));
  for (; y < end; y += 4, x += 4) store<f32>(y, load<f32>(y) + load<f32>(x));
}

export function embedding_f32(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return embedding(F32, o, begin, end);
}

export function embedding_f32_r16(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return embedding(F32_R16, o, begin, end);
}

export function embedding_f16_r16(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return embedding(F16_R16, o, begin, end);
}

export function embedding_q8_0_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return embedding(Q8_0_R8, o, begin, end);
}

export function embedding_q4_0_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return embedding(Q4_0_R8, o, begin, end);
}

export function embedding_bf16_r16(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return embedding(BF16_R16, o, begin, end);
}

export function embedding_q4_1_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return embedding(Q4_1_R8, o, begin, end);
}

export function embedding_q5_0_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return embedding(Q5_0_R8, o, begin, end);
}

export function embedding_q5_1_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return embedding(Q5_1_R8, o, begin, end);
}

export function embedding_q4_k_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return embedding(Q4_K_R8, o, begin, end);
}

export function embedding_q5_k_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return embedding(Q5_K_R8, o, begin, end);
}

export function embedding_q6_k_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return embedding(Q6_K_R8, o, begin, end);
}
