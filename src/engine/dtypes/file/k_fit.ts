/**
 * Encoders of the K-quants: each sub-block gets the step that fits it best, then the steps of a block are rounded to 6 bits (8 for q6_k)
 * of one step for all, and the values to the steps that came of it. Without data that says which weights matter, every value counts the same:
 * what is least is Σ(x − x̂)². The idea, of searching around the step that just covers the range and solving for the best step and offset
 * of each rounding by least squares, is that of ggml's K-quants (llama.cpp pull request 1684).
 */
import { asHalf } from "../half.ts";

const { abs, floor, max, min } = Math;

/** Steps that are tried: those that cut the range into up to one level less and one more than there are, by tenths. */
const TRIES = 10;

/** Quants of 256 values with scales and minimums of 32: x ≈ (d·scale)·q − dmin·min. */
export interface OffsetBlock {
  d: number;
  dmin: number;
  readonly scales: Uint8Array;
  readonly mins: Uint8Array;
  readonly q: Uint8Array;
}

export function offsetBlock(): OffsetBlock {
  return { d: 0, dmin: 0, scales: new Uint8Array(8), mins: new Uint8Array(8), q: new Uint8Array(256) };
}

/** Fits the 256 values from `first`; quants are 0 to `most`. */
export function fitOffsetBlock(values: Float32Array, first: number, most: number, block: OffsetBlock): void {
  const fits = Array.from({ length: 8 }, (_, sub) => fitStepAndOffset(values, first + 32 * sub, most));
  block.d = asHalf(max(...fits.map(({ step }) => step)) / 63);
  block.dmin = asHalf(max(...fits.map(({ offset }) => offset)) / 63);
  for (let sub = 0; sub < 8; sub++) {
    const { step, offset } = fits[sub]!;
    block.scales[sub] = block.d === 0 ? 0 : min(63, floor(step / block.d + 0.5));
    block.mins[sub] = block.dmin === 0 ? 0 : min(63, floor(offset / block.dmin + 0.5));
    const rounded = block.d * block.scales[sub]!;
    const inverse = rounded === 0 ? 0 : 1 / rounded;
    const low = block.dmin * block.mins[sub]!;
    for (let i = 32 * sub; i < 32 * sub + 32; i++)
      block.q[i] = max(0, min(most, floor((values[first + i]! + low) * inverse + 0.5)));
  }
}

/** Step ≥ 0 and offset ≥ 0 of 32 values: x ≈ step·q − offset, q from 0 to `most`. */
function fitStepAndOffset(
  values: Float32Array,
  first: number,
  most: number,
): { step: number; offset: number } {
  let [low, high, sumX] = [0, values[first]!, 0];
  for (let i = first; i < first + 32; i++) {
    low = min(low, values[i]!);
    high = max(high, values[i]!);
    sumX += values[i]!;
  }
  const range = high - low;
  let best = { step: 0, offset: 0 - low };
  let least = Infinity;
  for (let k = -TRIES; k <= TRIES && range > 0; k++) {
    const inverse = (most + k / TRIES) / range;
    let [sumQ, sumQQ, sumQX] = [0, 0, 0];
    for (let i = first; i < first + 32; i++) {
      const x = values[i]!;
      const q = min(most, floor((x - low) * inverse + 0.5));
      sumQ += q;
      sumQQ += q * q;
      sumQX += q * x;
    }
    const determinant = 32 * sumQQ - sumQ * sumQ;
    let step = (32 * sumQX - sumQ * sumX) / determinant;
    let offset = (sumQ * sumQX - sumQQ * sumX) / determinant;
    // Offsets are no negative numbers; where all quants are equal (the determinant is 0), none is needed.
    if (offset < 0 || determinant === 0) [step, offset] = [sumQX / sumQQ, 0];
    // Σ(step·q − offset − x)² less Σx², which all tries have in common.
    const error = step * (step * sumQQ - 2 * (offset * sumQ + sumQX)) + offset * (32 * offset + 2 * sumX);
    if (error < least) [best, least] = [{ step, offset }, error];
  }
  return best;
}

/** Quants of 256 values with signed scales of 16: x ≈ (d·scale)·(q − 32). */
export interface SignedBlock {
  d: number;
  readonly scales: Int8Array;
  readonly q: Uint8Array;
}

export function signedBlock(): SignedBlock {
  return { d: 0, scales: new Int8Array(16), q: new Uint8Array(256) };
}

/** Fits the 256 values from `first`. */
export function fitSignedBlock(values: Float32Array, first: number, block: SignedBlock): void {
  const steps = Array.from({ length: 16 }, (_, sub) => fitStep(values, first + 16 * sub));
  const largest = steps.reduce((best, step) => (abs(step) > abs(best) ? step : best));
  block.d = asHalf((0 - largest) / 128); // so that the largest scale is −128, which int8 has and 128 not
  for (let sub = 0; sub < 16; sub++) {
    block.scales[sub] = block.d === 0 ? 0 : max(-128, min(127, floor(steps[sub]! / block.d + 0.5)));
    const rounded = block.d * block.scales[sub]!;
    const inverse = rounded === 0 ? 0 : 1 / rounded;
    for (let i = 16 * sub; i < 16 * sub + 16; i++)
      block.q[i] = 32 + max(-32, min(31, floor(values[first + i]! * inverse + 0.5)));
  }
}

/** Step of either sign of 16 values: x ≈ step·q, q from −32 to 31. */
function fitStep(values: Float32Array, first: number): number {
  let largest = 0;
  for (let i = first; i < first + 16; i++) if (abs(values[i]!) > abs(largest)) largest = values[i]!;
  let best = 0;
  let most = 0;
  for (let k = -TRIES; k <= TRIES && largest !== 0; k++) {
    const inverse = (-32 - k / TRIES) / largest;
    let [sumQQ, sumQX] = [0, 0];
    for (let i = first; i < first + 16; i++) {
      const x = values[i]!;
      const q = max(-32, min(31, floor(x * inverse + 0.5)));
      sumQQ += q * q;
      sumQX += q * x;
    }
    // With the best step of this rounding, Σ(x − x̂)² = Σx² − (Σqx)²/Σq².
    if (sumQX * sumQX > most * sumQQ) [best, most] = [sumQX / sumQQ, (sumQX * sumQX) / sumQQ];
  }
  return best;
}
