/** Times of instructions: the arithmetic on given readings, and the order of runs on a clock that is made up. */
import { describe, expect, test } from "vitest";
import { timeInstructions } from "../../src/engine/host/stepping.ts";
import { type Reading, timingOf } from "../../src/engine/host/timing.ts";
import { noise } from "../cases.ts";

const US = 1e-6;
const readings = (empty: readonly number[], full: readonly number[]): Reading[] =>
  full.map((time, i) => ({ empty: empty[i] * US, full: time * US }));

describe("on given readings", () => {
  const whole = readings([1, 1, 1, 1, 1], [15, 16, 15, 15, 99]);

  test("minimum and quartiles, without the empty runs at the same place", () => {
    const { instructions } = timingOf({ whole, instructions: [readings([2, 2, 2, 2, 9], [6, 8, 7, 90, 9])] });
    const [{ minimum, lowerQuartile, median, upperQuartile }] = instructions;
    expect(minimum / US).toBeCloseTo(4);
    expect(lowerQuartile / US).toBeCloseTo(5);
    expect(median / US).toBeCloseTo(6);
    expect(upperQuartile / US).toBeCloseTo(7);
  });

  test("empty runs that become slow meanwhile do not make one instruction's time another's", () => {
    const {
      instructions,
      sum,
      whole: all,
    } = timingOf({
      whole,
      instructions: [
        readings([1, 1, 1, 1, 1], [5, 5, 5, 5, 5]),
        readings([21, 21, 21, 21, 21], [31, 31, 31, 31, 31]),
      ],
    });
    expect(instructions.map(({ median }) => Math.round(median / US))).toEqual([4, 10]);
    expect(sum.median).toBeCloseTo(all.median, 9);
  });

  test("resolution: the spread of the empty runs about their own place's median", () => {
    const steady = readings([1, 1, 1, 1, 1], [5, 5, 5, 5, 5]);
    const shaky = readings([20, 24, 22, 20, 24], [30, 30, 30, 30, 30]);
    const one = timingOf({ whole, instructions: [shaky] });
    expect(one.resolution / US).toBeCloseTo(4);
    const both = timingOf({ whole, instructions: [steady, steady, steady, shaky] });
    expect(both.resolution / US).toBeLessThan(4);
  });

  test("resolution: a coarse clock's tick, where all empty runs look alike", () => {
    const coarse = readings([0, 0, 0, 0, 0], [100, 0, 100, 0, 200]);
    expect(timingOf({ whole, instructions: [coarse] }).resolution / US).toBeCloseTo(100);
    const silent = readings([0, 0, 0, 0, 0], [0, 0, 0, 0, 0]);
    expect(timingOf({ whole, instructions: [silent] }).resolution).toBeGreaterThan(0);
  });

  test("what strikes a pass strikes the sum of its instructions as it does the whole", () => {
    const busy = { whole: readings([1, 1, 1], [41, 41, 11]), rest: readings([1, 1, 1], [6, 6, 6]) };
    const { sum, whole: all } = timingOf({
      whole: busy.whole,
      instructions: [readings([1, 1, 1], [36, 6, 36]), busy.rest],
    });
    expect(sum.median).toBeCloseTo(all.median, 12);
  });

  test("times about 0 are left as they are, so that their sum is not too large", () => {
    const random = noise(5);
    const instructions = Array.from({ length: 400 }, (_, i) =>
      readings(
        Array.from({ length: 20 }, (_, j) => 10 + random(40 * i + j)),
        Array.from({ length: 20 }, (_, j) => 10 + random(40 * i + 20 + j)),
      ),
    );
    const { sum, resolution } = timingOf({ whole, instructions });
    expect(Math.abs(sum.median)).toBeLessThan(20 * resolution);
  });
});

/** A host whose runs take what they are said to take: finding the place, and the instructions. */
function made(costs: readonly number[], calls: (readonly [number, number])[] = []) {
  let clock = 0;
  return {
    now: () => clock * 1e3,
    run(first: number, last: number) {
      calls.push([first, last]);
      const place = 3 * US * first;
      const work = costs.slice(first, last).reduce((a, b) => a + b, 0);
      clock += place + 40 * US + work * US;
    },
  };
}

test("on a clock that is made up every instruction gets its own time, and their sum is the whole run's", async () => {
  const costs = [500, 0.5, 40, 0, 7, 1200];
  const timing = timingOf(await timeInstructions(made(costs), [1, 6], { seconds: 0.01 }));
  for (const [i, { median }] of timing.instructions.entries())
    expect(median / US).toBeCloseTo(costs[i + 1], 6);
  expect(Math.abs(timing.sum.median / timing.whole.median - 1)).toBeLessThan(0.05);
});

test("an empty run stands at the same place just before each instruction, in every pass", async () => {
  const calls: (readonly [number, number])[] = [];
  await timeInstructions(made([1, 1], calls), [0, 2], { seconds: 0 });
  const pass = [
    [0, 0],
    [0, 2],
    [0, 0],
    [0, 1],
    [1, 1],
    [1, 2],
  ];
  expect(calls).toEqual([[0, 2], ...Array.from({ length: 5 }, () => pass).flat()]);
});

test("a signal stops it between two instructions", async () => {
  const controller = new AbortController();
  const host = made([1, 1, 1]);
  const stepper = {
    ...host,
    run(first: number, last: number) {
      if (first === 1) controller.abort(new Error("enough"));
      host.run(first, last);
    },
  };
  const timing = timeInstructions(stepper, [0, 3], { seconds: 1e9, signal: controller.signal });
  await expect(timing).rejects.toThrow("enough");
});
