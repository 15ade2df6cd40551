/** Panels, columns, rows and unpacked integers of the dtypes of 4, 5 and 6 bits: one text, one instance a dtype. */
import {
  factors, group_bytes, has_min, header_at, high, low, min_of, mins, next, nibbles_at, Q4_0_R8, Q4_1_R8, Q4_K_R8,
  Q5_0_R8, Q5_1_R8, Q5_K_R8, Q6_K_R8, scale_of, scales, upper, upper_at, upper_bits, upper_mask, zero_point, zero_shift,
} from "./blocks";
import { PAGE, PAGE_NIBBLE } from "./constants";
import { PANEL_ROW } from "./panels";
import { store_by_k, store_by_row } from "./weight_q8_0";

// @ts-ignore: decorator
@inline
function signed(dtype: i32, q: v128, zero: v128): v128 {
  return has_min(dtype) ? q : i8x16.sub(q, zero);
}

// @ts-ignore: decorator
@inline
function min_or_none(dtype: i32, group: usize, b: i32, rows: usize): v128 {
  return has_min(dtype) ? mins(dtype, group, b, rows) : i32x4.splat(0);
}

// @ts-ignore: decorator
@inline
function panel_instance(dtype: i32, w: usize, k: i32, unit: i32, from: i32, depth: i32, out: usize): void {
  const nibble = v128.load(PAGE + PAGE_NIBBLE), above = upper_mask(dtype), zero = zero_point(dtype);
  const min = has_min(dtype);
  const last = (from + depth) >> 5;
  for (let half: usize = 0; half < 2; half++) {
    const group = w + (<usize>(unit << 1) + half) * group_bytes(dtype, k);
    let to = out + (half << 5);
    for (let b = from >> 5; b < last; b++) {
      const m0 = min_or_none(dtype, group, b, 0), m1 = min_or_none(dtype, group, b, 1);
      for (let sixteen = 0; sixteen < 2; sixteen++) {
        const s0 = scales(dtype, group, b, sixteen, 0), s1 = scales(dtype, group, b, sixteen, 1);
        let t0 = upper(dtype, group, b, sixteen, 0), t1 = upper(dtype, group, b, sixteen, 1);
        let chunk = nibbles_at(dtype, group, b) + (<usize>sixteen << 6);
        for (const end = chunk + 64; chunk < end; chunk += 32, to += PANEL_ROW << 3) {
          const v0 = v128.load(chunk), v1 = v128.load(chunk, 16), below = to + (PANEL_ROW << 2);
          store_by_k(signed(dtype, low(dtype, v0, t0, nibble, above), zero), s0, min, m0, to);
          store_by_k(signed(dtype, low(dtype, v1, t1, nibble, above), zero), s1, min, m1, to + 16);
          store_by_k(signed(dtype, high(dtype, v0, t0, nibble, above), zero), s0, min, m0, below);
          store_by_k(signed(dtype, high(dtype, v1, t1, nibble, above), zero), s1, min, m1, below + 16);
          t0 = next(dtype, t0); t1 = next(dtype, t1);
        }
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function columns_instance(dtype: i32, w: usize, k: i32, unit: i32, from: i32, depth: i32, out: usize): void {
  const nibble = v128.load(PAGE + PAGE_NIBBLE), above = upper_mask(dtype), zero = zero_point(dtype);
  const min = has_min(dtype);
  const pitch = group_bytes(dtype, k), b = unit >> 1, sixteen = unit & 1;
  let group = w + <usize>(from >> 3) * pitch;
  for (; depth > 0; depth -= 8, group += pitch, out += PANEL_ROW << 3) {
    const s0 = scales(dtype, group, b, sixteen, 0), s1 = scales(dtype, group, b, sixteen, 1);
    const m0 = min_or_none(dtype, group, b, 0), m1 = min_or_none(dtype, group, b, 1);
    let t0 = upper(dtype, group, b, sixteen, 0), t1 = upper(dtype, group, b, sixteen, 1);
    let chunk = nibbles_at(dtype, group, b) + (<usize>sixteen << 6), to = out; // 16 columns are two chunks
    for (const end = chunk + 64; chunk < end; chunk += 32, to += 32) {
      const v0 = v128.load(chunk), v1 = v128.load(chunk, 16), below = to + (PANEL_ROW << 2);
      store_by_row(signed(dtype, low(dtype, v0, t0, nibble, above), zero), s0, min, m0, to);
      store_by_row(signed(dtype, high(dtype, v0, t0, nibble, above), zero), s0, min, m0, to + 16);
      store_by_row(signed(dtype, low(dtype, v1, t1, nibble, above), zero), s1, min, m1, below);
      store_by_row(signed(dtype, high(dtype, v1, t1, nibble, above), zero), s1, min, m1, below + 16);
      t0 = next(dtype, t0); t1 = next(dtype, t1);
    }
  }
}

/** Integer of row r and column i of a block. */
// @ts-ignore: decorator
@inline
function integer(dtype: i32, group: usize, b: i32, r: usize, i: usize): i32 {
  const place = (r << 2) + (i & 3);
  let q = <i32>(load<u8>(nibbles_at(dtype, group, b) + (i >> 3 << 5) + place) >> <u8>(i & 4)) & 15;
  if (upper_bits(dtype) == 1)
    q |= (<i32>load<u8>(upper_at(dtype, group, b) + place) >> <i32>(i >> 2) & 1) << 4;
  if (upper_bits(dtype) == 2)
    q |= (<i32>load<u8>(upper_at(dtype, group, b) + (i >> 4 << 5) + place) >> <i32>(i >> 2 & 3) * 2 & 3) << 4;
  return has_min(dtype) ? q : q - (1 << zero_shift(dtype));
}

// @ts-ignore: decorator
@inline
function row_instance(dtype: i32, w: usize, k: i32, row: i32, y: usize): void {
  const group = w + <usize>(row >> 3) * group_bytes(dtype, k), r = <usize>(row & 7), blocks = k >> 5;
  for (let b = 0; b < blocks; b++) {
    for (let i: usize = 0; i < 32; i++, y += 4) {
      const product = scale_of(dtype, group, b, <i32>(i >> 4), r) * <f32>integer(dtype, group, b, r, i);
      store<f32>(y, has_min(dtype) ? product + min_of(dtype, group, b, r) : product);
    }
  }
}

/**
 * Bytes of 8 rows × 32 k of unpacked integers, as q8_0_r8 but for the header:
 *   8 f32 scales │ with a min: 8 f32 mins; q6_k: 2 × 8 i32 factors │ 8 chunks of 32 int8
 */
// @ts-ignore: decorator
@inline
export function unpacked_bytes(dtype: i32): usize {
  return unpacked_header(dtype) + 256;
}

// @ts-ignore: decorator
@inline
function unpacked_header(dtype: i32): usize {
  return dtype == Q6_K_R8 ? 96 : has_min(dtype) ? 64 : 32;
}

// @ts-ignore: decorator
@inline
function unpack_instance(dtype: i32, blocks: i32, group: usize, out: usize): void {
  const nibble = v128.load(PAGE + PAGE_NIBBLE), above = upper_mask(dtype), zero = zero_point(dtype);
  for (let b = 0; b < blocks; b++) {
    unpack_header(dtype, group, b, out);
    out += unpacked_header(dtype);
    for (let sixteen = 0; sixteen < 2; sixteen++) {
      let t0 = upper(dtype, group, b, sixteen, 0), t1 = upper(dtype, group, b, sixteen, 1);
      let chunk = nibbles_at(dtype, group, b) + (<usize>sixteen << 6);
      for (const end = chunk + 64; chunk < end; chunk += 32, out += 64) {
        const v0 = v128.load(chunk), v1 = v128.load(chunk, 16);
        v128.store(out, signed(dtype, low(dtype, v0, t0, nibble, above), zero));
        v128.store(out, signed(dtype, low(dtype, v1, t1, nibble, above), zero), 16);
        v128.store(out, signed(dtype, high(dtype, v0, t0, nibble, above), zero), 32);
        v128.store(out, signed(dtype, high(dtype, v1, t1, nibble, above), zero), 48);
        t0 = next(dtype, t0); t1 = next(dtype, t1);
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function unpack_header(dtype: i32, group: usize, b: i32, out: usize): void {
  if (dtype == Q6_K_R8) {
    const at = header_at(dtype, group, b);
    v128.store(out, v128.load(at)); v128.store(out, v128.load(at, 16), 16);
    v128.store(out, factors(group, b, 0, 0), 32); v128.store(out, factors(group, b, 0, 1), 48);
    v128.store(out, factors(group, b, 1, 0), 64); v128.store(out, factors(group, b, 1, 1), 80);
    return;
  }
  v128.store(out, scales(dtype, group, b, 0, 0)); v128.store(out, scales(dtype, group, b, 0, 1), 16);
  if (!has_min(dtype)) return;
  v128.store(out, mins(dtype, group, b, 0), 32); v128.store(out, mins(dtype, group, b, 1), 48);
}

/** out[d][r] = w[16·unit + r][from + d]; `from` and `depth` are multiples of 32. */
export function panel_blocks(dtype: i32, w: usize, k: i32, unit: i32, from: i32, depth: i32, out: usize): void {
  switch (dtype) {
    case Q4_0_R8: panel_instance(Q4_0_R8, w, k, unit, from, depth, out); break;
    case Q4_1_R8: panel_instance(Q4_1_R8, w, k, unit, from, depth, out); break;
    case Q5_0_R8: panel_instance(Q5_0_R8, w, k, unit, from, depth, out); break;
    case Q5_1_R8: panel_instance(Q5_1_R8, w, k, unit, from, depth, out); break;
    case Q4_K_R8: panel_instance(Q4_K_R8, w, k, unit, from, depth, out); break;
    case Q5_K_R8: panel_instance(Q5_K_R8, w, k, unit, from, depth, out); break;
    case Q6_K_R8: panel_instance(Q6_K_R8, w, k, unit, from, depth, out); break;
  }
}

/** out[d][c] = w[from + d][16·unit + c]; `from` is a multiple of 8; whole groups of 8 rows are written. */
export function columns_blocks(dtype: i32, w: usize, k: i32, unit: i32, from: i32, depth: i32, out: usize): void {
  switch (dtype) {
    case Q4_0_R8: columns_instance(Q4_0_R8, w, k, unit, from, depth, out); break;
    case Q4_1_R8: columns_instance(Q4_1_R8, w, k, unit, from, depth, out); break;
    case Q5_0_R8: columns_instance(Q5_0_R8, w, k, unit, from, depth, out); break;
    case Q5_1_R8: columns_instance(Q5_1_R8, w, k, unit, from, depth, out); break;
    case Q4_K_R8: columns_instance(Q4_K_R8, w, k, unit, from, depth, out); break;
    case Q5_K_R8: columns_instance(Q5_K_R8, w, k, unit, from, depth, out); break;
    case Q6_K_R8: columns_instance(Q6_K_R8, w, k, unit, from, depth, out); break;
  }
}

/** y[k] = row `row`. */
export function row_blocks(dtype: i32, w: usize, k: i32, row: i32, y: usize): void {
  switch (dtype) {
    case Q4_0_R8: row_instance(Q4_0_R8, w, k, row, y); break;
    case Q4_1_R8: row_instance(Q4_1_R8, w, k, row, y); break;
    case Q5_0_R8: row_instance(Q5_0_R8, w, k, row, y); break;
    case Q5_1_R8: row_instance(Q5_1_R8, w, k, row, y); break;
    case Q4_K_R8: row_instance(Q4_K_R8, w, k, row, y); break;
    case Q5_K_R8: row_instance(Q5_K_R8, w, k, row, y); break;
    case Q6_K_R8: row_instance(Q6_K_R8, w, k, row, y); break;
  }
}

/** Integers and scales of the 8 rows at `group`, unpacked_bytes a block of 32 k. */
export function unpack_blocks(dtype: i32, blocks: i32, group: usize, out: usize): void {
  switch (dtype) {
    case Q4_0_R8: unpack_instance(Q4_0_R8, blocks, group, out); break;
    case Q4_1_R8: unpack_instance(Q4_1_R8, blocks, group, out); break;
    case Q5_0_R8: unpack_instance(Q5_0_R8, blocks, group, out); break;
    case Q5_1_R8: unpack_instance(Q5_1_R8, blocks, group, out); break;
    case Q4_K_R8: unpack_instance(Q4_K_R8, blocks, group, out); break;
    case Q5_K_R8: unpack_instance(Q5_K_R8, blocks, group, out); break;
    case Q6_K_R8: unpack_instance(Q6_K_R8, blocks, group, out); break;
  }
}
