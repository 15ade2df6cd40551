/** What this machine can do at most, measured in the same run as the kernels: a roof for benches. */
import { PAGE, PAGE_HALF } from "./constants";
import { multiply_add } from "./simd";

/** `turns` × 12 independent multiply-adds of 4 lanes (96 operations a turn): more chains than latency × units. */
export function peak_f32(turns: i32): f32 {
  const m = v128.load(PAGE + PAGE_HALF);
  let a = m, b = m, c = m, d = m, e = m, f = m, g = m, h = m, i = m, j = m, k = m, l = m;
  for (; turns > 0; turns--) {
    a = multiply_add(m, a, m); b = multiply_add(m, b, m); c = multiply_add(m, c, m); d = multiply_add(m, d, m);
    e = multiply_add(m, e, m); f = multiply_add(m, f, m); g = multiply_add(m, g, m); h = multiply_add(m, h, m);
    i = multiply_add(m, i, m); j = multiply_add(m, j, m); k = multiply_add(m, k, m); l = multiply_add(m, l, m);
  }
  const x = f32x4.add(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)), f32x4.add(f32x4.add(e, f), f32x4.add(g, h)));
  return f32x4.extract_lane(f32x4.add(x, f32x4.add(f32x4.add(i, j), f32x4.add(k, l))), 0);
}

/** Reads `bytes` (a multiple of 64) at p with four loads a turn; the sum keeps them alive. */
export function peak_read(p: usize, bytes: usize): i32 {
  let a = v128.load(p), b = a, c = a, d = a;
  for (const end = p + bytes; p < end; p += 64) {
    a = v128.xor(a, v128.load(p)); b = v128.xor(b, v128.load(p, 16));
    c = v128.xor(c, v128.load(p, 32)); d = v128.xor(d, v128.load(p, 48));
  }
  return i32x4.extract_lane(v128.xor(v128.xor(a, b), v128.xor(c, d)), 0);
}
