/**
 * The f32 core that every linear shares: y (rows, 16) = [y +] x (rows, depth) · panel [depth][16].
 * Each output adds its products in ascending order, starting from y or +0, so its bits depend neither on the rows that
 * run with it nor on how the depth is cut into blocks.
 */
import { multiply_add } from "./simd";

/** Columns of a panel: four vectors; 2 rows × 4 vectors are 8 sums, enough to hide the latency of an add. */
export const PANEL: i32 = 16;
/** Bytes of one step of depth in a panel. */
export const PANEL_ROW: usize = 64;
/** Depth of a panel that is decoded into scratch at a time: 256 · 64 B = 16 KiB, half of the smallest usual L1. */
export const BLOCK: i32 = 256;
/** A tile of 2×16 or 4×8 in scratch, for outputs that hang over the last column. */
export const TILE_BYTES: usize = 128;

/** Units of 16 columns. */
// @ts-ignore: decorator
@inline
export function units(columns: i32): i32 {
  return (columns + 15) >> 4;
}

/** Scratch for the tile of the edge and, behind it, a panel that is decoded block by block in groups of `group` rows. */
export function block_scratch(depth: i32, group: i32): usize {
  return TILE_BYTES + (<usize>((min(depth, BLOCK) + group - 1) & -group) << 6);
}

/**
 * Pairs of rows of x, whose elements are `step` bytes apart, times a panel. The loop over pairs is here, not in the
 * caller, because V8 unrolls an inner loop the more the deeper it is nested; and the wasm exports this function,
 * because inlined into its caller it loses registers: together a fifth of the speed.
 */
export function tiles_2x16(
  pairs: i32, depth: i32, x: usize, x_row: usize, step: usize, panel: usize, y: usize, y_row: usize, acc: bool,
): void {
  for (; pairs > 0; pairs--) {
    const below = y + y_row;
    let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
    if (acc) {
      a0 = v128.load(y); a1 = v128.load(y, 16); a2 = v128.load(y, 32); a3 = v128.load(y, 48);
      b0 = v128.load(below); b1 = v128.load(below, 16); b2 = v128.load(below, 32); b3 = v128.load(below, 48);
    }
    let x0 = x, x1 = x + x_row, w = panel;
    for (let d = depth; d > 0; d--) {
      const w0 = v128.load(w), w1 = v128.load(w, 16), w2 = v128.load(w, 32), w3 = v128.load(w, 48);
      const a = v128.load32_splat(x0), b = v128.load32_splat(x1);
      a0 = multiply_add(a0, a, w0); a1 = multiply_add(a1, a, w1);
      a2 = multiply_add(a2, a, w2); a3 = multiply_add(a3, a, w3);
      b0 = multiply_add(b0, b, w0); b1 = multiply_add(b1, b, w1);
      b2 = multiply_add(b2, b, w2); b3 = multiply_add(b3, b, w3);
      x0 += step; x1 += step; w += PANEL_ROW;
    }
    v128.store(y, a0); v128.store(y, a1, 16); v128.store(y, a2, 32); v128.store(y, a3, 48);
    v128.store(below, b0); v128.store(below, b1, 16); v128.store(below, b2, 32); v128.store(below, b3, 48);
    x += x_row << 1;
    y += y_row << 1;
  }
}

export function tile_1x16(depth: i32, x: usize, step: usize, panel: usize, y: usize, acc: bool): void {
  let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0;
  if (acc) { a0 = v128.load(y); a1 = v128.load(y, 16); a2 = v128.load(y, 32); a3 = v128.load(y, 48); }
  for (; depth > 0; depth--) {
    const a = v128.load32_splat(x);
    a0 = multiply_add(a0, a, v128.load(panel)); a1 = multiply_add(a1, a, v128.load(panel, 16));
    a2 = multiply_add(a2, a, v128.load(panel, 32)); a3 = multiply_add(a3, a, v128.load(panel, 48));
    x += step; panel += PANEL_ROW;
  }
  v128.store(y, a0); v128.store(y, a1, 16); v128.store(y, a2, 32); v128.store(y, a3, 48);
}

