/**
 * The constant page: 16-byte splats that kernels load before their loops (a v128 constant inside a loop is rebuilt by
 * V8 at every turn).
 */
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
// 1.5·2²³ + 127: adding it rounds, and leaves the biased exponent in the low bits
export const PAGE_EXP_ROUND: usize = 208;
// quantized and half-precision weights, see weight_*.ts
export const PAGE_EIGHT: usize = 224; // i8x16: 8, the zero point of a nibble
export const PAGE_TWO_112: usize = 240; // f32x4: 2¹¹², the ratio of the exponent biases of f32 and f16
export const PAGE_HALF_MAX: usize = 256; // i32x4: the largest finite half, shifted to f32's exponent
export const PAGE_QUANT_MAX: usize = 272; // f32x4: 127
export const PAGE_SIXTEEN: usize = 288; // i8x16: the zero point of 5 bits, and the fifth bit
export const PAGE_THIRTY_TWO: usize = 304; // i8x16: the zero point of 6 bits
export const PAGE_FORTY_EIGHT: usize = 320; // i8x16: the upper two of 6 bits
// log, see exp.ts
export const PAGE_LOG_0: usize = 512; // nine coefficients, highest power first
export const PAGE_HALF: usize = 656;
export const PAGE_SQRT_HALF: usize = 672;
export const PAGE_SMALLEST_NORMAL: usize = 688;
export const PAGE_TWO_23: usize = 704;
export const PAGE_INFINITY: usize = 720;
export const PAGE_23: usize = 736; // f32x4: 23
// gelu, see geglu.ts
export const PAGE_GELU_SLOPE: usize = 752; // 2·√(2/π)
export const PAGE_GELU_CUBIC: usize = 768; // 0.044715
export const PAGE_GELU_CUBIC_3: usize = 784; // three times that
// the f16 KV cache, see cache.ts
export const PAGE_HALF_SIGNED: usize = 3072; // i16x8: sign, and exponent and fraction of a half where f32 has them
export const PAGE_HALF_REST: usize = 3088; // i16x8: all but the sign
export const PAGE_HALF_LARGEST: usize = 3104; // i16x8: the largest finite half
export const PAGE_HALF_INFINITY: usize = 3120; // i16x8: the upper half of f32's infinity

/** Writes the page; called by open(), before any plan runs. */
export function write_constants(): void {
  v128.store(PAGE + PAGE_NIBBLE, i8x16.splat(15));
  v128.store(PAGE + PAGE_ONE, f32x4.splat(1));
  v128.store(PAGE + PAGE_EIGHT, i8x16.splat(8));
  v128.store(PAGE + PAGE_TWO_112, i32x4.splat(0x77800000));
  v128.store(PAGE + PAGE_HALF_MAX, i32x4.splat(0x0f7fe000));
  v128.store(PAGE + PAGE_QUANT_MAX, f32x4.splat(127));
  v128.store(PAGE + PAGE_SIXTEEN, i8x16.splat(16));
  v128.store(PAGE + PAGE_THIRTY_TWO, i8x16.splat(32));
  v128.store(PAGE + PAGE_FORTY_EIGHT, i8x16.splat(48));
  v128.store(PAGE + PAGE_HALF_SIGNED, i16x8.splat(-0x7001));
  v128.store(PAGE + PAGE_HALF_REST, i16x8.splat(0x7fff));
  v128.store(PAGE + PAGE_HALF_LARGEST, i16x8.splat(0x7bff));
  v128.store(PAGE + PAGE_HALF_INFINITY, i16x8.splat(0x7f80));
  write_exp_constants();
}

/** Coefficients of the single-precision exp and log of the Cephes library (S. L. Moshier). */
function write_exp_constants(): void {
  splat(PAGE_LOG2E, 1.44269504088896341);
  splat(PAGE_LN2_HIGH, 0.693359375); // few bits: n·high is exact
  splat(PAGE_LN2_LOW, -2.12194440e-4);
  splat(PAGE_EXP_0, 1.9875691500e-4);
  splat(PAGE_EXP_0 + 16, 1.3981999507e-3);
  splat(PAGE_EXP_0 + 32, 8.3334519073e-3);
  splat(PAGE_EXP_0 + 48, 4.1665795894e-2);
  splat(PAGE_EXP_0 + 64, 1.6666665459e-1);
  splat(PAGE_EXP_0 + 80, 5.0000001201e-1);
  splat(PAGE_EXP_MAX, 88.37); // 2¹²⁷ is the largest power of two in f32
  splat(PAGE_EXP_MIN, -87.33); // just above 2⁻¹²⁶: the result is never subnormal
  splat(PAGE_EXP_ROUND, 12583039);
  splat(PAGE_LOG_0, 7.0376836292e-2);
  splat(PAGE_LOG_0 + 16, -1.1514610310e-1);
  splat(PAGE_LOG_0 + 32, 1.1676998740e-1);
  splat(PAGE_LOG_0 + 48, -1.2420140846e-1);
  splat(PAGE_LOG_0 + 64, 1.4249322787e-1);
  splat(PAGE_LOG_0 + 80, -1.6668057665e-1);
  splat(PAGE_LOG_0 + 96, 2.0000714765e-1);
  splat(PAGE_LOG_0 + 112, -2.4999993993e-1);
  splat(PAGE_LOG_0 + 128, 3.3333331174e-1);
  splat(PAGE_HALF, 0.5);
  splat(PAGE_SQRT_HALF, 0.707106781186547524);
  splat(PAGE_SMALLEST_NORMAL, 1.17549435e-38);
  splat(PAGE_TWO_23, 8388608);
  splat(PAGE_INFINITY, Infinity);
  splat(PAGE_23, 23);
  splat(PAGE_GELU_SLOPE, 1.5957691216057308);
  splat(PAGE_GELU_CUBIC, 0.044715);
  splat(PAGE_GELU_CUBIC_3, 0.134145);
}

function splat(entry: usize, value: f32): void {
  v128.store(PAGE + entry, f32x4.splat(value));
}
