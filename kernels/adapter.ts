/**
 * Linears whose weight is chosen per sequence from a bank of adapters (LoRA: Hu et al. 2021, arXiv:2106.09685), so that
 * users with different adapters share a batch. A row's result depends on its own sequence only.
 *   y = [y +] (scale·W)·x      dx = [dx +] (scale·W)ᵀ·dy      dW = [dW +] Σ dy·(scale·x), rows ascending
 * The scale enters where a panel is packed, so that the core is the linears' own. `scaled` 0 means scale 1.
 * Rows of no sequence, or of one without adapter, add nothing (and are 0 without acc).
 */
import { check_units, extent } from "./extent";
import {
  ERROR_NONE, ERROR_SEQUENCE, NO_ADAPTER, SEQUENCE_ADAPTER, SEQUENCE_BYTES, SEQUENCE_FIRST_ROW, SEQUENCE_ROWS,
  SEQUENCE_SCALE,
} from "./layout";
import { address, fail, failed, has, has_scratch, scalar } from "./operands";
import { BLOCK, block_scratch, multiply_panel, TILE_BYTES, units } from "./panels";
import { pack_columns, pack_rows } from "./weight_f32";

const SEQUENCES: usize = 3;
const T: usize = 4;
const S: usize = 5;
const K: usize = 6;
const N: usize = 7;
const ADAPTERS: usize = 8;
const ACC: usize = 9;
const SCALED: usize = 10;

/** Every entry names rows and an adapter that exist. */
function check_sequences(o: usize): i32 {
  const s = scalar(o, S), t = <u64>scalar(o, T), adapters = <u32>scalar(o, ADAPTERS);
  if (!has(o, SEQUENCES, extent(s, <i32>(SEQUENCE_BYTES >> 2)))) return failed();
  let entry = address(o, SEQUENCES);
  for (let i = 0; i < s; i++, entry += SEQUENCE_BYTES) {
    const last = <u64>load<u32>(entry, SEQUENCE_FIRST_ROW) + <u64>load<u32>(entry, SEQUENCE_ROWS);
    if (last > t) return fail(o, ERROR_SEQUENCE, <i32>SEQUENCES, last, t);
    const adapter = load<u32>(entry, SEQUENCE_ADAPTER);
    if (adapter >= adapters && adapter != <u32>NO_ADAPTER)
      return fail(o, ERROR_SEQUENCE, <i32>SEQUENCES, <u64>adapter, <u64>adapters);
  }
  return ERROR_NONE;
}

// @ts-ignore: decorator
@inline
function scale_of(o: usize, entry: usize): f32 {
  return scalar(o, SCALED) ? load<f32>(entry, SEQUENCE_SCALE) : 1;
}

/** Forward (transposed false: K to N columns) and grad_x (true: N to K). */
function product(transposed: bool, o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const t = scalar(o, T), k = scalar(o, K), n = scalar(o, N);
  const from = transposed ? n : k, to = transposed ? k : n;
  if (!has(o, 0, extent(t, from)) || !has(o, 1, extent(scalar(o, ADAPTERS), n, k))) return failed();
  if (!has(o, 2, extent(t, to)) || !has_scratch(o, block_scratch(from, 1))) return failed();
  let code = check_units(o, begin, end, <u64>t);
  if (!code) code = check_sequences(o);
  if (code) return code;
  const y = address(o, 2), pitch = <usize>to << 2;
  if (!scalar(o, ACC)) memory.fill(y + <usize>begin * pitch, 0, <usize>(end - begin) * pitch);
  let entry = address(o, SEQUENCES);
  for (let i = scalar(o, S); i > 0; i--, entry += SEQUENCE_BYTES) {
    const first_row = load<u32>(entry, SEQUENCE_FIRST_ROW);
    const first = max(begin, <i32>first_row), last = min(end, <i32>(first_row + load<u32>(entry, SEQUENCE_ROWS)));
    const adapter = load<u32>(entry, SEQUENCE_ADAPTER);
    if (first >= last || adapter == <u32>NO_ADAPTER) continue;
    const w = address(o, 1) + (<usize>adapter * <usize>n * <usize>k << 2);
    const x = address(o, 0) + (<usize>first * <usize>from << 2), rows_y = y + <usize>first * pitch;
    add_product(transposed, last - first, x, w, n, k, scale_of(o, entry), rows_y, scratch);
  }
  return ERROR_NONE;
}

