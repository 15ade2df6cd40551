import { describe, expect, test } from "vitest";
import { ERROR_DIMENSION, ERROR_OPERAND_BYTES } from "../../kernels/layout.ts";
import { call } from "./harness.ts";
import { differences, expectClose, floats, runParts, SIZES } from "./values.ts";

/** The tanh form as it was published; the kernel computes it by a sigmoid. */
const gelu = (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
const value = (gate: number, up: number) => gelu(gate) * up;

describe("geglu", () => {
  test.each(SIZES)("F = %i, with gradients", (f) => {
    const t = 3;
    const [gate, up, dy] = [floats(t * f, f, 3), floats(t * f, f + 1), floats(t * f, f + 2)];
    const [y, dgate, dup] = [0, 1, 2].map(() => new Float32Array(t * f));
    runParts("geglu", [gate, up, y, t, f], [2], t);
    const expected = Float64Array.from(gate, (g, i) => value(g, up[i]));
    expectClose(y, expected, 1e-6, "y");
    runParts("geglu_grad", [dy, gate, up, dgate, dup, t, f], [3, 4], t);
    const expectedGate = differences(Float64Array.from(gate), dy, (gate) =>
      gate.map((g, i) => value(g, up[i])),
    );
    const expectedUp = differences(Float64Array.from(up), dy, (up) => up.map((u, i) => value(gate[i], u)));
    expectClose(dgate, expectedGate, 3e-6, "dgate");
    expectClose(dup, expectedUp, 3e-6, "dup");

    const [inGate, inUp] = [gate.slice(), up.slice()];
    expect(call("geglu", [inGate, inUp, inGate, t, f], [[0, t]], 0)).toBe(0);
    expect(inGate).toEqual(y);
    inGate.set(gate);
    expect(call("geglu_grad", [dy, inGate, inUp, inGate, inUp, t, f], [[0, t]], 0)).toBe(0);
    expect([inGate, inUp]).toEqual([dgate, dup]);
  });

  test("far from 0 it is gate·up or 0, and so is its gradient", () => {
    const gate = Float32Array.from([100, -100, 1e9, -1e9]);
    const [two, one] = [2, 1].map((each) => new Float32Array(4).fill(each));
    const [y, dgate, dup] = [0, 1, 2].map(() => new Float32Array(4));
    expect(call("geglu", [gate, two, y, 1, 4], [[0, 1]], 0)).toBe(0);
    expectClose(y, [200, 0, 2e9, 0], 1e-7);
    expect(call("geglu_grad", [one, gate, two, dgate, dup, 1, 4], [[0, 1]], 0)).toBe(0);
    expectClose(dgate, [2, 0, 2, 0], 1e-7);
    expectClose(
      dup,
      gate.map((each) => Math.max(each, 0)),
      1e-7,
    );
  });

  test("errors", () => {
    const arrays = () => Array.from({ length: 5 }, () => new Float32Array(6));
    expect(call("geglu", [...arrays().slice(2), 2, 3], [[0, 3]], 0)).toBe(ERROR_DIMENSION);
    expect(call("geglu_grad", [...arrays(), 2, 3], [[0, 3]], 0)).toBe(ERROR_DIMENSION);
    for (let i = 0; i < 5; i++) {
      const short = arrays().map((array, j) => (i === j ? array.slice(1) : array));
      expect(call("geglu_grad", [...short, 2, 3], [[0, 2]], 0)).toBe(ERROR_OPERAND_BYTES);
      if (i < 3) expect(call("geglu", [...short.slice(0, 3), 2, 3], [[0, 2]], 0)).toBe(ERROR_OPERAND_BYTES);
    }
  });
});
