/**
 * exp, log, pow, sin and cos in f64 from + − × ÷ and comparisons only, which every runtime rounds alike: tables, initial values and
 * schedules have the same bits everywhere. Relative error below 1e-15. The series are Taylor's; the argument reductions are Cody and
 * Waite's (1980), the exact sums and products Dekker's (1971).
 */

/** ln 2 = LN2_HIGH + LN2_LOW; the high part has 32 bits, so that its product with an exponent is exact. */
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
/** π/2 in three parts of 33 bits, so that products with n < 2²⁰ are exact, and what is left. */
const HALF_PI_1 = 1.5707963267341256;
const HALF_PI_2 = 6.077100506303966e-11;
const HALF_PI_3 = 2.0222662487111665e-21;
const HALF_PI_4 = 8.4784276603689e-32;
/** Largest |x| of sin and cos: x/(π/2) stays below 2²⁷. */
export const ANGLE_MAX = 2e8;

/** Where the bits of a number are read and set. */
const BITS = new DataView(new ArrayBuffer(8));
const EXP_TERMS = reciprocalFactorials(14);
const SIN_TERMS = reciprocalFactorials(18);

/** eˣ; overflows to Infinity above 709.78, underflows gradually to 0 below −708. */
export function exp(x: number): number {
  if (!(x > -746)) return x <= -746 ? 0 : Number.NaN;
  if (x > 710) return Number.POSITIVE_INFINITY;
  const n = Math.round(x / Math.LN2);
  const high = x - n * LN2_HIGH;
  const low = n * LN2_LOW;
  const r = high - low;
  const error = high - r - low;
  let series = 0;
  for (let k = 13; k >= 2; k--) series = series * r + EXP_TERMS[k];
  return scale(1 + (r + (series * r * r + error)), n);
}

/** ln x; −Infinity for 0, NaN below 0. */
export function log(x: number): number {
  if (!(x > 0) || x === Number.POSITIVE_INFINITY)
    return x === 0 ? Number.NEGATIVE_INFINITY : x < 0 ? Number.NaN : x;
  return logParts(x)[0];
}

/** xʸ for x ≥ 0; NaN for x < 0 (a power of a negative number is not needed here), 1 for y = 0. */
export function pow(x: number, y: number): number {
  if (y === 0 || x === 1) return 1;
  if (!(x > 0) || x === Number.POSITIVE_INFINITY || !Number.isFinite(y)) {
    if (Number.isNaN(y) || !(x >= 0)) return Number.NaN;
    return x > 1 === y > 0 ? Number.POSITIVE_INFINITY : 0;
  }
  const [high, low] = logParts(x);
  const power = y * high;
  if (!(Math.abs(power) < 750)) return power > 0 ? Number.POSITIVE_INFINITY : 0;
  const e = exp(power);
  return Number.isFinite(e) ? e + e * (productError(y, high, power) + y * low) : e;
}

/** sin x for |x| ≤ 2e8. */
export function sin(x: number): number {
  return quarterTurn(x, 0, "sin");
}

/** cos x for |x| ≤ 2e8. */
export function cos(x: number): number {
  return quarterTurn(x, 1, "cos");
}

/** ln x as the sum of a number and a correction 2⁻⁵³ times smaller; x positive and finite. */
function logParts(x: number): [number, number] {
  const [m, e] = split(x);
  // ln m = 2·atanh(s), s = (m − 1)/(m + 1), with s as sHigh + sLow
  const f = m - 1;
  const sum = 2 + f;
  const sHigh = f / sum;
  const product = sHigh * sum;
  const rest = f - product - productError(sHigh, sum, product) - sHigh * (f - (sum - 2));
  const sLow = rest / sum;
  const square = sHigh * sHigh;
  let series = 0;
  for (let k = 23; k >= 3; k -= 2) series = series * square + 2 / k;
  const big = e * LN2_HIGH;
  const high = big + 2 * sHigh;
  const low = sumError(big, 2 * sHigh, high) + (2 * sLow + series * square * sHigh + e * LN2_LOW);
  const total = high + low;
  return [total, high - total + low];
}

