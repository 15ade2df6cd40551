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

/** x, sin x, cos x. */
const FAR: readonly [number, number, number][] = [
  [1048575.0, -0.6156211730587509, 0.7880422395289275],
  [1048576.0, 0.3304931400217347, 0.943808393901312],
  [1647099.0, -0.3232532403530771, 0.9463124973290988],
  [1647100.5, 0.9210759421939447, 0.3893829846199459],
  [2097152.375, 0.8667517393874268, 0.49873983425115553],
  [16777215.0, -0.9482326677687481, -0.31757645973239707],
  [16777216.0, -0.7795636732177778, 0.6263229832915329],
  [50000000.25, 0.9395615892601998, 0.34237993514055043],
  [199999999.0, 0.2534087294419124, -0.9673593002822869],
  [14528469.635341339, -0.9987290265404692, 0.050401701811810515],
];

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
    for (const range of [1, 10, 1000, 1e6, 2 ** 24, 2e8]) {
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
    // Positions of long contexts; the values are those of mpmath 1.3 with 60 digits.
    for (const [x, sine, cosine] of FAR) {
      expectClose(sin(x), sine, 1e-15, `sin(${x})`);
      expectClose(cos(x), cosine, 1e-15, `cos(${x})`);
    }
    expect(() => cos(3e8)).toThrow("cos: |x| must be at most 200000000, is 300000000");
  });
});
