import { describe, expect, test } from "vitest";
import { ERROR_DIMENSION, ERROR_OPERAND_BYTES } from "../../kernels/layout.ts";
import { call } from "./harness.ts";
import { differences, expectClose, floats, runParts, SIZES } from "./values.ts";

/** Large, so that with C = 1 the gradient is more than a cancellation. */
const EPSILON = 0.1;

function reference(
  x: ArrayLike<number>,
  w: ArrayLike<number>,
  t: number,
  c: number,
): { y: number[]; r: number[] } {
  const y: number[] = [];
  const r: number[] = [];
  for (let row = 0; row < t; row++) {
    let squares = 0;
    for (let i = 0; i < c; i++) squares += x[row * c + i] ** 2;
    r.push(1 / Math.sqrt(squares / c + EPSILON));
    for (let i = 0; i < c; i++) y.push(x[row * c + i] * r[row] * w[i]);
  }
  return { y, r };
}

describe("rms_norm", () => {
  test.each(SIZES)("C = %i, with gradients", (c) => {
    for (const t of [1, 3, 8]) {
      const [x, w, dy] = [floats(t * c, c), floats(c, c + 1), floats(t * c, c + 2)];
      const [y, r] = [new Float32Array(t * c), new Float32Array(t)];
      runParts("rms_norm", [x, w, y, r, t, c, { float: EPSILON }], [2, 3], t);
      const expected = reference(x, w, t, c);
      expectClose(y, expected.y, 1e-6, "y");
      expectClose(r, expected.r, 1e-6, "r");

      const dx = new Float32Array(t * c);
      runParts("rms_norm_grad_x", [dy, x, w, r, dx, t, c, 0], [4], t);
      const expectedDx = differences(Float64Array.from(x), dy, (x) => reference(x, w, t, c).y);
      expectClose(dx, expectedDx, 3e-6, "dx");
      const added = floats(t * c, 9);
      const before = added.slice();
      runParts("rms_norm_grad_x", [dy, x, w, r, added, t, c, 1], [4], t);
      expect(added).toEqual(before.map((value, i) => value + dx[i]));

      const dw = new Float32Array(c);
      const units = Math.ceil(c / 16);
      runParts("rms_norm_grad_w", [dy, x, r, dw, t, c, 0], [3], units);
      const expectedDw = differences(Float64Array.from(w), dy, (w) => reference(x, w, t, c).y);
      expectClose(dw, expectedDw, 3e-6, "dw");
      runParts("rms_norm_grad_w", [dy, x, r, dw, t, c, 1], [3], units);
      expectClose(
        dw,
        expectedDw.map((value) => 2 * value),
        3e-6,
        "dw, added",
      );
    }
  });

  test("a row has the same bits alone, in place and in a batch", () => {
    const [t, c] = [5, 37];
    const [x, w] = [floats(t * c, 1), floats(c, 2)];
    const [y, r] = [new Float32Array(t * c), new Float32Array(t)];
    runParts("rms_norm", [x, w, y, r, t, c, { float: EPSILON }], [2, 3], t);
    const inPlace = x.slice();
    expect(call("rms_norm", [inPlace, w, inPlace, r.slice(), t, c, { float: EPSILON }], [[0, t]], 0)).toBe(0);
    expect(inPlace).toEqual(y);
    for (let row = 0; row < t; row++) {
      const alone = x.slice(row * c, row * c + c);
      call("rms_norm", [alone, w, alone, new Float32Array(1), 1, c, { float: EPSILON }], [[0, 1]], 0);
      expect(alone).toEqual(y.slice(row * c, row * c + c));
    }
  });

  test("errors", () => {
    const [x, w, r] = [new Float32Array(8), new Float32Array(4), new Float32Array(2)];
    const code = (
      x: Float32Array,
      w: Float32Array,
      y: Float32Array,
      r: Float32Array,
      t: number,
      end: number,
    ) => call("rms_norm", [x, w, y, r, t, 4, { float: EPSILON }], [[0, end]], 0);
    const y = new Float32Array(8);
    expect(code(x, w, y, r, 2, 2)).toBe(0);
    expect(code(x.slice(1), w, y, r, 2, 2)).toBe(ERROR_OPERAND_BYTES);
    expect(code(x, w.slice(1), y, r, 2, 2)).toBe(ERROR_OPERAND_BYTES);
    expect(code(x, w, y.slice(1), r, 2, 2)).toBe(ERROR_OPERAND_BYTES);
    expect(code(x, w, y, r.slice(1), 2, 2)).toBe(ERROR_OPERAND_BYTES);
    expect(code(x, w, y, r, -1, 2)).toBe(ERROR_OPERAND_BYTES);
    expect(code(x, w, y, r, 2, 3)).toBe(ERROR_DIMENSION);
    const [dx, dw] = [new Float32Array(8), new Float32Array(4)];
    for (let i = 0; i < 5; i++) {
      const memory = [y, x, w, r, dx].map((array, j) => (i === j ? array.slice(1) : array));
      expect(call("rms_norm_grad_x", [...memory, 2, 4, 0], [[0, 2]], 0)).toBe(ERROR_OPERAND_BYTES);
    }
    for (let i = 0; i < 4; i++) {
      const memory = [y, x, r, dw].map((array, j) => (i === j ? array.slice(1) : array));
      expect(call("rms_norm_grad_w", [...memory, 2, 4, 0], [[0, 1]], 0)).toBe(ERROR_OPERAND_BYTES);
    }
    expect(call("rms_norm_grad_w", [y, x, r, dw, 2, 4, 0], [[0, 2]], 0)).toBe(ERROR_DIMENSION);
  });
});
