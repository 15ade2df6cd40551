/**
 * q4_0_r8: 8 output rows × 32 k in 160 bytes, blocks ordered [N/8][K/32], N padded to a multiple of 16:
 *   8 f32 scales │ 4 chunks of 32 B; chunk c: rows 0–3 × 4 bytes, then rows 4–7;
 *   byte j of a row: low nibble = k 8c+j, high nibble = k 8c+4+j, each nibble = value + 8
 */
import { PAGE, PAGE_EIGHT, PAGE_NIBBLE } from "./constants";
import { PANEL_ROW } from "./panels";
import { store_by_k, store_by_row } from "./weight_q8_0";

export const Q4_0_R8_BYTES: usize = 160;

/** out[d][r] = w[16·unit + r][from + d]; `from` and `depth` are multiples of 32. */
export function panel_q4_0_r8(w: usize, k: i32, unit: i32, from: i32, depth: i32, out: usize): void {
  const blocks = <usize>(k >> 5);
  const mask = v128.load(PAGE + PAGE_NIBBLE), eight = v128.load(PAGE + PAGE_EIGHT);
  for (let half: usize = 0; half < 2; half++) {
    let block = w + ((<usize>(unit << 1) + half) * blocks + <usize>(from >> 5)) * Q4_0_R8_BYTES;
    let to = out + (half << 5);
    for (let d = 0; d < depth; d += 32, block += Q4_0_R8_BYTES) {
      const s0 = v128.load(block), s1 = v128.load(block, 16);
      const end = block + Q4_0_R8_BYTES;
      for (let chunk = block + 32; chunk < end; chunk += 32, to += PANEL_ROW << 3) {
        const v0 = v128.load(chunk), v1 = v128.load(chunk, 16);
        store_by_k(i8x16.sub(v128.and(v0, mask), eight), s0, to);
        store_by_k(i8x16.sub(v128.and(v1, mask), eight), s1, to + 16);
        store_by_k(i8x16.sub(i8x16.shr_u(v0, 4), eight), s0, to + (PANEL_ROW << 2));
        store_by_k(i8x16.sub(i8x16.shr_u(v1, 4), eight), s1, to + (PANEL_ROW << 2) + 16);
      }
    }
  }
}

/** out[d][c] = w[from + d][16·unit + c]; `from` is a multiple of 8; whole groups of 8 rows are written. */
export function columns_q4_0_r8(w: usize, k: i32, unit: i32, from: i32, depth: i32, out: usize): void {
  const pitch = <usize>(k >> 5) * Q4_0_R8_BYTES;
  const mask = v128.load(PAGE + PAGE_NIBBLE), eight = v128.load(PAGE + PAGE_EIGHT);
  let block = w + <usize>(from >> 3) * pitch + <usize>(unit >> 1) * Q4_0_R8_BYTES;
  for (; depth > 0; depth -= 8, block += pitch, out += PANEL_ROW << 3) {
    const chunks = block + 32 + (<usize>(unit & 1) << 6); // 16 columns are half a block: 2 chunks
    for (let c: usize = 0; c < 2; c++) {
      const v0 = v128.load(chunks + (c << 5)), v1 = v128.load(chunks + (c << 5), 16);
      const to = out + (c << 5), below = to + (PANEL_ROW << 2);
      store_by_row(i8x16.sub(v128.and(v0, mask), eight), block, to);
      store_by_row(i8x16.sub(i8x16.shr_u(v0, 4), eight), block, to + 16);
      store_by_row(i8x16.sub(v128.and(v1, mask), eight), block + 16, below);
      store_by_row(i8x16.sub(i8x16.shr_u(v1, 4), eight), block + 16, below + 16);
    }
  }
}

/** y[k] = row `row`. */
export function row_q4_0_r8(w: usize, k: i32, row: i32, y: usize): void {
  const r = <usize>(row & 7);
  let block = w + <usize>(row >> 3) * <usize>(k >> 5) * Q4_0_R8_BYTES;
  for (; k > 0; k -= 32, block += Q4_0_R8_BYTES) {
    const scale = load<f32>(block + (r << 2));
    for (let i: usize = 0; i < 32; i++, y += 4) {
      const byte = <i32>load<u8>(block + 32 + (i >> 3 << 5) + (r << 2) + (i & 3));
      store<f32>(y, scale * <f32>((i & 4 ? byte >> 4 : byte & 15) - 8));
    }
  }
}
