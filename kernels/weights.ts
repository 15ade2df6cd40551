/** The weight dtypes of linears and embeddings: how many bytes, and how their parts are decoded. */
import { extent } from "./extent";
import { columns_f16_r16, panel_f16_r16, row_f16_r16 } from "./weight_f16";
import { columns_f32_r16, pack_columns, pack_rows, panel_f32_r16, row_f32_r16 } from "./weight_f32";
import { columns_q4_0_r8, panel_q4_0_r8, Q4_0_R8_BYTES, row_q4_0_r8 } from "./weight_q4_0";
import { columns_q8_0_r8, panel_q8_0_r8, Q8_0_R8_BYTES, row_q8_0_r8 } from "./weight_q8_0";

export const F32: i32 = 0; // row-major
export const F32_R16: i32 = 1;
export const F16_R16: i32 = 2;
export const Q8_0_R8: i32 = 3;
export const Q4_0_R8: i32 = 4;

/** Columns of a row come in blocks of this many. */
// @ts-ignore: decorator
@inline
export function block_size(dtype: i32): i32 {
  return dtype >= Q8_0_R8 ? 32 : 1;
}

/** Rows that `columns` decodes at a time, also where fewer are asked for. */
export function group_rows(dtype: i32): i32 {
  if (dtype == F32) return 1;
  return dtype >= Q8_0_R8 ? 8 : 4;
}

/** Bytes of a weight (n, k), k a multiple of block_size. */
export function weight_bytes(dtype: i32, n: i32, k: i32): u64 {
  if (dtype == F32) return extent(n, k);
  const padded = n < 0 || n > i32.MAX_VALUE - 15 ? -1 : (n + 15) & ~15;
  if (dtype == F32_R16) return extent(padded, k);
  if (dtype == F16_R16) return extent(padded, k) >> 1;
  const block = dtype == Q8_0_R8 ? Q8_0_R8_BYTES : Q4_0_R8_BYTES;
  return extent(padded >> 3, k >> 5, <i32>(block >> 2));
}

/** The panel [depth][16] of rows 16·unit… at k = from…: in `scratch`, or where it stands. */
export function panel(dtype: i32, w: usize, n: i32, k: i32, unit: i32, from: i32, depth: i32, scratch: usize): usize {
  if (dtype == F32_R16) return panel_f32_r16(w, k, unit, from);
  if (dtype == F32) pack_rows(w, n, k, unit, from, depth, 1, scratch);
  else if (dtype == F16_R16) panel_f16_r16(w, k, unit, from, depth, scratch);
  else if (dtype == Q8_0_R8) panel_q8_0_r8(w, k, unit, from, depth, scratch);
  else panel_q4_0_r8(w, k, unit, from, depth, scratch);
  return scratch;
}

/** The panel [depth][16] of columns 16·unit… of rows from…, in `scratch`. */
export function columns(dtype: i32, w: usize, k: i32, unit: i32, from: i32, depth: i32, scratch: usize): void {
  if (dtype == F32) pack_columns(w, k, unit, from, depth, 1, scratch);
  else if (dtype == F32_R16) columns_f32_r16(w, k, unit, from, depth, scratch);
  else if (dtype == F16_R16) columns_f16_r16(w, k, unit, from, depth, scratch);
  else if (dtype == Q8_0_R8) columns_q8_0_r8(w, k, unit, from, depth, scratch);
  else columns_q4_0_r8(w, k, unit, from, depth, scratch);
}

/** y[k] = row `row` of w. */
export function decode_row(dtype: i32, w: usize, k: i32, row: i32, y: usize): void {
  if (dtype == F32) memory.copy(y, w + (<usize>row * <usize>k << 2), <usize>k << 2);
  else if (dtype == F32_R16) row_f32_r16(w, k, row, y);
  else if (dtype == F16_R16) row_f16_r16(w, k, row, y);
  else if (dtype == Q8_0_R8) row_q8_0_r8(w, k, row, y);
  else row_q4_0_r8(w, k, row, y);
}
