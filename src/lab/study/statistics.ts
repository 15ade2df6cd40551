/** Statistics of paired contrasts. The unit is always the user: one number per user goes in. */
import jStat from "jstat";

export type Interval = [low: number, high: number];

export interface Summary {
  n: number;
  mean: number;
  /** Standard deviation with n − 1; 0 for fewer than two values. */
  sd: number;
  /** Standard error of the mean, sd / √n. */
  se: number;
  /** Degrees of freedom of se: n − 1 for one group. */
  df: number;
  /** Values in all groups together. */
  people: number;
}

/** Values nearer to each other than this share of the largest are equal but for rounding. */
const ROUNDING = 1e-12;

export function summarize(values: ArrayLike<number>): Summary {
  const n = values.length;
  let sum = 0;
  for (let i = 0; i < n; i++) sum += values[i];
  const mean = sum / n;
  let squares = 0;
  let largest = 0;
  let equal = true;
  for (let i = 0; i < n; i++) {
    squares += (values[i] - mean) ** 2;
    largest = Math.max(largest, Math.abs(values[i]));
    equal &&= Math.abs(values[i] - values[0]) <= ROUNDING * largest;
  }
  const sd = n > 1 && !equal ? Math.sqrt(squares / (n - 1)) : 0;
  return { n, mean, sd, se: n > 0 ? sd / Math.sqrt(n) : 0, df: n - 1, people: n };
}

/**
 * The sum of the means of independent groups (users of different tasks are different people): variances of the means
 * add, degrees of freedom after Welch and Satterthwaite. n is that of the smallest group and sd = se · √n.
 */
export function summarizeGroups(groups: readonly ArrayLike<number>[]): Summary {
  if (groups.length === 1) return summarize(groups[0]);
  const parts = groups.map(summarize);
  const n = Math.min(...parts.map((part) => part.n));
  const variance = parts.reduce((sum, { se }) => sum + se ** 2, 0);
  const quartic = parts.reduce((sum, { se, df }) => sum + se ** 4 / df, 0);
  const se = Math.sqrt(variance);
  return {
    n,
    mean: parts.reduce((sum, part) => sum + part.mean, 0),
    sd: se * Math.sqrt(n),
    se,
    df: quartic > 0 ? variance ** 2 / quartic : n - 1,
    people: parts.reduce((sum, part) => sum + part.n, 0),
  };
}

/**
 * Where each group's mean would be if the sum of the means were `nullMean`: the distance is shared out in proportion to
 * the variances of the means, which is the likeliest way. Signs are flipped about these centres.
 */
export function nullCentres(groups: readonly ArrayLike<number>[], nullMean: number): number[] {
  const parts = groups.map(summarize);
  const distance = parts.reduce((sum, part) => sum + part.mean, 0) - nullMean;
  const variance = parts.reduce((sum, { se }) => sum + se ** 2, 0);
  return parts.map(
    ({ mean, se }) => mean - distance * (variance > 0 ? se ** 2 / variance : 1 / parts.length),
  );
}

export function mean(values: ArrayLike<number>): number {
  return summarize(values).mean;
}

const quantiles = new Map<string, number>();

/** Quantile of Student's t. jstat is within 1e-7 of scipy; cached, because a calibration asks 100,000 times. */
export function tQuantile(p: number, degreesOfFreedom: number): number {
  if (!Number.isInteger(degreesOfFreedom)) return jStat.studentt.inv(p, degreesOfFreedom);
  const key = `${p}/${degreesOfFreedom}`;
  let quantile = quantiles.get(key);
  if (quantile === undefined) quantiles.set(key, (quantile = jStat.studentt.inv(p, degreesOfFreedom)));
  return quantile;
}

/**
 * mean ± t(1 − alpha/2, df) · se. Unbounded with fewer than two values, and where all are equal: neither says how far the
 * next user may be from these.
 */
export function tInterval({ n, mean, se, df }: Summary, alpha = 0.05): Interval {
  if (n < 2 || se === 0) return [-Infinity, Infinity];
  const half = tQuantile(1 - alpha / 2, df) * se;
  return [mean - half, mean + half];
}

/** Two-sided p of the t test of "the mean is `null`"; of equal values, which have no t, that of the exact sign-flip test. */
export function tTest({ n, mean, se, df, people }: Summary, nullMean = 0): number {
  if (n < 2) return 1;
  if (se === 0) return Math.abs(mean - nullMean) <= ROUNDING ? 1 : leastFlipP(people);
  return Math.min(1, 2 * jStat.studentt.cdf(-Math.abs((mean - nullMean) / se), df));
}

/** The smallest p that the exact sign-flip test can give: of the 2ⁿ ways to flip signs, the observed one and its mirror image. */
export function leastFlipP(people: number): number {
  return Math.min(1, 2 ** (1 - people));
}

