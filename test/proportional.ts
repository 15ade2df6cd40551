/** Time that grows in proportion to the work, told on a busy machine too. */
import { expect } from "vitest";

/** Between what a tenfold text takes where time is linear (10) and where it is quadratic (100). */
const TENFOLD_MOST = 40;
/** Below this a measurement says nothing. */
const LEAST_MS = 8;

/** Holds where ten times the text takes no more than some ten times the processor time, best of three turns that alternate. */
export function expectProportional(run: (text: string) => unknown, text: string, length = 1e6): void {
  const [short, long] = [length / 10, length].map((most) => text.repeat(most / text.length));
  const times = Array.from({ length: 3 }, () => [milliseconds(run, short), milliseconds(run, long)]);
  const [least, most] = [0, 1].map((i) => Math.min(...times.map((pair) => pair[i])));
  expect(most, JSON.stringify(text)).toBeLessThan(TENFOLD_MOST * Math.max(least, LEAST_MS));
}

function milliseconds(run: (text: string) => unknown, text: string): number {
  const start = process.cpuUsage();
  run(text);
  return process.cpuUsage(start).user / 1000;
}
