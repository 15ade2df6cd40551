import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { random } from "../../src/engine/random.ts";
import {
  holm,
  signFlipTest,
  summarize,
  summarizeGroups,
  tInterval,
  tQuantile,
  tTest,
  unlikeMost,
  usersNeeded,
} from "../../src/lab/study/statistics.ts";

const golden = JSON.parse(readFileSync(new URL("../golden/study_statistics.json", import.meta.url), "utf8"));
const bits = (flip: number, word: number) => random(7, flip, word);

describe("statistics against scipy", () => {
  it("quantiles of t", () => {
    for (const [p, df, value] of golden.quantiles) expect(tQuantile(p, df) / value).toBeCloseTo(1, 6);
  });

  it("t interval, t test and the exact sign-flip test", () => {
    for (const { values, null: at, p, low, high, flips } of golden.tests) {
      const summary = summarize(values);
      expect(tTest(summary, at)).toBeCloseTo(p, 6);
      const [l, u] = tInterval(summary);
      expect(l).toBeCloseTo(low, 6);
      expect(u).toBeCloseTo(high, 6);
      expect(signFlipTest([values], bits, at)).toBeCloseTo(flips, 12);
    }
  });

  it("groups of different people: Welch's test of a − b", () => {
    for (const { a, b, p, df, low, high } of golden.welch) {
      const summary = summarizeGroups([a, b.map((value: number) => -value)]);
      expect(summary.df).toBeCloseTo(df, 9);
      expect(tTest(summary)).toBeCloseTo(p, 6);
      const [l, u] = tInterval(summary);
      expect([l - low, u - high].map(Math.abs).every((error) => error < 1e-6)).toBe(true);
    }
  });

  it("Holm's adjusted p", () => {
    for (const { p, adjusted } of golden.holm) {
      holm(p).forEach((step, i) => {
        expect(step.p).toBeCloseTo(adjusted[i], 12);
      });
    }
  });
});

describe("statistics by their own rules", () => {
  it("random flips agree with the exact count they stand for", () => {
    const values = Array.from({ length: 26 }, (_, i) => Math.sin(i * 12.9) * 0.2 + 0.04);
    // 2²⁶ flips counted in two halves, as the exact test would with a larger limit.
    const sums = (part: number[]) =>
      part.reduce((all, v) => all.flatMap((s) => [s + v, s - v]), [0]).sort((a, b) => a - b);
    const left = sums(values.slice(0, 13));
    const right = sums(values.slice(13));
    const total = Math.abs(values.reduce((a, b) => a + b)) - 1e-12;
    let above = 0;
    let first = right.length;
    for (const s of left) {
      while (first > 0 && s + right[first - 1] >= total) first--;
      above += right.length - first;
    }
    expect(Math.abs(signFlipTest([values], bits) - (2 * above) / 2 ** 26)).toBeLessThan(0.015);
  });

  it("an interval at Holm's level excludes the null exactly where Holm rejects it", () => {
    const study = fc.array(
      fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 5, maxLength: 12 }),
      { minLength: 1, maxLength: 6 },
    );
    fc.assert(
      fc.property(study, (samples) => {
        const summaries = samples.map(summarize);
        const ps = summaries.map((s) => tTest(s));
        holm(ps).forEach(({ p, alpha }, i) => {
          if (summaries[i].se < 1e-9 || Math.abs(p - 0.05) < 1e-6) return;
          const [low, high] = tInterval(summaries[i], alpha);
          expect(low > 0 || high < 0).toBe(p <= 0.05);
        });
      }),
    );
  });

  it("one user, and users who all agree", () => {
    expect(tInterval(summarize([0.3]))).toEqual([-Infinity, Infinity]);
    expect(tTest(summarize([0.3]))).toBe(1);
    expect(tInterval(summarize([0.25, 0.25, 0.25]))).toEqual([-Infinity, Infinity]);
    // Differences that are equal but for the last bit have no spread either.
    expect(summarize([0.7 - 0.6, 0.8 - 0.7, 0.3 - 0.2]).sd).toBe(0);
    expect(tTest(summarize([0, 0, 0]))).toBe(1);
    expect(signFlipTest([[0, 0, 0]], bits)).toBe(1);
  });

  it.each([2, 3, 5, 12])("%d equal values have the p of their exact sign flips", (n) => {
    const values = Array.from({ length: n }, () => 0.25);
    expect(tTest(summarize(values))).toBe(signFlipTest([values], bits));
    expect(tTest(summarize(values))).toBe({ 2: 0.5, 3: 0.25, 5: 0.0625, 12: 2 ** -11 }[n]);
  });

  it("counts who is not like most", () => {
    expect(unlikeMost([0, 0, 0, -0.0625])).toBe(1);
    expect(unlikeMost([0.1, 0.2, 0.30000000000000004, 0.3])).toBe(2);
    expect(unlikeMost([0.1, 0.1])).toBe(0);
    expect(unlikeMost([])).toBe(0);
  });

  it("users needed for an effect of the margin", () => {
    expect(usersNeeded(0.15, 0.05)).toBe(71); // (2.8 · 3)² = 70.56
    expect(usersNeeded(0, 0.05)).toBe(2);
  });
});
