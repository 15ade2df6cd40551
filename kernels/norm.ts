/** y = x · w / √(mean(x²) + ε), and its gradients (Zhang & Sennrich 2019, arXiv:1910.07467). */
import { ERROR_NONE } from "./layout";
import { check_units, extent, pieces } from "./extent";
import { address, failed, float, has, scalar } from "./operands";
import { multiply_add, sum_lanes } from "./simd";
import { load_lanes, store_lanes } from "./tail";

/** x (T,C), w (C), y (T,C), r (T) = 1/√(mean(x²) + ε); y may be x. Unit: a row. */
export function rms_norm(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const t = scalar(o, 4);
  const c = scalar(o, 5);
  const code = check_units(o, begin, end, <u64>t);
  if (code != ERROR_NONE) return code;
  if (!has(o, 0, extent(t, c)) || !has(o, 1, extent(c))) return failed();
  if (!has(o, 2, extent(t, c)) || !has(o, 3, extent(t))) return failed();
  const epsilon = float(o, 6);
  const w = address(o, 1);
  const bytes = <usize>c << 2;
  for (let row = <usize>begin; row < <usize>end; row++) {
    const x = address(o, 0) + row * bytes;
    const y = address(o, 2) + row * bytes;
    const r: f32 = 1 / sqrt<f32>(dot(x, x, <usize>c) / <f32>c + epsilon);
    store<f32>(address(o, 3) + (row << 2), r);
    const factor = f32x4.splat(r);
    for (let i: usize = 0; i < bytes; i += 16) {
      const count = (bytes - i) >> 2;
      const value = f32x4.mul(f32x4.mul(load_lanes(x + i, count), factor), load_lanes(w + i, count));
      store_lanes(y + i, value, count);
    }
  }
  return ERROR_NONE;
}

/** dx = r·(dy·w − x·r²·mean(dy·w·x)); dy, x, dx (T,C), w (C), r (T); acc: dx is added to. dx may be dy. Unit: a row. */
export function rms_norm_grad_x(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const t = scalar(o, 5);
  const c = scalar(o, 6);
  const accumulate = scalar(o, 7) != 0;
  const code = check_units(o, begin, end, <u64>t);
  if (code != ERROR_NONE) return code;
  if (!has(o, 0, extent(t, c)) || !has(o, 1, extent(t, c)) || !has(o, 2, extent(c))) return failed();
  if (!has(o, 3, extent(t)) || !has(o, 4, extent(t, c))) return failed();
  const w = address(o, 2);
  const bytes = <usize>c << 2;
  for (let row = <usize>begin; row < <usize>end; row++) {
    const dy = address(o, 0) + row * bytes;
    const x = address(o, 1) + row * bytes;
    const dx = address(o, 4) + row * bytes;
    const r = load<f32>(address(o, 3) + (row << 2));
    const factor = f32x4.splat(r);
    const projection = f32x4.splat(r * r * (dot_weighted(dy, w, x, <usize>c) / <f32>c));
    for (let i: usize = 0; i < bytes; i += 16) {
      const count = (bytes - i) >> 2;
      const along = f32x4.mul(load_lanes(x + i, count), projection);
      const value = f32x4.mul(f32x4.sub(f32x4.mul(load_lanes(dy + i, count), load_lanes(w + i, count)), along), factor);
      store_lanes(dx + i, accumulate ? f32x4.add(load_lanes(dx + i, count), value) : value, count);
    }
  }
  return ERROR_NONE;
}

/** dw = Σ_t dy·x·r, rows ascending from dw (acc) or 0; dy, x (T,C), r (T), dw (C). Unit: 16 columns of C. */
export function rms_norm_grad_w(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const t = scalar(o, 4);
  const c = scalar(o, 5);
  const accumulate = scalar(o, 6) != 0;
  const code = check_units(o, begin, end, pieces(c, 16));
  if (code != ERROR_NONE) return code;
  if (!has(o, 0, extent(t, c)) || !has(o, 1, extent(t, c))) return failed();
  if (!has(o, 2, extent(t)) || !has(o, 3, extent(c))) return failed();
  const r = address(o, 2);
  const bytes = <usize>c << 2;
  const last = min(bytes, <usize>end << 6);
  for (let i = <usize>begin << 6; i < last; i += 16) {
    const count = (bytes - i) >> 2;
    const dw = address(o, 3) + i;
    let dy = address(o, 0) + i;
    let x = address(o, 1) + i;
    let sum = accumulate ? load_lanes(dw, count) : f32x4.splat(0);
    for (let row: usize = 0; row < <usize>t; row++) {
      const normed = f32x4.mul(load_lanes(x, count), v128.load32_splat(r + (row << 2)));
      sum = multiply_add(sum, load_lanes(dy, count), normed);
      dy += bytes;
      x += bytes;
    }
    store_lanes(dw, sum, count);
  }
  return ERROR_NONE;
}

/** Σ a·b over ascending k in four lanes, then across the lanes. */
function dot(a: usize, b: usize, count: usize): f32 {
  let sum = f32x4.splat(0);
  const bytes = count << 2;
  for (let i: usize = 0; i < bytes; i += 16) {
    const left = (bytes - i) >> 2;
    sum = multiply_add(sum, load_lanes(a + i, left), load_lanes(b + i, left));
  }
  return sum_lanes(sum);
}

/** Σ (a·w)·b in the same order. */
function dot_weighted(a: usize, w: usize, b: usize, count: usize): f32 {
  let sum = f32x4.splat(0);
  const bytes = count << 2;
  for (let i: usize = 0; i < bytes; i += 16) {
    const left = (bytes - i) >> 2;
    sum = multiply_add(sum, f32x4.mul(load_lanes(a + i, left), load_lanes(w + i, left)), load_lanes(b + i, left));
  }
  return sum_lanes(sum);
}
