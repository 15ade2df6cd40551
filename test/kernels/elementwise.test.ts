import { describe, expect, test } from "vitest";
import { ERROR_DIMENSION, ERROR_OPERAND_BYTES } from "../../kernels/layout.ts";
import { call } from "./harness.ts";
import { expectClose, floats, runParts, SIZES } from "./values.ts";

const BINARY: Record<string, (a: number, b: number) => number> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  less_equal: (a, b) => Number(a <= b),
  equal: (a, b) => Number(a === b),
};
/** Small integers and halves, so that equality happens. */
const coarse = (count: number, seed: number) => floats(count, seed, 3).map((x) => Math.round(x) / 2);

describe("binary primitives", () => {
  test.each(Object.keys(BINARY))("%s, broadcast in every way", (kernel) => {
    for (const c of SIZES)
      for (const r of [1, 4]) {
        const a = coarse(r * c, c);
        for (const [rows, columns] of [
          [r, c],
          [1, c],
          [r, 1],
          [1, 1],
        ]) {
          const b = coarse(rows * columns, c + 1);
          const [rowStride, columnStride] = [rows === 1 ? 0 : columns, columns === 1 ? 0 : 1];
          const y = new Float32Array(r * c);
          runParts(kernel, [a, b, y, r, c, rowStride, columnStride], [2], r);
          const expected = y.map((_, i) =>
            BINARY[kernel](a[i], b[Math.floor(i / c) * rowStride + (i % c) * columnStride]),
          );
          expect(y).toEqual(expected);
          const inPlace = a.slice();
          expect(call(kernel, [inPlace, b, inPlace, r, c, rowStride, columnStride], [[0, r]], 0)).toBe(0);
          expect(inPlace).toEqual(expected);
        }
      }
  });

  test("errors", () => {
    const memory = () => [new Float32Array(6), new Float32Array(6), new Float32Array(6)];
    const code = (arrays: Float32Array[], strides = [3, 1], end = 2) =>
      call("mul", [...arrays, 2, 3, ...strides], [[0, end]], 0);
    expect(code(memory())).toBe(0);
    for (let i = 0; i < 3; i++)
      expect(code(memory().map((array, j) => (i === j ? array.slice(1) : array)))).toBe(ERROR_OPERAND_BYTES);
    expect(code(memory(), [4, 1])).toBe(ERROR_OPERAND_BYTES);
    expect(code(memory(), [0x7fffffff, 1])).toBe(ERROR_OPERAND_BYTES);
    expect(code(memory(), [-3, 1])).toBe(ERROR_DIMENSION);
    expect(code(memory(), [3, 2])).toBe(ERROR_DIMENSION);
    expect(code(memory(), [3, 1], 3)).toBe(ERROR_DIMENSION);
  });
});

describe("unary primitives", () => {
  test.each(SIZES)("exp, log, rsqrt of %i columns", (c) => {
    for (const r of [1, 3]) {
      const x = floats(r * c, c, 20);
      const positive = x.map(Math.abs);
      const y = new Float32Array(r * c);
      for (const [kernel, input, f] of [
        ["exp", x, Math.exp],
        ["log", positive, Math.log],
        ["rsqrt", positive, (value: number) => 1 / Math.sqrt(value)],
      ] as const) {
        runParts(kernel, [input, y, r, c], [1], r);
        y.forEach((value, i) => {
          expect(Math.abs(value / f(input[i]) - 1), `${kernel}(${input[i]}) = ${value}`).toBeLessThan(2.5e-7);
        });
      }
    }
  });

  test("exp over its whole range: at most 2 ulp, and what lies outside", () => {
    const n = 200_001;
    const x = new Float32Array(n).map((_, i) => -87.3 + (i * 175.6) / (n - 1));
    const y = new Float32Array(n);
    runParts("exp", [x, y, 1, n], [1], 1);
    let worst = 0;
    y.forEach((value, i) => {
      worst = Math.max(worst, Math.abs(value / Math.exp(x[i]) - 1));
    });
    expect(worst).toBeLessThan(2 ** -22);
    const edges = Float32Array.from([0, -0, -Infinity, -88, -1e30, NaN, 1e30, Infinity]);
    const z = new Float32Array(8);
    runParts("exp", [edges, z, 1, 8], [1], 1);
    expect([...z.subarray(0, 6)]).toEqual([1, 1, 0, 0, 0, NaN]);
    expect(z[6]).toBeGreaterThan(2e38);
    expect(z[7]).toBeGreaterThan(2e38);
  });

  test("log over its whole range, and at its edges", () => {
    const n = 100_000;
    const x = new Float32Array(n).map((_, i) => 2 ** (-126 + (i * 253) / n));
    const near = new Float32Array(n).map((_, i) => 0.5 + (i * 1.5) / n);
    const y = new Float32Array(n);
    for (const input of [x, near]) {
      runParts("log", [input, y, 1, n], [1], 1);
      y.forEach((value, i) => {
        const expected = Math.log(input[i]);
        if (!(Math.abs(value - expected) <= 2 ** -22 * Math.abs(expected)))
          expect.fail(`log(${input[i]}) = ${value}`);
      });
    }
    const edges = Float32Array.from([1, 0, -0, -1, Infinity, NaN, 1e-40, -Infinity]);
    const z = new Float32Array(8);
    runParts("log", [edges, z, 1, 8], [1], 1);
    const subnormal = z[6];
    expect([...z.subarray(0, 6), z[7]]).toEqual([0, -Infinity, -Infinity, NaN, Infinity, NaN, NaN]);
    expect(subnormal).toBeCloseTo(Math.log(edges[6]), 4);
  });

  test("errors", () => {
    for (const kernel of ["exp", "log", "rsqrt", "sum_columns", "max_columns"]) {
      const memory = [new Float32Array(6), new Float32Array(6)];
      expect(call(kernel, [...memory, 2, 3], [[0, 3]], 0)).toBe(ERROR_DIMENSION);
      expect(call(kernel, [new Float32Array(5), memory[1], 2, 3], [[0, 2]], 0)).toBe(ERROR_OPERAND_BYTES);
      expect(call(kernel, [memory[0], new Float32Array(1), 2, 3], [[0, 2]], 0)).toBe(ERROR_OPERAND_BYTES);
    }
  });
});

