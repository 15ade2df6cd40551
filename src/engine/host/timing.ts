/** What readings of a clock say about the time of instructions, and how sure that is. */

/** Seconds of a run, and of an empty run at the same place just before it. */
export interface Reading {
  readonly empty: number;
  readonly full: number;
}

export interface Readings {
  /** The whole range, a reading a pass. */
  readonly whole: readonly Reading[];
  /** The same of every instruction by itself. */
  readonly instructions: readonly (readonly Reading[])[];
}

/** Seconds; quantiles of several passes. */
export interface Spread {
  readonly minimum: number;
  readonly lowerQuartile: number;
  readonly median: number;
  readonly upperQuartile: number;
}

export interface Timing {
  readonly passes: number;
  readonly whole: Spread;
  readonly instructions: readonly Spread[];
  /**
   * All instructions of a pass, one by one: what else the machine does strikes this as it strikes `whole`, so that the two may be
   * compared on a busy machine as well.
   */
  readonly sum: Spread;
  /** Below this the time of one instruction cannot be told from an empty run: the interquartile range of those, or a tick of the clock. */
  readonly resolution: number;
}

/**
 * Times less what the empty runs beside them took (their median). Near the resolution they may be negative, and are left so: cut at 0, a
 * sum of them would be too large.
 */
export function timingOf({ whole, instructions }: Readings): Timing {
  const times = instructions.map(withoutEmpty);
  const sums = whole.map((_, pass) => times.reduce((sum, each) => sum + each[pass], 0));
  return {
    passes: whole.length,
    whole: spreadOf(withoutEmpty(whole)),
    instructions: times.map(spreadOf),
    sum: spreadOf(sums),
    resolution: resolutionOf(instructions),
  };
}

function withoutEmpty(readings: readonly Reading[]): number[] {
  const empty = quantile(sorted(readings.map(({ empty }) => empty)), 0.5);
  return readings.map(({ full }) => full - empty);
}

function spreadOf(values: readonly number[]): Spread {
  const times = sorted(values);
  return {
    minimum: times[0],
    lowerQuartile: quantile(times, 0.25),
    median: quantile(times, 0.5),
    upperQuartile: quantile(times, 0.75),
  };
}

function resolutionOf(instructions: readonly (readonly Reading[])[]): number {
  const deviations = instructions.flatMap((readings) => {
    const empty = readings.map(({ empty }) => empty);
    const middle = quantile(sorted(empty), 0.5);
    return empty.map((time) => time - middle);
  });
  const inOrder = sorted(deviations);
  const range = quantile(inOrder, 0.75) - quantile(inOrder, 0.25);
  return Math.max(range, tickOf(instructions.flat()));
}

/** The least difference of two readings, in whole nanoseconds, which no clock here is finer than. A coarsened clock gives its tick. */
function tickOf(readings: readonly Reading[]): number {
  const told = sorted(readings.flatMap(({ empty, full }) => [empty, full])).map((s) => Math.round(s * 1e9));
  const steps = told.map((time, i) => time - (told[i - 1] ?? 0)).filter((step) => step > 0);
  return steps.reduce((least, step) => Math.min(least, step), steps[0] ?? 1) / 1e9;
}

function sorted(values: readonly number[]): number[] {
  return [...values].sort((a, b) => a - b);
}

/** Of values in order, interpolated linearly (Hyndman and Fan 1996, type 7). */
function quantile(values: readonly number[], p: number): number {
  const at = (values.length - 1) * p;
  const below = Math.floor(at);
  const above = Math.min(below + 1, values.length - 1);
  return values[below] + (at - below) * (values[above] - values[below]);
}