/** y (rows, N) += (scale·W)·x, or with W transposed y (rows, K). */
function add_product(
  transposed: bool, rows: i32, x: usize, w: usize, n: i32, k: i32, scale: f32, y: usize, scratch: usize,
): void {
  const inner = transposed ? n : k, outer = transposed ? k : n;
  const block = scratch + TILE_BYTES, x_row = <usize>inner << 2, y_row = <usize>outer << 2;
  for (let u = 0; u < units(outer); u++) {
    for (let from = 0; from < inner; from += BLOCK) {
      const depth = min(BLOCK, inner - from);
      if (transposed) pack_columns(w, k, u, from, depth, scale, block);
      else pack_rows(w, n, k, u, from, depth, scale, block);
      const x_block = x + (<usize>from << 2), out = y + (<usize>u << 6);
      multiply_panel(rows, depth, x_block, x_row, 4, block, out, y_row, outer - (u << 4), true, scratch);
    }
  }
}

export function adapter_linear(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return product(false, o, begin, end, scratch);
}

export function adapter_linear_grad_x(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return product(true, o, begin, end, scratch);
}

export function adapter_linear_grad_w(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const t = scalar(o, T), k = scalar(o, K), n = scalar(o, N), adapters = scalar(o, ADAPTERS);
  if (!has(o, 0, extent(t, n)) || !has(o, 1, extent(t, k)) || !has(o, 2, extent(adapters, n, k))) return failed();
  if (!has_scratch(o, block_scratch(t, 1))) return failed();
  let code = check_units(o, begin, end, <u64>units(k));
  if (!code) code = check_sequences(o);
  if (code) return code;
  for (let u = begin; u < end; u++) {
    if (!scalar(o, ACC)) clear_columns(address(o, 2), adapters * n, k, u);
    let entry = address(o, SEQUENCES);
    for (let i = scalar(o, S); i > 0; i--, entry += SEQUENCE_BYTES)
      if (load<u32>(entry, SEQUENCE_ADAPTER) != <u32>NO_ADAPTER) add_sequence(o, entry, u, scratch);
  }
  return ERROR_NONE;
}

/** Columns 16·unit… of dW of one sequence's adapter. */
function add_sequence(o: usize, entry: usize, unit: i32, scratch: usize): void {
  const k = scalar(o, K), n = scalar(o, N), dy_row = <usize>n << 2;
  const block = scratch + TILE_BYTES;
  const bank = address(o, 2) + (<usize>load<u32>(entry, SEQUENCE_ADAPTER) * <usize>n * <usize>k << 2);
  const dw = bank + (<usize>unit << 6);
  let row = load<i32>(entry, SEQUENCE_FIRST_ROW);
  for (let rows = load<i32>(entry, SEQUENCE_ROWS); rows > 0; rows -= BLOCK, row += BLOCK) {
    const depth = min(rows, BLOCK);
    pack_columns(address(o, 1), k, unit, row, depth, scale_of(o, entry), block);
    const dy = address(o, 0) + <usize>row * dy_row;
    multiply_panel(n, depth, dy, 4, dy_row, block, dw, <usize>k << 2, k - (unit << 4), true, scratch);
  }
}

function clear_columns(w: usize, rows: i32, k: i32, unit: i32): void {
  const bytes = <usize>min(k - (unit << 4), 16) << 2;
  let row = w + (<usize>unit << 6);
  for (; rows > 0; rows--, row += <usize>k << 2) memory.fill(row, 0, bytes);
}
