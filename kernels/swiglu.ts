/** y = gate·σ(gate)·up (Shazeer 2020, arXiv:2002.05202), and its gradient. */
import { ERROR_NONE } from "./layout";
import { PAGE, PAGE_ONE } from "./constants";
import { exp_lanes } from "./exp";
import { check_units, extent } from "./extent";
import { address, failed, has, scalar } from "./operands";
import { load_lanes, store_lanes } from "./tail";

/** gate (T,F), up (T,F), y (T,F); y may be gate or up. Unit: a row. */
export function swiglu(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const t = scalar(o, 3);
  const f = scalar(o, 4);
  const code = check_units(o, begin, end, <u64>t);
  if (code != ERROR_NONE) return code;
  for (let i: usize = 0; i < 3; i++) if (!has(o, i, extent(t, f))) return failed();
  const bytes = <usize>f << 2;
  for (let row = <usize>begin; row < <usize>end; row++) {
    const gate = address(o, 0) + row * bytes;
    const up = address(o, 1) + row * bytes;
    const y = address(o, 2) + row * bytes;
    for (let i: usize = 0; i < bytes; i += 16) {
      const count = (bytes - i) >> 2;
      const g = load_lanes(gate + i, count);
      store_lanes(y + i, f32x4.mul(f32x4.mul(g, sigmoid(g)), load_lanes(up + i, count)), count);
    }
  }
  return ERROR_NONE;
}

/**
 * dup = dy·g·σ, dgate = dy·up·σ·(1 + g·(1 − σ)); dy, gate, up, dgate, dup (T,F).
 * Outputs may be any of the inputs (not each other). Unit: a row.
 */
export function swiglu_grad(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const t = scalar(o, 5);
  const f = scalar(o, 6);
  const code = check_units(o, begin, end, <u64>t);
  if (code != ERROR_NONE) return code;
  for (let i: usize = 0; i < 5; i++) if (!has(o, i, extent(t, f))) return failed();
  const one = v128.load(PAGE + PAGE_ONE);
  const bytes = <usize>f << 2;
  for (let row = <usize>begin; row < <usize>end; row++) {
    for (let i = row * bytes; i < (row + 1) * bytes; i += 16) {
      const count = ((row + 1) * bytes - i) >> 2;
      const dy = load_lanes(address(o, 0) + i, count);
      const g = load_lanes(address(o, 1) + i, count);
      const up = load_lanes(address(o, 2) + i, count);
      const s = sigmoid(g);
      const slope = f32x4.mul(s, f32x4.add(one, f32x4.mul(g, f32x4.sub(one, s))));
      store_lanes(address(o, 3) + i, f32x4.mul(f32x4.mul(dy, up), slope), count);
      store_lanes(address(o, 4) + i, f32x4.mul(dy, f32x4.mul(g, s)), count);
    }
  }
  return ERROR_NONE;
}

/** 1 / (1 + e⁻ˣ) */
// @ts-ignore: decorator
@inline
function sigmoid(x: v128): v128 {
  const one = v128.load(PAGE + PAGE_ONE);
  return f32x4.div(one, f32x4.add(one, exp_lanes(f32x4.neg(x))));
}
