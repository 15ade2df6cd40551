/**
 * From a file's rows to the packed layouts: 16 consecutive output rows of k values, in the file's own format at `src`,
 * become one panel (or two groups of 8) at `dst`. Rows from `rows_valid` on become zero and are not read.
 */
import { f16_to_f32 } from "./weight_f16";
import { pack_rows } from "./weight_f32";
import { Q4_0_R8_BYTES } from "./weight_q4_0";
import { Q8_0_R8_BYTES } from "./weight_q8_0";

const Q8_0_BYTES: usize = 34; // f16 scale, 32 int8
const Q4_0_BYTES: usize = 18; // f16 scale, 16 bytes: low nibbles k 0–15, high nibbles k 16–31
const EIGHTS: u8 = 0x88; // two nibbles of value 0

export function pack_f32_r16(src: usize, dst: usize, rows_valid: i32, k: i32): void {
  pack_rows(src, rows_valid, k, 0, 0, k, 1, dst);
}

export function pack_f16_r16(src: usize, dst: usize, rows_valid: i32, k: i32): void {
  const pitch = <usize>k << 1;
  for (let r: usize = 0; r < 16; r++) {
    const row = src + r * pitch, valid = <i32>r < rows_valid;
    let to = dst + (r << 1);
    for (let i: usize = 0; i < pitch; i += 2, to += 32) store<u16>(to, valid ? load<u16>(row + i) : 0);
  }
}

export function pack_q8_0_r8(src: usize, dst: usize, rows_valid: i32, k: i32): void {
  const blocks = <usize>(k >> 5), pitch = blocks * Q8_0_BYTES;
  for (let r: usize = 0; r < 16; r++) {
    const valid = <i32>r < rows_valid;
    let from = src + r * pitch, to = dst + (r >> 3) * blocks * Q8_0_R8_BYTES + ((r & 7) << 2);
    for (let b: usize = 0; b < blocks; b++, from += Q8_0_BYTES, to += Q8_0_R8_BYTES) {
      store<f32>(to, valid ? f16_to_f32(load<u16>(from)) : 0);
      for (let c: usize = 0; c < 8; c++) store<u32>(to + 32 + (c << 5), valid ? load<u32>(from + 2 + (c << 2)) : 0);
    }
  }
}

export function pack_q4_0_r8(src: usize, dst: usize, rows_valid: i32, k: i32): void {
  const blocks = <usize>(k >> 5), pitch = blocks * Q4_0_BYTES;
  for (let r: usize = 0; r < 16; r++) {
    const valid = <i32>r < rows_valid;
    let from = src + r * pitch, to = dst + (r >> 3) * blocks * Q4_0_R8_BYTES + ((r & 7) << 2);
    for (let b: usize = 0; b < blocks; b++, from += Q4_0_BYTES, to += Q4_0_R8_BYTES) {
      store<f32>(to, valid ? f16_to_f32(load<u16>(from)) : 0);
      for (let i: usize = 0; i < 16; i++)
        store<u8>(to + 32 + (i >> 2 << 5) + (i & 3), valid ? nibbles(from + 2, i) : EIGHTS);
    }
  }
}

/** Byte i of a row in the packed order: k 8c+j low and 8c+4+j high, with c = i/4, j = i mod 4. */
// @ts-ignore: decorator
@inline
function nibbles(file: usize, i: usize): u8 {
  const low = (i >> 2 << 3) + (i & 3), byte = file + (low & 15), shift = <u8>(low >> 4 << 2);
  const a = (load<u8>(byte) >> shift) & 15, b = (load<u8>(byte + 4) >> shift) & 15;
  return a | (b << 4);
}
