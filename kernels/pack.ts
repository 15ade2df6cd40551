/**
 * From a file's rows to the packed layouts: `rows` output rows of k values, in the file's own format at `src`, become
 * whole units of 16 rows at `dst`; rows that the last unit misses are zero.
 */
import {
  block_bytes, block_size, group_bytes, nibbles_at, Q4_0_R8, Q4_1_R8, Q4_K_R8, Q5_0_R8, Q5_1_R8, Q5_K_R8, Q6_K_R8,
  Q8_0_R8, upper_at, upper_bits,
} from "./blocks";
import { pack_rows } from "./weight_f32";
import { f16_to_f32 } from "./weight_f16";

export function pack_f32_r16(src: usize, dst: usize, rows: i32, k: i32): void {
  for (let unit = 0; unit << 4 < rows; unit++, dst += <usize>k << 6) pack_rows(src, rows, k, unit, 0, k, 1, dst);
}

export function pack_f16_r16(src: usize, dst: usize, rows: i32, k: i32): void {
  const pitch = <usize>k << 1;
  clear_last(dst, rows, pitch << 3);
  for (let r: usize = 0; r < <usize>rows; r++, src += pitch) {
    let to = dst + (r >> 4) * (pitch << 4) + ((r & 15) << 1);
    for (let i: usize = 0; i < pitch; i += 2, to += 32) store<u16>(to, load<u16>(src + i));
  }
}

export function pack_bf16_r16(src: usize, dst: usize, rows: i32, k: i32): void {
  pack_f16_r16(src, dst, rows, k);
}

/** Zeros in the last 16 rows where some are missing; 8 rows are `group` bytes. */
function clear_last(dst: usize, rows: i32, group: usize): void {
  if (rows & 15) memory.fill(dst + <usize>(rows >> 4 << 1) * group, 0, group << 1);
}

export function pack_q8_0_r8(src: usize, dst: usize, rows: i32, k: i32): void {
  const blocks = <usize>(k >> 5), group = group_bytes(Q8_0_R8, k);
  clear_last(dst, rows, group);
  for (let r: usize = 0; r < <usize>rows; r++) {
    let to = dst + (r >> 3) * group + ((r & 7) << 2);
    for (let b: usize = 0; b < blocks; b++, src += file_bytes(Q8_0_R8), to += block_bytes(Q8_0_R8)) {
      store<f32>(to, f16_to_f32(load<u16>(src)));
      for (let c: usize = 0; c < 8; c++) store<u32>(to + 32 + (c << 5), load<u32>(src + 2 + (c << 2)));
    }
  }
}

/** Bytes of one row's block in a file; formats: src/engine/dtypes/file/. */
// @ts-ignore: decorator
@inline
function file_bytes(dtype: i32): usize {
  if (dtype == Q4_0_R8) return 18;
  if (dtype == Q4_1_R8) return 20;
  if (dtype == Q5_0_R8) return 22;
  if (dtype == Q5_1_R8) return 24;
  if (dtype == Q4_K_R8) return 144;
  if (dtype == Q5_K_R8) return 176;
  return dtype == Q6_K_R8 ? 210 : 34;
}

// @ts-ignore: decorator
@inline
function pack_blocks(dtype: i32, src: usize, dst: usize, rows: i32, k: i32): void {
  const blocks = k / block_size(dtype), subs = block_size(dtype) >> 5, group = group_bytes(dtype, k);
  clear_last(dst, rows, group);
  for (let r: usize = 0; r < <usize>rows; r++) {
    let to = dst + (r >> 3) * group;
    for (let block = 0; block < blocks; block++, src += file_bytes(dtype), to += block_bytes(dtype)) {
      pack_header(dtype, src, to, r & 7);
      for (let sub = 0; sub < subs; sub++)
        store_integers(dtype, integers(dtype, src, sub, 0), integers(dtype, src, sub, 1), to, sub, (r & 7) << 2);
    }
  }
}

// @ts-ignore: decorator
@inline
function pack_header(dtype: i32, file: usize, to: usize, r: usize): void {
  const d = to + (r << 2);
  store<f32>(d, f16_to_f32(load<u16>(file + (dtype == Q6_K_R8 ? 208 : 0))));
  if (dtype == Q5_1_R8) store<u16>(to + (r << 1), load<u16>(file, 2), 32);
  if (dtype == Q4_1_R8 || dtype == Q4_K_R8 || dtype == Q5_K_R8) store<f32>(d, f16_to_f32(load<u16>(file, 2)), 32);
  if (dtype == Q4_K_R8 || dtype == Q5_K_R8) pack_k_scales(file + 4, to + 64 + r);
  if (dtype != Q6_K_R8) return;
  for (let sub: usize = 0; sub < 16; sub++) store<u8>(to + 32 + (sub << 3) + r, load<u8>(file + 192 + sub));
}

/** Eight scales and eight minimums of 6 bits to bytes, 8 bytes apart; the mins 64 bytes after the scales. */
function pack_k_scales(file: usize, to: usize): void {
  for (let sub: usize = 0; sub < 4; sub++, to += 8) {
    const scale = load<u8>(file + sub), min = load<u8>(file + sub, 4), rest = load<u8>(file + sub, 8);
    store<u8>(to, scale & 63);
    store<u8>(to, min & 63, 64);
    store<u8>(to, (rest & 15) | (scale >> 6 << 4), 32);
    store<u8>(to, (rest >> 4) | (min >> 6 << 4), 96);
  }
}

