import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ERROR_DIMENSION, ERROR_NONE, ERROR_OPERAND_BYTES, ERROR_SCRATCH } from "../../kernels/layout.ts";
import { packedDtypes, packedOf } from "../../src/engine/dtypes/index.ts";
import { fileRows, nativeDtypes } from "./file_rows.ts";
import { call, scratchOf, split } from "./harness.ts";
import { closeTo, product, transpose, values } from "./products.ts";

const SIZES = [1, 3, 8, 15, 16, 17, 32, 37];
const BLOCKS = [32, 64, 96];
const DEEP = 300; // more than one panel block of 256

interface Weight {
  readonly bytes: Uint8Array | Float32Array;
  readonly values: Float32Array; // what the bytes mean, row-major (n, k)
}

/** Name of the kernel's suffix → a weight (n, k). */
const weights: Record<string, (n: number, k: number, seed: number) => Weight> = {
  f32: (n, k, seed) => ({ bytes: values(n * k, seed), values: values(n * k, seed) }),
};
for (const dtype of nativeDtypes) {
  const packed = packedOf(dtype);
  weights[packed.name] = (n, k, seed) => {
    const file = fileRows(dtype, n, k, seed);
    return { bytes: packed.pack(file, n, k), values: dtype.decode(file) };
  };
}
const blockOf = (name: string) => packedDtypes[name as keyof typeof packedDtypes]?.blockSize ?? 1;

interface Product {
  readonly kernel: string;
  readonly t: number;
  readonly k: number;
  readonly n: number;
  readonly acc: 0 | 1;
}

/** Runs y = [y +] x·Wᵀ or dx = [dx +] dy·W in `parts` ranges, each row with the others or alone. */
function run(p: Product, a: Float32Array, w: Weight, start: Float32Array, parts: number): Float32Array {
  const out = start.slice();
  const columns = p.kernel.includes("grad_x") ? p.k : p.n;
  const units = split(Math.ceil(columns / 16), parts);
  const code = call(
    p.kernel,
    [a, w.bytes, out, p.t, p.k, p.n, p.acc],
    units,
    scratchOf(p.kernel, p.t, p.k, p.n),
  );
  expect(code).toBe(ERROR_NONE);
  return out;
}

function check(p: Product, suffix: string): void {
  const backward = p.kernel.includes("grad_x");
  const [inner, outer] = backward ? [p.n, p.k] : [p.k, p.n];
  const w = weights[suffix]!(p.n, p.k, 1);
  const a = values(p.t * inner, 2);
  const start = values(p.t * outer, 3);
  const y = run(p, a, w, start, 1);
  const reference = product(
    a,
    backward ? transpose(w.values, p.n, p.k) : w.values,
    p.t,
    outer,
    inner,
    p.acc ? start : undefined,
  );
  closeTo(y, reference, 1e-6 * (inner + 1), p.kernel);
  for (const parts of [2, 3]) expect(run(p, a, w, start, parts)).toEqual(y);
  for (let row = 0; row < p.t; row++) {
    const alone = run(
      { ...p, t: 1 },
      a.slice(row * inner, (row + 1) * inner),
      w,
      start.slice(row * outer, (row + 1) * outer),
      1,
    );
    expect(alone).toEqual(y.slice(row * outer, (row + 1) * outer));
  }
}

