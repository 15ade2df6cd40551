/**
 * Weights in f32. Row-major (N, K) is packed into panels in scratch at every call;
 * f32_r16 is the same panels made once: [N/16][K][16], missing rows zero, read where they stand.
 */
import { PANEL_ROW, store_transposed } from "./panels";

/** Panel of rows 16·unit…: out[d][r] = scale · w[16·unit + r][from + d]; rows past n are zero. */
export function pack_rows(
  w: usize, n: i32, k: i32, unit: i32, from: i32, depth: i32, scale: f32, out: usize,
): void {
  const pitch = <usize>k << 2;
  const rows = min(n - (unit << 4), 16);
  let row = w + (<usize>(unit << 4) * <usize>k + <usize>from << 2);
  let r = 0;
  for (; r + 4 <= rows; r += 4, row += pitch << 2) pack_4_rows(row, pitch, depth, scale, out + (<usize>r << 2));
  for (; r < 16; r++, row += pitch) {
    let to = out + (<usize>r << 2);
    for (let d = 0; d < depth; d++, to += PANEL_ROW)
      store<f32>(to, r < rows ? scale * load<f32>(row + (<usize>d << 2)) : 0);
  }
}

function pack_4_rows(row: usize, pitch: usize, depth: i32, scale: f32, out: usize): void {
  const s = f32x4.splat(scale);
  let a = row, b = a + pitch, c = b + pitch, d = c + pitch;
  for (; depth >= 4; depth -= 4) {
    const va = f32x4.mul(s, v128.load(a)), vb = f32x4.mul(s, v128.load(b));
    store_transposed(va, vb, f32x4.mul(s, v128.load(c)), f32x4.mul(s, v128.load(d)), out, PANEL_ROW);
    a += 16; b += 16; c += 16; d += 16; out += PANEL_ROW << 2;
  }
  for (; depth > 0; depth--) {
    store<f32>(out, scale * load<f32>(a)); store<f32>(out, scale * load<f32>(b), 4);
    store<f32>(out, scale * load<f32>(c), 8); store<f32>(out, scale * load<f32>(d), 12);
    a += 4; b += 4; c += 4; d += 4; out += PANEL_ROW;
  }
}

/** Panel of columns 16·unit…: out[d][c] = scale · w[from + d][16·unit + c]; columns past k are zero. */
export function pack_columns(w: usize, k: i32, unit: i32, from: i32, depth: i32, scale: f32, out: usize): void {
  const pitch = <usize>k << 2;
  const columns = min(k - (unit << 4), 16);
  const s = f32x4.splat(scale);
  let row = w + (<usize>from * <usize>k + <usize>(unit << 4) << 2);
  for (; depth > 0; depth--, row += pitch, out += PANEL_ROW) {
    if (columns == 16) {
      v128.store(out, f32x4.mul(s, v128.load(row)));
      v128.store(out, f32x4.mul(s, v128.load(row, 16)), 16);
      v128.store(out, f32x4.mul(s, v128.load(row, 32)), 32);
      v128.store(out, f32x4.mul(s, v128.load(row, 48)), 48);
    } else {
      for (let c = 0; c < 16; c++)
        store<f32>(out + (<usize>c << 2), c < columns ? scale * load<f32>(row + (<usize>c << 2)) : 0);
    }
  }
}

/** Where the panel of f32_r16 rows 16·unit… begins at depth `from`. */
// @ts-ignore: decorator
@inline
export function panel_f32_r16(w: usize, k: i32, unit: i32, from: i32): usize {
  return w + (<usize>unit * <usize>k + <usize>from) * PANEL_ROW;
}

/** out[d][c] = w[from + d][16·unit + c] out of f32_r16 panels; `from` is a multiple of 16, columns past k are zero. */
export function columns_f32_r16(w: usize, k: i32, unit: i32, from: i32, depth: i32, out: usize): void {
  const columns = min(k - (unit << 4), 16);
  for (let d = 0; d < depth; d += 4, out += PANEL_ROW << 2) {
    const n = from + d;
    let in_panel = panel_f32_r16(w, k, n >> 4, unit << 4) + (<usize>(n & 15) << 2);
    let c = 0;
    for (; c + 4 <= columns; c += 4, in_panel += PANEL_ROW << 2) {
      const a = v128.load(in_panel), b = v128.load(in_panel, 64);
      store_transposed(a, b, v128.load(in_panel, 128), v128.load(in_panel, 192), out + (<usize>c << 2), PANEL_ROW);
    }
    for (; c < 16; c++, in_panel += PANEL_ROW)
      for (let i: usize = 0; i < 4; i++)
        store<f32>(out + i * PANEL_ROW + (<usize>c << 2), c < columns ? load<f32>(in_panel + (i << 2)) : 0);
  }
}

/** y[k] = row `row` of f32_r16 panels. */
export function row_f32_r16(w: usize, k: i32, row: i32, y: usize): void {
  let from = panel_f32_r16(w, k, row >> 4, 0) + (<usize>(row & 15) << 2);
  for (let i = 0; i < k; i++, from += PANEL_ROW, y += 4) store<f32>(y, load<f32>(from));
}
