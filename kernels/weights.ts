/** The weight dtypes of linears and embeddings: how many bytes, and how their parts are decoded. */
import { BF16_R16, block_bytes, block_size, F16_R16, F32, F32_R16, Q8_0_R8 } from "./blocks";
import { extent } from "./extent";
import { columns_blocks, panel_blocks, row_blocks } from "./weight_blocks";
import { columns_halves, panel_halves, row_halves } from "./weight_f16";
import { columns_f32_r16, pack_columns, pack_rows, panel_f32_r16, row_f32_r16 } from "./weight_f32";
import { columns_q8_0_r8, panel_q8_0_r8, row_q8_0_r8 } from "./weight_q8_0";

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
  if (dtype < Q8_0_R8) return extent(padded, k) >> 1;
  return extent(padded >> 3, k / block_size(dtype), <i32>(block_bytes(dtype) >> 2));
}

/** The panel [depth][16] of rows 16·unit… at k = from…: in `scratch`, or where it stands. */
export function panel(dtype: i32, w: usize, n: i32, k: i32, unit: i32, from: i32, depth: i32, scratch: usize): usize {
  if (dtype == F32_R16) return panel_f32_r16(w, k, unit, from);
  if (dtype == F32) pack_rows(w, n, k, unit, from, depth, 1, scratch);
  else if (dtype == F16_R16) panel_halves(F16_R16, w, k, unit, from, depth, scratch);
  else if (dtype == BF16_R16) panel_halves(BF16_R16, w, k, unit, from, depth, scratch);
  else if (dtype == Q8_0_R8) panel_q8_0_r8(w, k, unit, from, depth, scratch);
  else panel_blocks(dtype, w, k, unit, from, depth, scratch);
  return scratch;
}

/** The panel [depth][16] of columns 16·unit… of rows from…, in `scratch`. */
export function columns(dtype: i32, w: usize, k: i32, unit: i32, from: i32, depth: i32, scratch: usize): void {
  if (dtype == F32) pack_columns(w, k, unit, from, depth, 1, scratch);
  else if (dtype == F32_R16) columns_f32_r16(w, k, unit, from, depth, scratch);
  else if (dtype == F16_R16) columns_halves(F16_R16, w, k, unit, from, depth, scratch);
  else if (dtype == BF16_R16) columns_halves(BF16_R16, w, k, unit, from, depth, scratch);
  else if (dtype == Q8_0_R8) columns_q8_0_r8(w, k, unit, from, depth, scratch);
  else columns_blocks(dtype, w, k, unit, from, depth, scratch);
}

/** y[k] = row `row` of w. */
export function decode_row(dtype: i32, w: usize, k: i32, row: i32, y: usize): void {
  if (dtype == F32) memory.copy(y, w + (<usize>row * <usize>k << 2), <usize>k << 2);
  else if (dtype == F32_R16) row_f32_r16(w, k, row, y);
  else if (dtype == F16_R16) row_halves(F16_R16, w, k, row, y);
  else if (dtype == BF16_R16) row_halves(BF16_R16, w, k, row, y);
  else if (dtype == Q8_0_R8) row_q8_0_r8(w, k, row, y);
  else row_blocks(dtype, w, k, row, y);
}