/** sin(x + turns·π/2) */
function quarterTurn(x: number, turns: number, name: string): number {
  if (!Number.isFinite(x)) return Number.NaN;
  if (Math.abs(x) > ANGLE_MAX)
    throw new RangeError(`${name}: |x| must be at most ${ANGLE_MAX}, is ${Math.abs(x)}`);
  const n = Math.round(x / HALF_PI_1);
  // In two steps, so that the products are exact beyond 2²⁰ too; below it the first is none.
  const far = Math.trunc(n / 2 ** 20) * 2 ** 20;
  const near = n - far;
  const a = x - far * HALF_PI_1 - near * HALF_PI_1;
  const b0 = a - far * HALF_PI_2;
  const b = b0 - near * HALF_PI_2;
  const error = sumError(a, -far * HALF_PI_2, b0) + sumError(b0, -near * HALF_PI_2, b);
  const c = error - n * HALF_PI_3 - n * HALF_PI_4;
  const r = b + c;
  const rest = sumError(b, c, r);
  const quarter = (((n + turns) % 4) + 4) % 4;
  const value = quarter % 2 ? cosSeries(r) - r * rest : sinSeries(r) + rest;
  return quarter < 2 ? value : -value;
}

/** sin r, |r| ≤ π/4 */
function sinSeries(r: number): number {
  const square = r * r;
  let series = 0;
  for (let k = 17; k >= 3; k -= 2) series = (k % 4 === 1 ? SIN_TERMS[k] : -SIN_TERMS[k]) + series * square;
  return r + r * square * series;
}

/** cos r, |r| ≤ π/4 */
function cosSeries(r: number): number {
  const square = r * r;
  let series = 0;
  for (let k = 18; k >= 4; k -= 2) series = (k % 4 === 0 ? SIN_TERMS[k] : -SIN_TERMS[k]) + series * square;
  const half = square / 2;
  const head = 1 - half;
  return head + (1 - head - half + square * square * series);
}

/** a + b − sum exactly, where sum is the rounded a + b. */
function sumError(a: number, b: number, sum: number): number {
  const bPart = sum - a;
  return a - (sum - bPart) + (b - bPart);
}

/** a·b − product exactly, where product is the rounded a·b. */
function productError(a: number, b: number, product: number): number {
  const [aHigh, bHigh] = [upperHalf(a), upperHalf(b)];
  const [aLow, bLow] = [a - aHigh, b - bHigh];
  return aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow);
}

/** The upper 26 bits of a significand. */
function upperHalf(a: number): number {
  const c = 134217729 * a; // 2²⁷ + 1
  return c - (c - a);
}

/** x = m·2ᵉ with m in [√½, √2). */
function split(x: number): [m: number, e: number] {
  const [normal, shift] = x < 2.2250738585072014e-308 ? [x * 18014398509481984, -54] : [x, 0];
  BITS.setFloat64(0, normal);
  const exponent = (BITS.getUint16(0) >> 4) - 1023;
  const m = scale(normal, -exponent);
  return m >= Math.SQRT2 ? [m / 2, exponent + 1 + shift] : [m, exponent + shift];
}

/** x·2ⁿ with one rounding, |n| ≤ 1100. */
function scale(x: number, n: number): number {
  if (n > 1000) return x * powerOfTwo(1000) * powerOfTwo(n - 1000);
  if (n < -1000) return x * powerOfTwo(-1000) * powerOfTwo(n + 1000);
  return x * powerOfTwo(n);
}

/** 2ⁿ, −1022 ≤ n ≤ 1023. */
function powerOfTwo(n: number): number {
  BITS.setUint32(0, (n + 1023) << 20);
  BITS.setUint32(4, 0);
  return BITS.getFloat64(0);
}

/** 1/0!, 1/1!, … 1/n! */
function reciprocalFactorials(n: number): number[] {
  const terms = [1];
  for (let k = 1, factorial = 1; k <= n; k++) terms.push(1 / (factorial *= k));
  return terms;
}
