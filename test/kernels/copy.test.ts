import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ERROR_DIMENSION, ERROR_NONE, ERROR_OPERAND_BYTES } from "../../kernels/layout.ts";
import { call } from "./harness.ts";
import { expectClose, floats, runParts, SIZES } from "./values.ts";

describe("copy", () => {
  test("any view of up to four extents", () => {
    const size = fc.integer({ min: 1, max: 4 });
    const stride = fc.integer({ min: 0, max: 9 });
    fc.assert(
      fc.property(
        fc.tuple(size, size, size, size),
        fc.tuple(stride, stride, stride, stride),
        fc.nat(5),
        (d, s, offset) => {
          const last = offset + d.reduce((sum, extent, i) => sum + (extent - 1) * s[i], 0);
          const x = floats(last + 1, 7);
          const y = new Float32Array(d.reduce((a, b) => a * b));
          runParts("copy", [x, y, ...d, ...s, offset], [1], d[0]);
          let at = 0;
          for (let a = 0; a < d[0]; a++)
            for (let b = 0; b < d[1]; b++)
              for (let c = 0; c < d[2]; c++)
                for (let e = 0; e < d[3]; e++)
                  expect(y[at++]).toBe(x[offset + a * s[0] + b * s[1] + c * s[2] + e * s[3]]);
          const code = call("copy", [x.slice(1), y, ...d, ...s, offset], [[0, d[0]]], 0);
          expect(code).toBe(ERROR_OPERAND_BYTES);
        },
      ),
      { numRuns: 200 },
    );
  });

  test("errors", () => {
    const [x, y] = [new Float32Array(24), new Float32Array(24)];
    const code = (scalars: number[], end = 2) => call("copy", [x, y, ...scalars], [[0, end]], 0);
    const dense = [2, 3, 2, 2, 12, 4, 2, 1, 0];
    const changed = (i: number, value: number) => dense.map((old, j) => (i === j ? value : old));
    expect(code(dense)).toBe(0);
    expect(code(dense, 3)).toBe(ERROR_DIMENSION);
    for (let i = 4; i < 9; i++) expect(code(changed(i, -1))).toBe(ERROR_DIMENSION);
    for (let i = 4; i < 9; i++) expect(code(changed(i, 0x7fffffff))).toBe(ERROR_OPERAND_BYTES);
    for (let i = 1; i < 4; i++) expect(code(changed(i, -1))).toBe(ERROR_OPERAND_BYTES);
    expect(code(changed(3, 3))).toBe(ERROR_OPERAND_BYTES);
  });
});

describe("fill, cast, iota", () => {
  test.each([1, 3, 1024, 1025, 2500])("%i elements", (n) => {
    const y = new Float32Array(n);
    const units = Math.ceil(n / 1024);
    runParts("fill", [y, n, { float: 2.5 }], [0], units);
    expect(y.every((value) => value === 2.5)).toBe(true);
    const x = Uint32Array.from({ length: n }, (_, i) => (i * 2654435761) >>> (i % 32));
    runParts("cast_u32_f32", [x, y, n], [1], units);
    expect(y).toEqual(Float32Array.from(x));
    // Where n is known only when a plan runs, there may be units for which nothing is left.
    expect(
      call(
        "fill",
        [y, n, { float: 7 }],
        [
          [0, units],
          [units, n],
        ],
        0,
      ),
    ).toBe(ERROR_NONE);
    expect(y.every((value) => value === 7)).toBe(true);
    expect(call("fill", [y, n + 1, { float: 0 }], [[0, 1]], 0)).toBe(ERROR_OPERAND_BYTES);
    expect(call("fill", [y, n, { float: 0 }], [[0, n + 1]], 0)).toBe(ERROR_DIMENSION);
    expect(call("cast_u32_f32", [x, y, n + 1], [[0, 1]], 0)).toBe(ERROR_OPERAND_BYTES);
    expect(call("cast_u32_f32", [x, y, n], [[0, n + 1]], 0)).toBe(ERROR_DIMENSION);
  });

  test.each(SIZES)("iota over %i columns", (c) => {
    const y = new Float32Array(3 * c);
    runParts("iota", [y, 3, c, 0], [0], 3);
    expect(y).toEqual(y.map((_, i) => Math.floor(i / c)));
    runParts("iota", [y, 3, c, 1], [0], 3);
    expect(y).toEqual(y.map((_, i) => i % c));
    expect(call("iota", [y, 3, c, 2], [[0, 3]], 0)).toBe(ERROR_DIMENSION);
    expect(call("iota", [y, 3, c, 0], [[0, 4]], 0)).toBe(ERROR_DIMENSION);
    expect(call("iota", [y.slice(1), 3, c, 0], [[0, 3]], 0)).toBe(ERROR_OPERAND_BYTES);
  });
});

describe("matmul", () => {
  /** Strides of a batch of dense rows × columns matrices, or of their transposes. */
  const layout = (rows: number, columns: number, transposed: boolean) =>
    transposed ? [rows * columns, 1, rows] : [rows * columns, columns, 1];

  test.each(SIZES)("N = %i, all four transpositions, shared operands", (n) => {
    for (const [m, k] of [
      [1, 3],
      [5, 8],
    ])
      for (const transposeA of [false, true])
        for (const transposeB of [false, true])
          for (const shared of [false, true]) {
            const batch = 3;
            const [aStrides, bStrides] = [layout(m, k, transposeA), layout(k, n, transposeB)];
            if (shared) bStrides[0] = 0;
            const [a, b] = [floats(batch * m * k, n), floats((shared ? 1 : batch) * k * n, n + 1)];
            const at = (x: Float32Array, strides: number[], z: number, row: number, column: number) =>
              x[z * strides[0] + row * strides[1] + column * strides[2]];
            for (const add of [0, 1]) {
              const start = floats(batch * m * n, 9);
              const y = start.slice();
              runParts("matmul", [a, b, y, batch, m, n, k, ...aStrides, ...bStrides, add], [2], batch * m);
              const expected = Array.from(start, (value, i) => {
                const [z, row, column] = [Math.floor(i / (m * n)), Math.floor(i / n) % m, i % n];
                let sum = add ? value : 0;
                for (let l = 0; l < k; l++) sum += at(a, aStrides, z, row, l) * at(b, bStrides, z, l, column);
                return sum;
              });
              expectClose(y, expected, 1e-6);
            }
          }
  });

  test("errors", () => {
    const [batch, m, n, k] = [2, 3, 5, 4];
    const memory = [
      new Float32Array(batch * m * k),
      new Float32Array(batch * k * n),
      new Float32Array(batch * m * n),
    ];
    const scalars = [batch, m, n, k, ...layout(m, k, false), ...layout(k, n, false), 0];
    const code = (memory: Float32Array[], scalars: number[], end = batch * m) =>
      call("matmul", [...memory, ...scalars], [[0, end]], 0);
    expect(code(memory, scalars)).toBe(0);
    for (let i = 0; i < 3; i++)
      expect(
        code(
          memory.map((array, j) => (i === j ? array.slice(1) : array)),
          scalars,
        ),
      ).toBe(ERROR_OPERAND_BYTES);
    for (let i = 0; i < 10; i++) {
      expect(
        code(
          memory,
          scalars.map((old, j) => (i === j ? -1 : old)),
        ),
      ).toBe(ERROR_DIMENSION);
      expect(
        code(
          memory,
          scalars.map((old, j) => (i === j ? 0x7fffffff : old)),
        ),
      ).toBe(ERROR_OPERAND_BYTES);
    }
    expect(code(memory, scalars, batch * m + 1)).toBe(ERROR_DIMENSION);
  });
});