describe.each(Object.keys(weights))("linear over %s", (suffix) => {
  const ks = { 1: [...SIZES, DEEP], 32: [...BLOCKS, 320], 256: [256, 768] }[blockOf(suffix)]!;
  it("forward: f64 product, any split, any grouping of rows", () => {
    for (const k of ks)
      for (const n of SIZES)
        for (const t of [1, 2, 7])
          check({ kernel: `linear_${suffix}`, t, k, n, acc: t === 2 ? 1 : 0 }, suffix);
  });
  it("gradient of x", () => {
    for (const k of ks.slice(0, 8))
      for (const n of [...SIZES, DEEP])
        for (const t of k > 256 ? [1] : [1, 2, 7])
          check({ kernel: `linear_grad_x_${suffix}`, t, k, n, acc: t === 2 ? 1 : 0 }, suffix);
  });
  it("decodes every weight bit for bit: unit vectors pick columns and rows", () => {
    const [n, k] = [19, Math.max(96, blockOf(suffix))];
    const w = weights[suffix]!(n, k, 4);
    const unit = (size: number) =>
      Float32Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 1 : 0));
    const [y, dx] = [new Float32Array(k * n), new Float32Array(n * k)];
    const columns = run({ kernel: `linear_${suffix}`, t: k, k, n, acc: 0 }, unit(k), w, y, 1);
    expect(columns).toEqual(transpose(w.values, n, k).map((value) => value + 0));
    const rows = run({ kernel: `linear_grad_x_${suffix}`, t: n, k, n, acc: 0 }, unit(n), w, dx, 1);
    expect(rows).toEqual(w.values.map((value) => value + 0));
  });
  it("refuses operands and scratch that are too small, and writes nothing", () => {
    const [t, k, n] = [3, Math.max(32, blockOf(suffix)), 20];
    const w = weights[suffix]!(n, k, 1);
    for (const kernel of [`linear_${suffix}`, `linear_grad_x_${suffix}`]) {
      const scratch = scratchOf(kernel, t, k, n);
      const [inner, outer] = kernel.includes("grad_x") ? [n, k] : [k, n];
      const [a, y] = [values(t * inner, 1), values(t * outer, 2)];
      const units = split(Math.ceil(outer / 16), 1);
      const before = y.slice();
      expect(call(kernel, [a.slice(1), w.bytes, y, t, k, n, 0], units, scratch)).toBe(ERROR_OPERAND_BYTES);
      expect(call(kernel, [a, w.bytes.slice(1), y, t, k, n, 0], units, scratch)).toBe(ERROR_OPERAND_BYTES);
      expect(call(kernel, [a, w.bytes, y.subarray(1), t, k, n, 0], units, scratch)).toBe(ERROR_OPERAND_BYTES);
      expect(call(kernel, [a, w.bytes, y, t, k, n, 0], units, scratch - 1)).toBe(ERROR_SCRATCH);
      expect(call(kernel, [a, w.bytes, y, -1, k, n, 0], units, scratch)).toBe(ERROR_OPERAND_BYTES);
      expect(call(kernel, [a, w.bytes, y, t, k, n, 0], [[0, 1000]], scratch)).toBe(ERROR_DIMENSION);
      if (blockOf(suffix) > 1)
        expect(call(kernel, [a, w.bytes, y, t, k - 1, n, 0], units, scratch)).toBe(ERROR_DIMENSION);
      expect(y).toEqual(before);
    }
  });
});

describe("linear_grad_w", () => {
  const run = (t: number, k: number, n: number, acc: number, parts: number) => {
    const [dy, x, dw] = [values(t * n, 1), values(t * k, 2), values(n * k, 3)];
    const code = call(
      "linear_grad_w",
      [dy, x, dw, t, k, n, acc],
      split(Math.ceil(k / 16), parts),
      scratchOf("linear_grad_w", t, k, n),
    );
    expect(code).toBe(ERROR_NONE);
    return dw;
  };
  it("is dyᵀ·x, the same in any split", () => {
    for (const t of [1, 2, 3, 17, DEEP])
      for (const k of SIZES)
        for (const n of SIZES) {
          const acc = (t + k + n) % 2;
          const dw = run(t, k, n, acc, 1);
          const dy = transpose(values(t * n, 1), t, n);
          const x = transpose(values(t * k, 2), t, k);
          closeTo(
            dw,
            product(dy, x, n, k, t, acc ? values(n * k, 3) : undefined),
            1e-6 * (t + 1),
            `dW ${t} ${k} ${n}`,
          );
          expect(run(t, k, n, acc, 2)).toEqual(dw);
          expect(run(t, k, n, acc, 3)).toEqual(dw);
        }
  });
  it("of rows cut in two, accumulated, has the same bits", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 40 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 20 }),
        (t, k, n) => {
          const [dy, x] = [values(t * n, 4), values(t * k, 5)];
          const half = t >> 1;
          const whole = new Float32Array(n * k);
          const cut = new Float32Array(n * k);
          const go = (from: number, to: number, dw: Float32Array, acc: number) =>
            call(
              "linear_grad_w",
              [dy.slice(from * n, to * n), x.slice(from * k, to * k), dw, to - from, k, n, acc],
              [[0, Math.ceil(k / 16)]],
              scratchOf("linear_grad_w", t, k, n),
            );
          go(0, t, whole, 0);
          go(0, half, cut, 0);
          go(half, t, cut, 1);
          expect(cut).toEqual(whole);
        },
      ),
      { seed: 20, numRuns: 50 },
    );
  });
});
