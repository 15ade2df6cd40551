/**
 * y = x·Wᵀ, dx = dy·W and dW = dyᵀ·x over f32 activations, for every weight dtype. Panels of W are decoded into scratch
 * BLOCK deep and go through the f32 core; f32_r16 is read where it stands. Order of sums: see panels.ts.
 */
import {
  BF16_R16, block_size, F16_R16, F32, F32_R16, Q4_0_R8, Q4_1_R8, Q4_K_R8, Q5_0_R8, Q5_1_R8, Q5_K_R8, Q6_K_R8, Q8_0_R8,
} from "./blocks";
import { check_units, extent } from "./extent";
import { ERROR_DIMENSION, ERROR_NONE } from "./layout";
import { address, fail, failed, has, has_scratch, scalar } from "./operands";
import { BLOCK, block_scratch, multiply_panel, TILE_BYTES, units } from "./panels";
import { pack_columns } from "./weight_f32";
import { columns, group_rows, panel, weight_bytes } from "./weights";

// Operands of all linears: a (T,·), b, out, then
const T: usize = 3;
const K: usize = 4;
const N: usize = 5;
const ACC: usize = 6;

/** Checks of forward (from K to N columns) and grad_x (from N to K). */
function check(o: usize, begin: i32, end: i32, dtype: i32, from: i32, to: i32, scratch: usize): i32 {
  const t = scalar(o, T), k = scalar(o, K), n = scalar(o, N);
  if (k % block_size(dtype)) return fail(o, ERROR_DIMENSION, <i32>K, <u64>k, <u64>block_size(dtype));
  if (!has(o, 0, extent(t, from)) || !has(o, 1, weight_bytes(dtype, n, k))) return failed();
  if (!has(o, 2, extent(t, to)) || !has_scratch(o, scratch)) return failed();
  return check_units(o, begin, end, <u64>units(to));
}

function forward(dtype: i32, o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const t = scalar(o, T), k = scalar(o, K), n = scalar(o, N);
  const code = check(o, begin, end, dtype, k, n, dtype == F32_R16 ? TILE_BYTES : block_scratch(k, 1));
  if (code) return code;
  const x = address(o, 0), w = address(o, 1), y = address(o, 2), x_row = <usize>k << 2, y_row = <usize>n << 2;
  for (let u = begin; u < end; u++) {
    let acc = scalar(o, ACC) != 0, from = 0;
    do {
      const depth = min(BLOCK, k - from);
      const p = panel(dtype, w, n, k, u, from, depth, scratch + TILE_BYTES);
      const out = y + (<usize>u << 6);
      multiply_panel(t, depth, x + (<usize>from << 2), x_row, 4, p, out, y_row, n - (u << 4), acc, scratch);
      acc = true;
      from += BLOCK;
    } while (from < k);
  }
  return ERROR_NONE;
}

function grad_x(dtype: i32, o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const t = scalar(o, T), k = scalar(o, K), n = scalar(o, N);
  const code = check(o, begin, end, dtype, n, k, block_scratch(n, group_rows(dtype))), block = scratch + TILE_BYTES;
  if (code) return code;
  const dy = address(o, 0), w = address(o, 1), dx = address(o, 2), dy_row = <usize>n << 2, dx_row = <usize>k << 2;
  for (let u = begin; u < end; u++) {
    let acc = scalar(o, ACC) != 0, from = 0;
    do {
      const depth = min(BLOCK, n - from);
      columns(dtype, w, k, u, from, depth, block);
      const out = dx + (<usize>u << 6);
      multiply_panel(t, depth, dy + (<usize>from << 2), dy_row, 4, block, out, dx_row, k - (u << 4), acc, scratch);
      acc = true;
      from += BLOCK;
    } while (from < n);
  }
  return ERROR_NONE;
}

/** dw (N,K) = [dw +] dyᵀ·x; the rows of the core are the columns of dy. */
export function linear_grad_w(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const t = scalar(o, T), k = scalar(o, K), n = scalar(o, N);
  if (!has(o, 0, extent(t, n)) || !has(o, 1, extent(t, k)) || !has(o, 2, extent(n, k))) return failed();
  if (!has_scratch(o, block_scratch(t, 1))) return failed();
  const code = check_units(o, begin, end, <u64>units(k));
  if (code) return code;
  const dy = address(o, 0), x = address(o, 1), dw = address(o, 2);
  const block = scratch + TILE_BYTES, dy_row = <usize>n << 2, dw_row = <usize>k << 2;
  for (let u = begin; u < end; u++) {
    let acc = scalar(o, ACC) != 0, from = 0;
    do {
      const depth = min(BLOCK, t - from);
      pack_columns(x, k, u, from, depth, 1, block);
      const out = dw + (<usize>u << 6);
      multiply_panel(n, depth, dy + <usize>from * dy_row, 4, dy_row, block, out, dw_row, k - (u << 4), acc, scratch);
      acc = true;
      from += BLOCK;
    } while (from < t);
  }
  return ERROR_NONE;
}

export function linear_f32(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return forward(F32, o, begin, end, scratch);
}

export function linear_f32_r16(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return forward(F32_R16, o, begin, end, scratch);
}

export function linear_f16_r16(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return forward(F16_R16, o, begin, end, scratch);
}

export function linear_q8_0_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return forward(Q8_0_R8, o, begin, end, scratch);
}

export function linear_q4_0_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return forward(Q4_0_R8, o, begin, end, scratch);
}

export function linear_grad_x_f32(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return grad_x(F32, o, begin, end, scratch);
}

export function linear_grad_x_f32_r16(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return grad_x(F32_R16, o, begin, end, scratch);
}

export function linear_grad_x_f16_r16(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return grad_x(F16_R16, o, begin, end, scratch);
}

export function linear_grad_x_q8_0_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return grad_x(Q8_0_R8, o, begin, end, scratch);
}

export function linear_grad_x_q4_0_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return grad_x(Q4_0_R8, o, begin, end, scratch);
}

export function linear_bf16_r16(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return forward(BF16_R16, o, begin, end, scratch);
}

export function linear_grad_x_bf16_r16(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return grad_x(BF16_R16, o, begin, end, scratch);
}

export function linear_q4_1_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return forward(Q4_1_R8, o, begin, end, scratch);
}

export function linear_grad_x_q4_1_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return grad_x(Q4_1_R8, o, begin, end, scratch);
}

export function linear_q5_0_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return forward(Q5_0_R8, o, begin, end, scratch);
}

export function linear_grad_x_q5_0_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return grad_x(Q5_0_R8, o, begin, end, scratch);
}

export function linear_q5_1_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return forward(Q5_1_R8, o, begin, end, scratch);
}

export function linear_grad_x_q5_1_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return grad_x(Q5_1_R8, o, begin, end, scratch);
}

export function linear_q4_k_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return forward(Q4_K_R8, o, begin, end, scratch);
}

export function linear_grad_x_q4_k_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return grad_x(Q4_K_R8, o, begin, end, scratch);
}

export function linear_q5_k_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return forward(Q5_K_R8, o, begin, end, scratch);
}

export function linear_grad_x_q5_k_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return grad_x(Q5_K_R8, o, begin, end, scratch);
}

export function linear_q6_k_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return forward(Q6_K_R8, o, begin, end, scratch);
}

export function linear_grad_x_q6_k_r8(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return grad_x(Q6_K_R8, o, begin, end, scratch);
}