describe("select and reductions", () => {
  test.each(SIZES)("%i columns", (c) => {
    const r = 6;
    const [a, b, x] = [floats(r * c, 1), floats(r * c, 2), floats(r * c, 3)];
    const condition = floats(r * c, 4).map((value) => (value > 0.5 ? 1 : value < -0.5 ? -2 : 0));
    const y = new Float32Array(r * c);
    runParts("select", [condition, a, b, y, r, c], [3], r);
    expect(y).toEqual(y.map((_, i) => (condition[i] ? a[i] : b[i])));

    const rows = Array.from({ length: r }, (_, row) => Array.from(x.subarray(row * c, row * c + c)));
    const [sums, largest] = [new Float32Array(r), new Float32Array(r)];
    runParts("sum_columns", [x, sums, r, c], [1], r);
    runParts("max_columns", [x, largest, r, c], [1], r);
    expectClose(
      sums,
      rows.map((row) => row.reduce((sum, value) => sum + value, 0)),
      1e-6,
    );
    expect([...largest]).toEqual(rows.map((row) => Math.max(...row)));

    for (const add of [0, 1]) {
      const start = floats(c, 5);
      const columns = start.slice();
      runParts("sum_rows", [x, columns, r, c, add], [1], Math.ceil(c / 16));
      const expected = start.map((value, i) =>
        rows.reduce((sum, row) => Math.fround(sum + row[i]), add ? value : 0),
      );
      expect(columns).toEqual(expected);
    }
  });

  test.each([1, 5, 1024, 1027, 3000])("accumulate %i elements", (n) => {
    const [state, x] = [floats(n, 1), floats(n, 2)];
    const expected = state.map((value, i) => value + x[i]);
    runParts("accumulate", [state, x, n], [0], Math.ceil(n / 1024));
    expect(state).toEqual(expected);
    expect(call("accumulate", [state, x, n + 1], [[0, 1]], 0)).toBe(ERROR_OPERAND_BYTES);
    expect(call("accumulate", [state, x, n], [[0, n + 1]], 0)).toBe(ERROR_DIMENSION);
  });

  test("errors", () => {
    const memory = () => Array.from({ length: 4 }, () => new Float32Array(6));
    for (let i = 0; i < 4; i++) {
      const short = memory().map((array, j) => (i === j ? array.slice(1) : array));
      expect(call("select", [...short, 2, 3], [[0, 2]], 0)).toBe(ERROR_OPERAND_BYTES);
    }
    expect(call("select", [...memory(), 2, 3], [[0, 3]], 0)).toBe(ERROR_DIMENSION);
    const [x, y] = [new Float32Array(6), new Float32Array(3)];
    expect(call("sum_rows", [x, y, 2, 3, 0], [[0, 2]], 0)).toBe(ERROR_DIMENSION);
    expect(call("sum_rows", [x.slice(1), y, 2, 3, 0], [[0, 1]], 0)).toBe(ERROR_OPERAND_BYTES);
    expect(call("sum_rows", [x, y.slice(1), 2, 3, 0], [[0, 1]], 0)).toBe(ERROR_OPERAND_BYTES);
  });
});