/** How many values are not the commonest one: the spread of a sample of ties rests on them alone. */
export function unlikeMost(values: ArrayLike<number>): number {
  const sorted = Float64Array.from(values).sort();
  let commonest = 0;
  let run = 0;
  sorted.forEach((value, i) => {
    const same = i > 0 && value - sorted[i - 1] <= ROUNDING * Math.max(1, Math.abs(value));
    run = same ? run + 1 : 1;
    commonest = Math.max(commonest, run);
  });
  return sorted.length - commonest;
}

/** Up to this many users every one of the 2ⁿ sign flips is counted (two halves of 2¹² sums, sorted). */
const EXACT_FLIPS = 24;
const RANDOM_FLIPS = 10_000;

/**
 * Two-sided p of the sign-flip test: the share of all 2ⁿ ways to flip the users' signs about the null whose sum is at
 * least as far from it as the observed one. It assumes symmetry only, not normality. Above 24 users, 10,000 random flips
 * from `bits(flip, word)`, 32 counter-based random bits, and the observed one is counted among them.
 */
export function signFlipTest(
  groups: readonly ArrayLike<number>[],
  bits: (flip: number, word: number) => number,
  nullMean = 0,
): number {
  const centres = nullCentres(groups, nullMean);
  const shifted = groups.flatMap((group, g) => Array.from(group, (v) => (v - centres[g]) / group.length));
  const sum = shifted.reduce((total, value) => total + value, 0);
  const scale = shifted.reduce((total, value) => total + Math.abs(value), 0);
  const reached = Math.abs(sum) - 1e-12 * scale; // sums of the same numbers in another order differ by rounding
  if (shifted.length <= EXACT_FLIPS) return exactFlips(shifted, reached);
  let extreme = 1;
  for (let flip = 0; flip < RANDOM_FLIPS; flip++) {
    let kept = 0;
    for (let i = 0, word = 0; i < shifted.length; i++, word >>>= 1) {
      if (i % 32 === 0) word = bits(flip, i / 32);
      kept += (word & 1) * shifted[i];
    }
    if (Math.abs(2 * kept - sum) >= reached) extreme++;
  }
  return extreme / (RANDOM_FLIPS + 1);
}

/** Meet in the middle: sums of both halves, sorted, then the pairs with |a + b| ≥ reached counted by two pointers. */
function exactFlips(values: number[], reached: number): number {
  const half = values.length >> 1;
  const left = signedSums(values.slice(0, half));
  const right = signedSums(values.slice(half));
  // The sums are symmetric about 0, so pairs with a + b ≥ reached are half of the two tails.
  if (reached <= 0) return 1;
  let above = 0;
  let first = right.length;
  for (const sum of left) {
    while (first > 0 && sum + right[first - 1] >= reached) first--;
    above += right.length - first;
  }
  return Math.min(1, (2 * above) / (left.length * right.length));
}

/** All 2ⁿ sums of ± values, ascending: each value merges the sums so far with itself added and subtracted. */
function signedSums(values: number[]): Float64Array {
  let sums = new Float64Array(1);
  for (const value of values) {
    const step = Math.abs(value);
    const merged = new Float64Array(2 * sums.length);
    for (let low = 0, high = 0; low + high < merged.length; ) {
      const below = low < sums.length && sums[low] - step <= (sums[high] ?? Infinity) + step;
      merged[low + high] = below ? sums[low] - step : sums[high] + step;
      if (below) low++;
      else high++;
    }
    sums = merged;
  }
  return sums;
}

export interface HolmStep {
  /** Holm's adjusted p, monotone in p. */
  p: number;
  /** The level whose two-sided interval excludes the null exactly where Holm rejects it. */
  alpha: number;
}

/**
 * Holm 1979, step down: the i-th smallest of m p values is held against alpha / (m − i + 1) until one fails; from there
 * on the level stays where it failed, so that interval and rejection never contradict each other.
 */
export function holm(ps: readonly number[], alpha = 0.05): HolmStep[] {
  const order = ps.map((_, i) => i).sort((a, b) => ps[a] - ps[b]);
  const steps: HolmStep[] = new Array(ps.length);
  let adjusted = 0;
  let level = 0;
  let failed = false;
  order.forEach((i, rank) => {
    const left = ps.length - rank;
    adjusted = Math.max(adjusted, Math.min(1, left * ps[i]));
    if (!failed) level = alpha / left;
    failed ||= ps[i] > level;
    steps[i] = { p: adjusted, alpha: level };
  });
  return steps;
}

/** Users needed to see an effect of `margin` with power .8 at the 5 % level: (2.8 · sd / margin)², 2.8 ≈ 1.96 + 0.84. */
export function usersNeeded(sd: number, margin: number): number {
  return Math.max(2, Math.ceil(((2.8 * sd) / margin) ** 2));
}

/** The smallest effect these users would show with power .8 at the 5 % level: 2.8 · sd / √n; unknown (∞) without a spread. */
export function detectableEffect({ n, sd }: Summary): number {
  return n > 1 && sd > 0 ? (2.8 * sd) / Math.sqrt(n) : Infinity;
}
