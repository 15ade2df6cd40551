import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { normal, random, threefry, uniform } from "../../src/engine/random.ts";
import { exports as kernels } from "../kernels/harness.ts";

describe("counter-based random numbers", () => {
  test("Threefry-2x32-20 gives the authors' known answers", () => {
    const hex = (words: number[]) => words.map((word) => word.toString(16).padStart(8, "0")).join(" ");
    expect(hex(threefry(0, 0, 0, 0))).toBe("6b200159 99ba4efe");
    expect(hex(threefry(0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff))).toBe("1cb996fc bb002be7");
    expect(hex(threefry(0x13198a2e, 0x03707344, 0x243f6a88, 0x85a308d3))).toBe("c4923a9c 483df7a0");
  });

  test("the kernels' twin has the same bits", () => {
    const word = fc.oneof(fc.nat(3), fc.integer({ min: 0, max: 0xffffffff }));
    fc.assert(
      fc.property(word, word, word, word, word, (seed, a, b, c, d) => {
        const bits = random(seed, a, b, c, d);
        expect(kernels.random(seed, a, b, c, d) >>> 0).toBe(bits);
        expect(kernels.uniform(bits)).toBe(uniform(bits));
      }),
      { numRuns: 500 },
    );
  });

  test("uniform lies strictly between 0 and 1 and is exact in f32", () => {
    for (const bits of [0, 1, 511, 512, 0x7fffffff, 0xffffffff]) {
      const u = uniform(bits);
      expect(u).toBeGreaterThan(0);
      expect(u).toBeLessThan(1);
      expect(Math.fround(u)).toBe(u);
    }
  });

  test("every counter matters, and so does their number", () => {
    const draws = [
      random(1),
      random(2),
      random(1, 0),
      random(1, 0, 0),
      random(1, 0, 0, 0),
      random(1, 1),
      random(1, 0, 1),
    ];
    expect(new Set(draws).size).toBe(draws.length);
  });

  test("bits are balanced and follow each other independently", () => {
    const count = 20_000;
    const ones = new Array(32).fill(0);
    let flips = 0;
    for (let i = 0; i < count; i++) {
      const bits = random(7, i);
      for (let bit = 0; bit < 32; bit++) ones[bit] += (bits >>> bit) & 1;
      for (let difference = bits ^ random(7, i ^ 1); difference; difference &= difference - 1) flips++;
    }
    // five standard deviations
    for (const one of ones) expect(Math.abs(one / count - 0.5)).toBeLessThan((5 * 0.5) / Math.sqrt(count));
    expect(Math.abs(flips / count - 16)).toBeLessThan((5 * Math.sqrt(8)) / Math.sqrt(count / 2));
  });

  test("normal has mean 0, variance 1 and the tails of a normal", () => {
    const count = 50_000;
    const values = Array.from({ length: count }, (_, i) => normal(3, 5, i));
    const moment = (k: number) => values.reduce((sum, value) => sum + value ** k, 0) / count;
    expect(Math.abs(moment(1))).toBeLessThan(5 / Math.sqrt(count));
    expect(Math.abs(moment(2) - 1)).toBeLessThan((5 * Math.sqrt(2)) / Math.sqrt(count));
    expect(Math.abs(moment(4) - 3)).toBeLessThan((5 * Math.sqrt(96)) / Math.sqrt(count));
    const beyond2 = values.filter((value) => Math.abs(value) > 2).length / count;
    expect(Math.abs(beyond2 - 0.0455)).toBeLessThan(5 * Math.sqrt(0.0455 / count));
  });
});
