import { describe, expect, test } from "vitest";
import { ERROR_DIMENSION, ERROR_INDEX, ERROR_OPERAND_BYTES } from "../../kernels/layout.ts";
import { call } from "./harness.ts";
import { floats, runParts, SIZES } from "./values.ts";

describe("gather and scatter_add", () => {
  test.each(SIZES)("C = %i", (c) => {
    const [t, index] = [7, Uint32Array.from([6, 0, 3, 3, 6, 1, 3])];
    const o = index.length;
    const x = floats(t * c, c);
    const y = new Float32Array(o * c);
    runParts("gather", [x, index, y, t, o, c], [2], o);
    expect(y).toEqual(y.map((_, i) => x[index[Math.floor(i / c)] * c + (i % c)]));

    const dy = floats(o * c, c + 1);
    for (const accumulate of [0, 1]) {
      const start = floats(t * c, c + 2);
      const dx = start.slice();
      runParts("scatter_add", [dy, index, dx, t, o, c, accumulate], [2], Math.ceil(c / 16));
      const expected = accumulate ? start.slice() : new Float32Array(t * c);
      dy.forEach((value, i) => {
        expected[index[Math.floor(i / c)] * c + (i % c)] += value; // f32, in the same order: equal bits
      });
      expect(dx).toEqual(expected);
    }
  });

  test("errors", () => {
    const [t, o, c] = [3, 2, 5];
    const memory = () => [new Float32Array(t * c), Uint32Array.from([0, 2]), new Float32Array(o * c)];
    for (let i = 0; i < 3; i++) {
      const short = memory().map((array, j) => (i === j ? array.slice(1) : array));
      expect(call("gather", [...short, t, o, c], [[0, o]], 0)).toBe(ERROR_OPERAND_BYTES);
      expect(call("scatter_add", [short[2], short[1], short[0], t, o, c, 0], [[0, 1]], 0)).toBe(
        ERROR_OPERAND_BYTES,
      );
    }
    const [x, index, y] = memory();
    expect(call("gather", [x, index, y, t, o, c], [[0, o + 1]], 0)).toBe(ERROR_DIMENSION);
    expect(call("scatter_add", [y, index, x, t, o, c, 0], [[0, 2]], 0)).toBe(ERROR_DIMENSION);
    index[1] = t;
    expect(call("gather", [x, index, y, t, o, c], [[0, o]], 0)).toBe(ERROR_INDEX);
    expect(call("scatter_add", [y, index, x, t, o, c, 0], [[0, 1]], 0)).toBe(ERROR_INDEX);
  });
});
