import { describe, expect, test } from "vitest";
import { ERROR_DIMENSION, ERROR_OPERAND_BYTES, ERROR_TOKEN, NO_TARGET } from "../../kernels/layout.ts";
import { call } from "./harness.ts";
import { differences, expectClose, floats, runParts, SIZES } from "./values.ts";

function reference(logits: ArrayLike<number>, target: Uint32Array, weight: ArrayLike<number>, v: number) {
  const lse: number[] = [];
  const loss = Array.from(target, (wanted, row) => {
    const values = Array.from({ length: v }, (_, i) => logits[row * v + i]);
    const top = Math.max(...values);
    const sum = top + Math.log(values.reduce((sum, value) => sum + Math.exp(value - top), 0));
    lse.push(wanted === NO_TARGET ? 0 : sum);
    return wanted === NO_TARGET ? 0 : weight[row] * (sum - values[wanted]);
  });
  return { loss, lse };
}

describe("cross_entropy", () => {
  test.each(SIZES)("V = %i, with gradient", (v) => {
    const o = 5;
    const logits = floats(o * v, v, 4);
    const target = Uint32Array.from([0, v - 1, NO_TARGET, v >> 1, (v - 1) >> 1]);
    const weight = Float32Array.from([1, 0.5, 3, 0, 2]);
    const [loss, lse] = [new Float32Array(o), new Float32Array(o)];
    runParts("cross_entropy", [logits, target, weight, loss, lse, o, v], [3, 4], o);
    const expected = reference(logits, target, weight, v);
    expectClose(loss, expected.loss, 1e-6, "loss");
    expectClose(lse, expected.lse, 1e-6, "lse");

    const dloss = Float32Array.from([1, 2, 1, 1, -1]);
    const dlogits = new Float32Array(o * v);
    runParts("cross_entropy_grad", [logits, target, weight, lse, dloss, dlogits, o, v], [5], o);
    const slopes = differences(
      Float64Array.from(logits),
      dloss,
      (logits) => reference(logits, target, weight, v).loss,
    );
    for (let i = 0; i < dlogits.length; i++) expect(dlogits[i]).toBeCloseTo(slopes[i], 5);
    const inPlace = logits.slice();
    expect(
      call("cross_entropy_grad", [inPlace, target, weight, lse, dloss, inPlace, o, v], [[0, o]], 0),
    ).toBe(0);
    expect(inPlace).toEqual(dlogits);
  });

  test("huge and equal logits", () => {
    const logits = Float32Array.from([1e4, -1e4, 0, 3e38, 3e38, 3e38]);
    const [loss, lse] = [new Float32Array(2), new Float32Array(2)];
    call(
      "cross_entropy",
      [logits, Uint32Array.from([0, 1]), Float32Array.from([1, 1]), loss, lse, 2, 3],
      [[0, 2]],
      0,
    );
    expect([...loss]).toEqual([0, 0]); // ln 3 is below the precision of 3e38
    expect([...lse]).toEqual([1e4, Math.fround(3e38)]);
  });

  test("errors", () => {
    const [o, v] = [2, 5];
    const memory = () => [
      new Float32Array(o * v),
      new Uint32Array(o),
      new Float32Array(o),
      new Float32Array(o),
      new Float32Array(o),
    ];
    const code = (change: (memory: (Float32Array | Uint32Array)[]) => void, end = o) => {
      const changed = memory();
      change(changed);
      const gradient = [...changed, changed[0].slice()];
      const both = [
        call("cross_entropy", [...changed, o, v], [[0, end]], 0),
        call("cross_entropy_grad", [...gradient, o, v], [[0, end]], 0),
      ];
      expect(both[0]).toBe(both[1]);
      return both[0];
    };
    expect(code(() => {})).toBe(0);
    expect(code(() => {}, o + 1)).toBe(ERROR_DIMENSION);
    for (let i = 0; i < 5; i++)
      expect(code((memory) => (memory[i] = memory[i].slice(1)))).toBe(ERROR_OPERAND_BYTES);
    expect(code((memory) => (memory[1][1] = v))).toBe(ERROR_TOKEN);
    expect(code((memory) => (memory[1][1] = NO_TARGET - 1))).toBe(ERROR_TOKEN);
  });
});
