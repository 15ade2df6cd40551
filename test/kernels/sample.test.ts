import { describe, expect, test } from "vitest";
import { ERROR_DIMENSION, ERROR_OPERAND_BYTES } from "../../kernels/layout.ts";
import { random, uniform } from "../../src/engine/random.ts";
import { call, split } from "./harness.ts";
import { floats, SIZES } from "./values.ts";

function sample(
  logits: Float32Array,
  v: number,
  temperature: number,
  { node = 3, seed = 11, step = 5, parts = 1 } = {},
): number[] {
  const o = logits.length / v;
  const tokens = new Uint32Array(o);
  const code = call(
    "sample",
    [logits, tokens, o, v, node, seed, step, { float: temperature }],
    split(o, parts),
    0,
  );
  expect(code).toBe(0);
  return [...tokens];
}

describe("sample", () => {
  test.each(SIZES)("V = %i: argmax, and the Gumbel maximum", (v) => {
    const o = 9;
    const logits = floats(o * v, v, 3);
    const row = (i: number) => Array.from(logits.subarray(i * v, i * v + v));
    const argmax = (values: number[]) => values.indexOf(Math.max(...values));
    expect(sample(logits, v, 0)).toEqual(Array.from({ length: o }, (_, i) => argmax(row(i))));
    const temperature = 0.8;
    const expected = Array.from({ length: o }, (_, i) =>
      argmax(
        row(i).map((value, j) => value / temperature - Math.log(-Math.log(uniform(random(11, 5, 3, i, j))))),
      ),
    );
    for (const parts of [1, 2, 3]) expect(sample(logits, v, temperature, { parts })).toEqual(expected);
  });

  test("a token far below the first is skipped only where no random number could lift it", () => {
    const [o, v] = [300, 64];
    const logits = new Float32Array(o * v).map((_, i) => (i % v < 4 ? 6 : 0));
    const expected = Array.from({ length: o }, (_, row) => {
      const lifted = Array.from(
        { length: v },
        (_, i) => logits[i] - Math.log(-Math.log(uniform(random(11, 5, 3, row, i)))),
      );
      return lifted.indexOf(Math.max(...lifted));
    });
    expect(expected.filter((token) => token >= 4).length).toBeGreaterThan(3);
    expect(sample(logits, v, 1)).toEqual(expected);
  });

  test("ties, NaN and masked logits", () => {
    const logits = Float32Array.from([1, 2, 2, 2, 0, 2, 2, 2, 2]);
    expect(sample(logits, 9, 0)).toEqual([1]);
    expect(sample(Float32Array.from([NaN, -3, NaN, -2, NaN]), 5, 0)).toEqual([3]);
    expect(sample(new Float32Array(5).fill(-Infinity), 5, 0)).toEqual([0]);
    expect(sample(new Float32Array(5).fill(NaN), 5, 1)).toEqual([0]);
    const masked = new Float32Array(1000 * 6).fill(-Infinity);
    for (let row = 0; row < 1000; row++) masked[row * 6 + 4] = -50;
    expect(new Set(sample(masked, 6, 1))).toEqual(new Set([4]));
  });

  test("draws follow the softmax at the temperature", () => {
    const [rows, v, temperature] = [20_000, 6, 1.5];
    const logits = Float32Array.from([0, 1, 2, -1, -3, 0.5]);
    const many = new Float32Array(rows * v).map((_, i) => logits[i % v]);
    const counts = new Array(v).fill(0);
    for (const token of sample(many, v, temperature)) counts[token]++;
    const weights = Array.from(logits, (value) => Math.exp(value / temperature));
    const total = weights.reduce((a, b) => a + b);
    weights.forEach((weight, i) => {
      const p = weight / total;
      expect(Math.abs(counts[i] / rows - p)).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / rows));
    });
  });

  test("seed, step and node change the draw", () => {
    const logits = new Float32Array(64 * 50);
    const draws = [{}, { seed: 12 }, { step: 6 }, { node: 4 }].map((counters) =>
      sample(logits, 50, 1, counters).join(),
    );
    expect(new Set(draws).size).toBe(4);
    expect(sample(logits, 50, 1).join()).toBe(draws[0]);
  });

  test("errors", () => {
    const [logits, tokens] = [new Float32Array(6), new Uint32Array(2)];
    const rest = [2, 3, 0, 0, 0, { float: 1 }];
    expect(call("sample", [logits, tokens, ...rest], [[0, 3]], 0)).toBe(ERROR_DIMENSION);
    expect(call("sample", [logits.slice(1), tokens, ...rest], [[0, 2]], 0)).toBe(ERROR_OPERAND_BYTES);
    expect(call("sample", [logits, tokens.slice(1), ...rest], [[0, 2]], 0)).toBe(ERROR_OPERAND_BYTES);
  });
});
