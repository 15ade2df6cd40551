import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cos, exp, log, pow, sin } from "../../src/engine/math.ts";

const TOLERANCE = 1e-15;
/** Relative to the larger of |expected| and `floor`. */
function expectClose(value: number, expected: number, tolerance: number, what: string, floor = 0) {
  const scale = Math.max(Math.abs(expected), floor);
  const error = value === expected ? 0 : Math.abs(value - expected) / scale;
  expect(error, `${what}: ${value}, expected ${expected}`).toBeLessThanOrEqual(tolerance);
}
const between = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const runs = { numRuns: 5000 };

describe("own mathematics against the engine's", () => {
  test("exp", () => {
    fc.assert(
      fc.property(between(-708, 709), (x) => expectClose(exp(x), Math.exp(x), TOLERANCE, `exp(${x})`)),
      runs,
    );
    fc.assert(
      fc.property(between(-1, 1), (x) => expectClose(exp(x), Math.exp(x), TOLERANCE, `exp(${x})`)),
      runs,
    );
    expect([exp(0), exp(710), exp(-746), exp(-1e300), exp(Number.NaN)]).toEqual([
      1,
      Infinity,
      0,
      0,
      Number.NaN,
    ]);
    expectClose(exp(-740), Math.exp(-740), 0.05, "subnormal");
  });

  test("log", () => {
    fc.assert(
      fc.property(between(5e-324, 1e308), (x) => expectClose(log(x), Math.log(x), TOLERANCE, `log(${x})`)),
      runs,
    );
    fc.assert(
      fc.property(between(0.5, 2), (x) => expectClose(log(x), Math.log(x), TOLERANCE, `log(${x})`)),
      runs,
    );
    expect([log(1), log(0), log(-1), log(Infinity)]).toEqual([0, -Infinity, Number.NaN, Infinity]);
  });

  test("pow", () => {
    fc.assert(
      fc.property(between(1e-6, 1e7), between(-40, 40), (x, y) =>
        expectClose(pow(x, y), x ** y, TOLERANCE, `pow(${x}, ${y})`),
      ),
      runs,
    );
    expect([pow(0, 2), pow(0, -1), pow(5, 0), pow(2, 1e300), pow(2, -1e300), pow(-1, 2)]).toEqual([
      0,
      Infinity,
      1,
      Infinity,
      0,
      Number.NaN,
    ]);
    expect([pow(2, 10), pow(10, 3), pow(3, 5)]).toEqual([1024, 1000, 243]);
  });

  test("sin and cos", () => {
    for (const range of [1, 10, 1000, 1e6]) {
      const angles = between(-range, range);
      fc.assert(
        fc.property(angles, (x) => expectClose(sin(x), Math.sin(x), TOLERANCE, `sin(${x})`, 1e-9)),
        runs,
      );
      fc.assert(
        fc.property(angles, (x) => expectClose(cos(x), Math.cos(x), TOLERANCE, `cos(${x})`, 1e-9)),
        runs,
      );
    }
    // next to a multiple of π/2 everything but the last bits cancels
    for (let n = 1; n < 1000; n += 7) {
      expectClose(sin(n * Math.PI), Math.sin(n * Math.PI), 1e-14, `sin(${n}π)`);
      expectClose(cos((n + 0.5) * Math.PI), Math.cos((n + 0.5) * Math.PI), 1e-14, `cos((${n} + ½)π)`);
    }
    expect(sin(Infinity)).toBeNaN();
    expect(() => cos(2e6)).toThrow("cos: |x| must be at most 1000000, is 2000000");
  });
});
