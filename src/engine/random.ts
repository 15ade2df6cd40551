/**
 * Counter-based random numbers: Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3").
 * kernels/random.ts is the same function; a test compares the bits.
 */
import { cos, log } from "./math.ts";

/** Parity constant of the key schedule. */
const PARITY = 0x1bd11bda;
const ROTATIONS = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
] as const;

/** The two words (u32) of the block with key (k0, k1) and counter (c0, c1). */
export function threefry(k0: number, k1: number, c0: number, c1: number): [number, number] {
  const keys = [k0, k1, k0 ^ k1 ^ PARITY];
  let a = (c0 + k0) | 0;
  let b = (c1 + k1) | 0;
  for (let group = 1; group <= 5; group++) {
    for (const bits of ROTATIONS[(group + 1) % 2]) {
      a = (a + b) | 0;
      b = ((b << bits) | (b >>> (32 - bits))) ^ a;
    }
    a = (a + keys[group % 3]) | 0;
    b = (b + keys[(group + 1) % 3] + group) | 0;
  }
  return [a >>> 0, b >>> 0];
}

/**
 * 32 random bits (u32) that depend on the seed and every counter (u32 each), and on nothing else. Counters are absorbed two at a time;
 * the number of counters is part of the first key, so that (1) and (1, 0) differ.
 */
export function random(seed: number, ...counters: readonly number[]): number {
  let key: [number, number] = [seed >>> 0, counters.length];
  for (let i = 0; i === 0 || i < counters.length; i += 2) {
    key = threefry(key[0], key[1], counters[i] ?? 0, counters[i + 1] ?? 0);
  }
  return key[0];
}

/** Random bits → (0, 1): odd multiples of 2⁻²⁴, all of them exact in f32, never 0 or 1. */
export function uniform(bits: number): number {
  return ((bits >>> 9) + 0.5) / 8388608;
}

/** A number of the standard normal distribution (Box & Muller 1958) from the counters (…, 0) and (…, 1). */
export function normal(seed: number, ...counters: readonly number[]): number {
  const radius = Math.sqrt(-2 * log(uniform(random(seed, ...counters, 0))));
  return radius * cos(2 * Math.PI * uniform(random(seed, ...counters, 1)));
}