/** Integers of 16 k of a file's block: those from 32·sub + 16·half. */
// @ts-ignore: decorator
@inline
function integers(dtype: i32, file: usize, sub: i32, half: usize): v128 {
  const shift = <i32>half << 2, pair = half << 1;
  if (dtype == Q4_0_R8) return nibbles_of(file + 2, shift);
  if (dtype == Q4_1_R8) return nibbles_of(file + 4, shift);
  if (dtype == Q5_0_R8) return v128.or(nibbles_of(file + 6, shift), fifth_bits(load<u16>(file + pair, 2)));
  if (dtype == Q5_1_R8) return v128.or(nibbles_of(file + 8, shift), fifth_bits(load<u16>(file + pair, 4)));
  const l = half << 4;
  if (dtype == Q6_K_R8) {
    const part = <usize>(sub >> 2), quarter = sub & 3;
    const nibbles = nibbles_of(file + (part << 6) + (<usize>(quarter & 1) << 5) + l, quarter >> 1 << 2);
    const two = i8x16.shr_u(v128.load(file + 128 + (part << 5) + l), quarter << 1);
    return v128.or(nibbles, i8x16.shl(v128.and(two, i8x16.splat(3)), 4));
  }
  const nibbles = nibbles_of(file + (dtype == Q5_K_R8 ? 48 : 16) + (<usize>(sub >> 1) << 5) + l, (sub & 1) << 2);
  if (dtype == Q4_K_R8) return nibbles;
  const one = v128.and(i8x16.shr_u(v128.load(file + 16 + l), sub), i8x16.splat(1));
  return v128.or(nibbles, i8x16.shl(one, 4));
}

// @ts-ignore: decorator
@inline
function nibbles_of(at: usize, shift: i32): v128 {
  return v128.and(i8x16.shr_u(v128.load(at), shift), i8x16.splat(15));
}

/** Bit i of `bits` as 16 in byte i. */
// @ts-ignore: decorator
@inline
function fifth_bits(bits: u16): v128 {
  const both = i16x8.splat(bits), spread = v128.shuffle<i8>(both, both, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
  const each = i8x16(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128);
  return v128.and(i8x16.eq(v128.and(spread, each), each), i8x16.splat(16));
}

/** 32 integers of the row at byte `place` of its block `sub`: in place j of chunk c, k 8c+j and 8c+4+j. */
// @ts-ignore: decorator
@inline
function store_integers(dtype: i32, first: v128, second: v128, block: usize, sub: i32, place: usize): void {
  const even = v128.shuffle<i32>(first, second, 0, 2, 4, 6), odd = v128.shuffle<i32>(first, second, 1, 3, 5, 7);
  const low = v128.and(even, i8x16.splat(15)), high = v128.and(odd, i8x16.splat(15));
  const bytes = v128.or(low, i8x16.shl(high, 4)), to = nibbles_at(dtype, block, sub) + place;
  store<i32>(to, i32x4.extract_lane(bytes, 0)); store<i32>(to, i32x4.extract_lane(bytes, 1), 32);
  store<i32>(to, i32x4.extract_lane(bytes, 2), 64); store<i32>(to, i32x4.extract_lane(bytes, 3), 96);
  if (upper_bits(dtype) == 0) return;
  const above = v128.or(i8x16.shr_u(even, 4), i8x16.shl(i8x16.shr_u(odd, 4), upper_bits(dtype)));
  const a = i32x4.extract_lane(above, 0), b = i32x4.extract_lane(above, 1);
  const c = i32x4.extract_lane(above, 2), d = i32x4.extract_lane(above, 3), up = upper_at(dtype, block, sub) + place;
  if (upper_bits(dtype) == 1) store<i32>(up, a | (b << 2) | (c << 4) | (d << 6));
  else { store<i32>(up, a | (b << 4)); store<i32>(up, c | (d << 4), 32); }
}

export function pack_q4_0_r8(src: usize, dst: usize, rows: i32, k: i32): void {
  pack_blocks(Q4_0_R8, src, dst, rows, k);
}

export function pack_q4_1_r8(src: usize, dst: usize, rows: i32, k: i32): void {
  pack_blocks(Q4_1_R8, src, dst, rows, k);
}

export function pack_q5_0_r8(src: usize, dst: usize, rows: i32, k: i32): void {
  pack_blocks(Q5_0_R8, src, dst, rows, k);
}

export function pack_q5_1_r8(src: usize, dst: usize, rows: i32, k: i32): void {
  pack_blocks(Q5_1_R8, src, dst, rows, k);
}

export function pack_q4_k_r8(src: usize, dst: usize, rows: i32, k: i32): void {
  pack_blocks(Q4_K_R8, src, dst, rows, k);
}

export function pack_q5_k_r8(src: usize, dst: usize, rows: i32, k: i32): void {
  pack_blocks(Q5_K_R8, src, dst, rows, k);
}

export function pack_q6_k_r8(src: usize, dst: usize, rows: i32, k: i32): void {
  pack_blocks(Q6_K_R8, src, dst, rows, k);
}
