/** Seeded values, and comparisons with f64. */
import { expect } from "vitest";
import { normal } from "../../src/engine/random.ts";
import { call, type Operand, type Range, split } from "./harness.ts";

/** Sizes that hit whole vectors, tails of 1 to 3, and a prime. */
export const SIZES = [1, 3, 4, 5, 8, 17, 37];

/** `count` normal numbers times `scale`. */
export function floats(count: number, seed: number, scale = 1): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => normal(seed, i) * scale);
}

/** Largest difference at most `tolerance` of the largest expected magnitude. */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what = "",
): void {
  expect(actual.length, what).toBe(expected.length);
  let scale = 1e-30;
  for (let i = 0; i < expected.length; i++) scale = Math.max(scale, Math.abs(expected[i]));
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i] - expected[i]) / scale;
    if (!(error <= tolerance))
      expect.fail(`${what} [${i}]: ${actual[i]}, expected ${expected[i]} (${error} of the largest)`);
  }
}

/**
 * Runs a kernel in 1, 2 and 3 parts on copies of the outputs; fails unless the code is 0, all parts give the same bits, and no two parts
 * change the same element.
 */
export function runParts(
  name: string,
  operands: readonly Operand[],
  outputs: readonly number[],
  units: number,
  scratch = 0,
): void {
  const results = [1, 2, 3].map((parts) => runRanges(name, operands, outputs, split(units, parts), scratch));
  for (const result of results) expect(result, `${name} in parts`).toEqual(results[0]);
  const alone = split(units, 3).map((range) => runRanges(name, operands, outputs, [range], scratch));
  outputs.forEach((output, i) => {
    const before = operands[output] as Float32Array;
    before.forEach((value, j) => {
      const changes = alone.filter((result) => !Object.is(result[i][j], value)).length;
      if (changes > 1) expect.fail(`${name}: ${changes} parts write operand ${output} [${j}]`);
    });
  });
  outputs.forEach((output, i) => {
    (operands[output] as Float32Array).set(results[0][i]);
  });
}

function runRanges(
  name: string,
  operands: readonly Operand[],
  outputs: readonly number[],
  ranges: readonly Range[],
  scratch: number,
) {
  const copies = new Map<Operand, Float32Array>(
    outputs.map((i) => [operands[i], (operands[i] as Float32Array).slice()]),
  );
  const code = call(
    name,
    operands.map((operand) => copies.get(operand) ?? operand),
    ranges,
    scratch,
  );
  expect(code, `${name}: error code`).toBe(0);
  return outputs.map((i) => copies.get(operands[i])!);
}

/** Sequences table: 8 words an entry. */
export function sequenceTable(
  entries: readonly { first: number; rows: number; cache?: number }[],
): Uint32Array {
  const words = new Uint32Array(8 * entries.length);
  entries.forEach(({ first, rows, cache = 0 }, i) => {
    words.set([first, rows, 0, cache], 8 * i);
  });
  return words;
}

/** dL/dx by central differences in f64, where L = Σ weight·f(x). */
export function differences(
  x: Float64Array,
  weight: ArrayLike<number>,
  f: (x: Float64Array) => ArrayLike<number>,
): number[] {
  const loss = () => Array.from(f(x)).reduce((sum, y, i) => sum + y * weight[i], 0);
  const step = 1e-5;
  return Array.from(x, (value, i) => {
    x[i] = value + step;
    const above = loss();
    x[i] = value - step;
    const below = loss();
    x[i] = value;
    return (above - below) / (2 * step);
  });
}