/** As tiles_2x16, of the panel's first 8 columns: what a low-rank adapter has. */
export function tiles_4x8(
  fours: i32, depth: i32, x: usize, x_row: usize, step: usize, panel: usize, y: usize, y_row: usize, acc: bool,
): void {
  for (; fours > 0; fours--) {
    const y1 = y + y_row, y2 = y1 + y_row, y3 = y2 + y_row;
    let a0 = f32x4.splat(0), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;
    if (acc) {
      a0 = v128.load(y); a1 = v128.load(y, 16); b0 = v128.load(y1); b1 = v128.load(y1, 16);
      c0 = v128.load(y2); c1 = v128.load(y2, 16); d0 = v128.load(y3); d1 = v128.load(y3, 16);
    }
    let x0 = x, x1 = x0 + x_row, x2 = x1 + x_row, x3 = x2 + x_row, w = panel;
    for (let d = depth; d > 0; d--) {
      const w0 = v128.load(w), w1 = v128.load(w, 16);
      const xa = v128.load32_splat(x0), xb = v128.load32_splat(x1);
      a0 = multiply_add(a0, xa, w0); a1 = multiply_add(a1, xa, w1);
      b0 = multiply_add(b0, xb, w0); b1 = multiply_add(b1, xb, w1);
      const xc = v128.load32_splat(x2), xd = v128.load32_splat(x3);
      c0 = multiply_add(c0, xc, w0); c1 = multiply_add(c1, xc, w1);
      d0 = multiply_add(d0, xd, w0); d1 = multiply_add(d1, xd, w1);
      x0 += step; x1 += step; x2 += step; x3 += step; w += PANEL_ROW;
    }
    v128.store(y, a0); v128.store(y, a1, 16); v128.store(y1, b0); v128.store(y1, b1, 16);
    v128.store(y2, c0); v128.store(y2, c1, 16); v128.store(y3, d0); v128.store(y3, d1, 16);
    x += x_row << 2;
    y += y_row << 2;
  }
}

export function tile_1x8(depth: i32, x: usize, step: usize, panel: usize, y: usize, acc: bool): void {
  let a0 = f32x4.splat(0), a1 = a0;
  if (acc) { a0 = v128.load(y); a1 = v128.load(y, 16); }
  for (; depth > 0; depth--) {
    const a = v128.load32_splat(x);
    a0 = multiply_add(a0, a, v128.load(panel)); a1 = multiply_add(a1, a, v128.load(panel, 16));
    x += step; panel += PANEL_ROW;
  }
  v128.store(y, a0); v128.store(y, a1, 16);
}

/** All rows; y has `width` columns, 16 or 8. */
function multiply_rows(
  width: i32, rows: i32, depth: i32, x: usize, x_row: usize, step: usize, panel: usize, y: usize, y_row: usize,
  acc: bool,
): void {
  const tall = width == PANEL ? 2 : 4, left = rows & (tall - 1), done = <usize>(rows - left);
  if (width == PANEL) tiles_2x16(rows >> 1, depth, x, x_row, step, panel, y, y_row, acc);
  else tiles_4x8(rows >> 2, depth, x, x_row, step, panel, y, y_row, acc);
  x += done * x_row;
  y += done * y_row;
  for (let r = 0; r < left; r++, x += x_row, y += y_row) {
    if (width == PANEL) tile_1x16(depth, x, step, panel, y, acc);
    else tile_1x8(depth, x, step, panel, y, acc);
  }
}

/**
 * y (rows, columns; rows `y_row` bytes apart) = [y +] x · panel. Element d of row r of x is at x + r·x_row + d·x_step.
 * Never writes past `columns`: where they are neither 8 nor at least 16, tiles go through `edge` (TILE_BYTES).
 */
export function multiply_panel(
  rows: i32, depth: i32, x: usize, x_row: usize, x_step: usize, panel: usize, y: usize, y_row: usize, columns: i32,
  acc: bool, edge: usize,
): void {
  const width = columns > 8 ? PANEL : 8;
  if (columns >= width) {
    multiply_rows(width, rows, depth, x, x_row, x_step, panel, y, y_row, acc);
    return;
  }
  const tall = width == PANEL ? 2 : 4, edge_row = <usize>width << 2, bytes = <usize>columns << 2;
  for (; rows > 0; rows -= tall) {
    const count = min(rows, tall);
    copy_rows(edge, edge_row, y, y_row, count, bytes);
    multiply_rows(width, count, depth, x, x_row, x_step, panel, edge, edge_row, acc);
    copy_rows(y, y_row, edge, edge_row, count, bytes);
    x += <usize>tall * x_row;
    y += <usize>tall * y_row;
  }
}

function copy_rows(to: usize, to_row: usize, from: usize, from_row: usize, rows: i32, bytes: usize): void {
  for (; rows > 0; rows--, to += to_row, from += from_row) memory.copy(to, from, bytes);
}

/** Stores a 4×4 block transposed: row i of the output, `pitch` bytes apart, is element i of a, b, c, d. */
// @ts-ignore: decorator
@inline
export function store_transposed(a: v128, b: v128, c: v128, d: v128, out: usize, pitch: usize): void {
  const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5), cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const AB = v128.shuffle<i32>(a, b, 2, 6, 3, 7), CD = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(out, v128.shuffle<i64>(ab, cd, 0, 2));
  v128.store(out + pitch, v128.shuffle<i64>(ab, cd, 1, 3));
  v128.store(out + pitch * 2, v128.shuffle<i64>(AB, CD, 0, 2));
  v128.store(out + pitch * 3, v128.shuffle<i64>(AB, CD, 1, 3));
}
