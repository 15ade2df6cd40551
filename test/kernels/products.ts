import { expect } from "vitest";

/** Values in (−1, 1) from a small generator (Marsaglia's xorshift32), the same for the same seed. */
export function values(count: number, seed: number): Float32Array {
  let state = (seed * 2654435761) >>> 0 || 1;
  return Float32Array.from({ length: count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 31 - 1;
  });
}

/** a (m, k) · b (n, k)ᵀ in f64, plus c. */
export function product(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  m: number,
  n: number,
  k: number,
  c?: ArrayLike<number>,
): Float64Array {
  const y = new Float64Array(m * n);
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      let sum = c ? c[i * n + j]! : 0;
      for (let d = 0; d < k; d++) sum += a[i * k + d]! * b[j * k + d]!;
      y[i * n + j] = sum;
    }
  return y;
}

export function transpose(a: Float32Array, rows: number, columns: number): Float32Array {
  return Float32Array.from(
    { length: rows * columns },
    (_, i) => a[(i % rows) * columns + Math.floor(i / rows)]!,
  );
}

/** Every |actual − expected| ≤ tolerance; says where not. */
export function closeTo(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  expect(actual.length, what).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) {
    if (!(Math.abs(actual[i]! - expected[i]!) <= tolerance))
      throw new Error(`${what}: element ${i} is ${actual[i]}, expected ${expected[i]} ± ${tolerance}`);
  }
}
