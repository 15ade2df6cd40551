import { describe, expect, test } from "vitest";
import { ERROR_DIMENSION, ERROR_OPERAND_BYTES } from "../../kernels/layout.ts";
import { call } from "./harness.ts";
import { differences, expectClose, floats, runParts, SIZES } from "./values.ts";

const value = (gate: number, up: number) => (gate / (1 + Math.exp(-gate))) * up;

describe("swiglu", () => {
  test.each(SIZES)("F = %i, with gradients", (f) => {
    const t = 3;
    const [gate, up, dy] = [floats(t * f, f, 3), floats(t * f, f + 1), floats(t * f, f + 2)];
    const [y, dgate, dup] = [0, 1, 2].map(() => new Float32Array(t * f));
    runParts("swiglu", [gate, up, y, t, f], [2], t);
    expectClose(
      y,
      gate.map((g, i) => value(g, up[i])),
      1e-6,
      "y",
    );
    runParts("swiglu_grad", [dy, gate, up, dgate, dup, t, f], [3, 4], t);
    const expectedGate = differences(Float64Array.from(gate), dy, (gate) =>
      gate.map((g, i) => value(g, up[i])),
    );
    const expectedUp = differences(Float64Array.from(up), dy, (up) => up.map((u, i) => value(gate[i], u)));
    expectClose(dgate, expectedGate, 2e-6, "dgate");
    expectClose(dup, expectedUp, 2e-6, "dup");

    const [inGate, inUp] = [gate.slice(), up.slice()];
    expect(call("swiglu", [inGate, inUp, inGate, t, f], [[0, t]], 0)).toBe(0);
    expect(inGate).toEqual(y);
    inGate.set(gate);
    expect(call("swiglu_grad", [dy, inGate, inUp, inGate, inUp, t, f], [[0, t]], 0)).toBe(0);
    expect([inGate, inUp]).toEqual([dgate, dup]);
  });

  test("far from 0 it is gate·up or 0", () => {
    const gate = Float32Array.from([100, -100, 1e30, -1e30]);
    const y = new Float32Array(4);
    expect(call("swiglu", [gate, new Float32Array(4).fill(2), y, 1, 4], [[0, 1]], 0)).toBe(0);
    expect(y[0]).toBe(200);
    expect(Math.abs(y[1])).toBeLessThan(1e-30);
    expect(y[2]).toBe(Math.fround(2 * Math.fround(1e30)));
    expect(Math.abs(y[3])).toBeLessThan(1e-7);
  });

  test("errors", () => {
    const arrays = () => Array.from({ length: 5 }, () => new Float32Array(6));
    expect(call("swiglu", [...arrays().slice(2), 2, 3], [[0, 3]], 0)).toBe(ERROR_DIMENSION);
    expect(call("swiglu_grad", [...arrays(), 2, 3], [[0, 3]], 0)).toBe(ERROR_DIMENSION);
    for (let i = 0; i < 5; i++) {
      const short = arrays().map((array, j) => (i === j ? array.slice(1) : array));
      expect(call("swiglu_grad", [...short, 2, 3], [[0, 2]], 0)).toBe(ERROR_OPERAND_BYTES);
      if (i < 3) expect(call("swiglu", [...short.slice(0, 3), 2, 3], [[0, 2]], 0)).toBe(ERROR_OPERAND_BYTES);
    }
  });
});
