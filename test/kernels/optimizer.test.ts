import { describe, expect, test } from "vitest";
import { ERROR_DIMENSION, ERROR_OPERAND_BYTES } from "../../kernels/layout.ts";
import { call } from "./harness.ts";
import { expectClose, floats, runParts } from "./values.ts";

const fresh = () => Float32Array.from([1, 1, 0, 0, 0, 0, 0, 0]);

describe("sum_squares", () => {
  test.each([1, 3, 4096, 4097, 10_007])("%i elements in pieces of 4096", (n) => {
    const x = floats(n, n);
    const pieces = new Float32Array(Math.ceil(n / 4096));
    runParts("sum_squares", [x, pieces, n], [1], pieces.length);
    const expected = Array.from(pieces, (_, i) =>
      x.subarray(4096 * i, 4096 * (i + 1)).reduce((sum, value) => sum + value * value, 0),
    );
    expectClose(pieces, expected, 1e-5);
  });
});

describe("optimizer_schedule", () => {
  const advance = (pieces: Float32Array, weights: number, schedule: Float32Array, maxNorm: number) => {
    const floats = [maxNorm, 0.9, 0.999].map((float) => ({ float }));
    const weightSum = Float32Array.from([weights]);
    const operands = [pieces, weightSum, schedule, pieces.length, ...floats];
    expect(call("optimizer_schedule", operands, [[0, 1]], 0)).toBe(0);
    expect(weightSum[0]).toBe(0);
  };

  test("powers of beta, and 1 − βᵗ without cancellation", () => {
    const schedule = fresh();
    for (let t = 1; t <= 50; t++) {
      advance(Float32Array.from([1]), 1, schedule, 0);
      const [beta1, beta2] = [Math.fround(0.9), Math.fround(0.999)];
      expectClose(schedule.subarray(0, 2), [beta1 ** t, beta2 ** t], 1e-6);
      expect(Math.abs(schedule[5] / (1 - beta1 ** t) - 1)).toBeLessThan(1e-6);
      expect(Math.abs(schedule[6] / (1 - beta2 ** t) - 1)).toBeLessThan(1e-6);
    }
  });

  test("factor: mean over the weights, clipped by the norm of the mean", () => {
    const pieces = Float32Array.from([9, 16]); // norm 5 before the mean
    for (const [weights, maxNorm, factor, norm] of [
      [1, 0, 1, 5],
      [2, 0, 0.5, 2.5],
      [2, 1, 0.2, 2.5],
      [2, 3, 0.5, 2.5],
      [0, 1, 0, 0],
    ]) {
      const schedule = fresh();
      advance(pieces, weights, schedule, maxNorm);
      expectClose(schedule.subarray(2, 5), [factor, norm, weights], 1e-7);
    }
  });
});

describe("adamw", () => {
  /** torch.optim.AdamW, written out in f64. */
  function torchStep(
    state: { p: number; m: number; v: number },
    g: number,
    t: number,
    lr: number,
    decay: number,
  ) {
    const [beta1, beta2, epsilon] = [0.9, 0.999, 1e-8];
    state.p *= 1 - lr * decay;
    state.m = beta1 * state.m + (1 - beta1) * g;
    state.v = beta2 * state.v + (1 - beta2) * g * g;
    const denominator = Math.sqrt(state.v) / Math.sqrt(1 - beta2 ** t) + epsilon;
    state.p -= ((lr / (1 - beta1 ** t)) * state.m) / denominator;
  }

  test.each([1, 4, 5, 1023, 1024, 1025, 3001])("ten steps over %i elements", (n) => {
    const parameter = floats(n, 1);
    const [m, v] = [new Float32Array(n), new Float32Array(n)];
    const states = Array.from(parameter, (p) => ({ p, m: 0, v: 0 }));
    const schedule = fresh();
    const [weights, lr, decay] = [4, 1e-2, 0.1];
    for (let t = 1; t <= 10; t++) {
      const gradient = floats(n, 100 + t, 4);
      const pieces = new Float32Array(Math.ceil(n / 4096));
      call("sum_squares", [gradient, pieces, n], [[0, pieces.length]], 0);
      const settings = [0, 0.9, 0.999].map((float) => ({ float }));
      call(
        "optimizer_schedule",
        [pieces, Float32Array.from([weights]), schedule, pieces.length, ...settings],
        [[0, 1]],
        0,
      );
      states.forEach((state, i) => {
        torchStep(state, gradient[i] / weights, t, lr, decay);
      });
      const floatOperands = [lr, 0.9, 0.999, 1e-8, decay].map((float) => ({ float }));
      runParts(
        "adamw",
        [parameter, gradient, m, v, schedule, n, ...floatOperands],
        [0, 1, 2, 3],
        Math.ceil(n / 1024),
      );
      expect(gradient.every((value) => value === 0)).toBe(true);
    }
    expectClose(
      parameter,
      states.map((state) => state.p),
      2e-6,
      "parameter",
    );
    expectClose(
      m,
      states.map((state) => state.m),
      2e-6,
      "m",
    );
    expectClose(
      v,
      states.map((state) => state.v),
      1e-4,
      "v",
    ); // 1 − 0.999 is known to 5e-5 in f32; the correction cancels it
  });

  test("errors", () => {
    const n = 5;
    const memory = () => [...Array.from({ length: 4 }, () => new Float32Array(n)), fresh()];
    const settings = [0.1, 0.9, 0.999, 1e-8, 0].map((float) => ({ float }));
    expect(call("adamw", [...memory(), n, ...settings], [[0, 2]], 0)).toBe(ERROR_DIMENSION);
    for (let i = 0; i < 5; i++) {
      const short = memory().map((array, j) => (i === j ? array.slice(1) : array));
      expect(call("adamw", [...short, n, ...settings], [[0, 1]], 0)).toBe(ERROR_OPERAND_BYTES);
    }
    const [x, piece] = [new Float32Array(n), new Float32Array(1)];
    expect(call("sum_squares", [x.slice(1), piece, n], [[0, 1]], 0)).toBe(ERROR_OPERAND_BYTES);
    expect(call("sum_squares", [x, new Float32Array(0), n], [[0, 1]], 0)).toBe(ERROR_OPERAND_BYTES);
    expect(call("sum_squares", [x, piece, n], [[0, 2]], 0)).toBe(ERROR_DIMENSION);
    for (let i = 0; i < 3; i++) {
      const short = [piece, piece.slice(), fresh()].map((array, j) => (i === j ? array.slice(1) : array));
      expect(call("optimizer_schedule", [...short, 1, ...settings.slice(0, 3)], [[0, 1]], 0)).toBe(
        ERROR_OPERAND_BYTES,
      );
    }
  });
});
