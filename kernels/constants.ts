/** The constant page: 16-byte splats that kernels load before their loops (a v128 constant inside a loop is rebuilt by V8 at every turn). */
import { CONTROL_BYTES } from "./layout";

export const PAGE: usize = <usize>CONTROL_BYTES;
export const PAGE_NIBBLE: usize = 0; // i8x16: 15
export const PAGE_ONE: usize = 16; // f32x4: 1
// exp, see exp.ts
export const PAGE_LOG2E: usize = 32;
export const PAGE_LN2_HIGH: usize = 48;
export const PAGE_LN2_LOW: usize = 64;
export const PAGE_EXP_0: usize = 80; // six coefficients, highest power first
export const PAGE_EXP_MAX: usize = 176;
export const PAGE_EXP_MIN: usize = 192;
export const PAGE_127: usize = 208; // i32x4: exponent bias

/** Writes the page; called by open(), before any plan runs. */
export function write_constants(): void {
  v128.store(PAGE + PAGE_NIBBLE, i8x16.splat(15));
  v128.store(PAGE + PAGE_ONE, f32x4.splat(1));
}
