/**
 * q8_0_r8: 8 output rows × 32 k in 288 bytes, blocks ordered [N/8][K/32], N padded to a multiple of 16:
 *   8 f32 scales │ 8 chunks of 32 B; chunk c: rows 0–3 × k 4c…4c+3, then rows 4–7, row-major int8
 */
import { block_bytes, Q8_0_R8 } from "./blocks";
import { PANEL_ROW } from "./panels";

/**
 * Four rows × four k of int8, row-major, row r times lane r of `scale` [+ lane r of `min`], into four steps of a panel:
 * out[k][r]. `has_min` is a constant of the caller.
 */
// @ts-ignore: decorator
@inline
export function store_by_k(bytes: v128, scale: v128, has_min: bool, min: v128, out: usize): void {
  const t = v128.shuffle<i8>(bytes, bytes, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const low = i16x8.extend_low_i8x16_s(t), high = i16x8.extend_high_i8x16_s(t);
  v128.store(out, scaled(i32x4.extend_low_i16x8_s(low), scale, has_min, min));
  v128.store(out, scaled(i32x4.extend_high_i16x8_s(low), scale, has_min, min), 64);
  v128.store(out, scaled(i32x4.extend_low_i16x8_s(high), scale, has_min, min), 128);
  v128.store(out, scaled(i32x4.extend_high_i16x8_s(high), scale, has_min, min), 192);
}

/** The same into a panel of columns: out[r][k]. */
// @ts-ignore: decorator
@inline
export function store_by_row(bytes: v128, scale: v128, has_min: bool, min: v128, out: usize): void {
  const low = i16x8.extend_low_i8x16_s(bytes), high = i16x8.extend_high_i8x16_s(bytes);
  const s0 = v128.shuffle<i32>(scale, scale, 0, 0, 0, 0), s1 = v128.shuffle<i32>(scale, scale, 1, 1, 1, 1);
  const s2 = v128.shuffle<i32>(scale, scale, 2, 2, 2, 2), s3 = v128.shuffle<i32>(scale, scale, 3, 3, 3, 3);
  const m0 = v128.shuffle<i32>(min, min, 0, 0, 0, 0), m1 = v128.shuffle<i32>(min, min, 1, 1, 1, 1);
  const m2 = v128.shuffle<i32>(min, min, 2, 2, 2, 2), m3 = v128.shuffle<i32>(min, min, 3, 3, 3, 3);
  v128.store(out, scaled(i32x4.extend_low_i16x8_s(low), s0, has_min, m0));
  v128.store(out, scaled(i32x4.extend_high_i16x8_s(low), s1, has_min, m1), 64);
  v128.store(out, scaled(i32x4.extend_low_i16x8_s(high), s2, has_min, m2), 128);
  v128.store(out, scaled(i32x4.extend_high_i16x8_s(high), s3, has_min, m3), 192);
}

// @ts-ignore: decorator
@inline
function scaled(ints: v128, scale: v128, has_min: bool, min: v128): v128 {
  const product = f32x4.mul(scale, f32x4.convert_i32x4_s(ints));
  return has_min ? f32x4.add(product, min) : product;
}

/** out[d][r] = w[16·unit + r][from + d]; `from` and `depth` are multiples of 32. */
export function panel_q8_0_r8(w: usize, k: i32, unit: i32, from: i32, depth: i32, out: usize): void {
  const blocks = <usize>(k >> 5);
  for (let half: usize = 0; half < 2; half++) {
    let block = w + ((<usize>(unit << 1) + half) * blocks + <usize>(from >> 5)) * block_bytes(Q8_0_R8);
    let to = out + (half << 5);
    for (let d = 0; d < depth; d += 32, block += block_bytes(Q8_0_R8)) {
      const s0 = v128.load(block), s1 = v128.load(block, 16);
      const end = block + block_bytes(Q8_0_R8);
      for (let chunk = block + 32; chunk < end; chunk += 32, to += PANEL_ROW << 2) {
        store_by_k(v128.load(chunk), s0, false, s0, to);
        store_by_k(v128.load(chunk, 16), s1, false, s1, to + 16);
      }
    }
  }
}

/** out[d][c] = w[from + d][16·unit + c]; `from` is a multiple of 8; whole groups of 8 rows are written. */
export function columns_q8_0_r8(w: usize, k: i32, unit: i32, from: i32, depth: i32, out: usize): void {
  const pitch = <usize>(k >> 5) * block_bytes(Q8_0_R8);
  let block = w + <usize>(from >> 3) * pitch + <usize>(unit >> 1) * block_bytes(Q8_0_R8);
  for (; depth > 0; depth -= 8, block += pitch, out += PANEL_ROW << 3) {
    const chunks = block + 32 + (<usize>(unit & 1) << 7); // 16 columns are half a block: 4 chunks
    const s0 = v128.load(block), s1 = v128.load(block, 16);
    for (let c: usize = 0; c < 4; c++) {
      store_by_row(v128.load(chunks + (c << 5)), s0, false, s0, out + (c << 4));
      store_by_row(v128.load(chunks + (c << 5), 16), s1, false, s1, out + (c << 4) + (PANEL_ROW << 2));
    }
  }
}

/** y[k] = row `row`. */
export function row_q8_0_r8(w: usize, k: i32, row: i32, y: usize): void {
  const r = <usize>(row & 7);
  let block = w + <usize>(row >> 3) * <usize>(k >> 5) * block_bytes(Q8_0_R8);
  for (; k > 0; k -= 32, block += block_bytes(Q8_0_R8)) {
    const scale = load<f32>(block + (r << 2));
    for (let i: usize = 0; i < 32; i++, y += 4)
      store<f32>(y, scale * <f32>load<i8>(block + 32 + (i >> 2 << 5) + (r << 2) + (i & 3)));
  }
}
