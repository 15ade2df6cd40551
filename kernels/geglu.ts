/** y = gelu(gate)·up with the tanh form of GELU (Hendrycks & Gimpel 2016, arXiv:1606.08415), and its gradient. */
import { ERROR_NONE } from "./layout";
import { PAGE, PAGE_GELU_CUBIC, PAGE_GELU_CUBIC_3, PAGE_GELU_SLOPE, PAGE_ONE } from "./constants";
import { exp_lanes } from "./exp";
import { check_units, extent } from "./extent";
import { address, failed, has, scalar } from "./operands";
import { load_lanes, store_lanes } from "./tail";

/** gate (T,F), up (T,F), y (T,F); y may be gate or up. Unit: a row. */
export function geglu(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const t = scalar(o, 3);
  const f = scalar(o, 4);
  const code = check_units(o, begin, end, <u64>t);
  if (code != ERROR_NONE) return code;
  for (let i: usize = 0; i < 3; i++) if (!has(o, i, extent(t, f))) return failed();
  const one = v128.load(PAGE + PAGE_ONE);
  const bytes = <usize>f << 2;
  for (let row = <usize>begin; row < <usize>end; row++) {
    const gate = address(o, 0) + row * bytes;
    const up = address(o, 1) + row * bytes;
    const y = address(o, 2) + row * bytes;
    for (let i: usize = 0; i < bytes; i += 16) {
      const count = (bytes - i) >> 2;
      const g = load_lanes(gate + i, count);
      const s = f32x4.div(one, f32x4.add(one, decay(g, f32x4.mul(g, g))));
      store_lanes(y + i, f32x4.mul(f32x4.mul(g, s), load_lanes(up + i, count)), count);
    }
  }
  return ERROR_NONE;
}

/**
 * With σ = 1/(1 + e), e = e⁻ᶻ, z = 2·√(2/π)·(g + c·g³): dup = dy·g·σ, dgate = dy·up·σ·(1 + g·(1 − σ)·z′), 1 − σ = e·σ.
 * dy, gate, up, dgate, dup (T,F). Outputs may be any of the inputs (not each other). Unit: a row.
 */
export function geglu_grad(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const t = scalar(o, 5);
  const f = scalar(o, 6);
  const code = check_units(o, begin, end, <u64>t);
  if (code != ERROR_NONE) return code;
  for (let i: usize = 0; i < 5; i++) if (!has(o, i, extent(t, f))) return failed();
  const one = v128.load(PAGE + PAGE_ONE);
  const slope = v128.load(PAGE + PAGE_GELU_SLOPE);
  const cubic_3 = v128.load(PAGE + PAGE_GELU_CUBIC_3);
  const bytes = <usize>f << 2;
  for (let row = <usize>begin; row < <usize>end; row++) {
    for (let i = row * bytes; i < (row + 1) * bytes; i += 16) {
      const count = ((row + 1) * bytes - i) >> 2;
      const dy = load_lanes(address(o, 0) + i, count);
      const g = load_lanes(address(o, 1) + i, count);
      const up = load_lanes(address(o, 2) + i, count);
      const square = f32x4.mul(g, g);
      const e = decay(g, square);
      const s = f32x4.div(one, f32x4.add(one, e));
      // g·z′·(1 − σ), the factor that vanishes first, so that a large g meets 0 before it overflows
      const rest = f32x4.mul(f32x4.mul(f32x4.mul(e, s), g), slope);
      const bend = f32x4.add(rest, f32x4.mul(f32x4.mul(rest, square), cubic_3));
      store_lanes(address(o, 3) + i, f32x4.mul(f32x4.mul(dy, up), f32x4.mul(s, f32x4.add(one, bend))), count);
      store_lanes(address(o, 4) + i, f32x4.mul(dy, f32x4.mul(g, s)), count);
    }
  }
  return ERROR_NONE;
}

/** e⁻ᶻ of z = 2·√(2/π)·(g + 0.044715·g³) */
// @ts-ignore: decorator
@inline
function decay(g: v128, square: v128): v128 {
  const bent = f32x4.add(v128.load(PAGE + PAGE_ONE), f32x4.mul(square, v128.load(PAGE + PAGE_GELU_CUBIC)));
  return exp_lanes(f32x4.neg(f32x4.mul(f32x4.mul(g, v128.load(PAGE + PAGE_GELU_SLOPE)), bent)));
}
