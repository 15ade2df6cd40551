import { random } from "../../engine/random.ts";

/** A row of random draws: value i is random(seed, ...path, i), so that any draw can be made again without the others. */
export class Draws {
  readonly #seed: number;
  readonly #path: readonly number[];
  #next = 0;

  constructor(seed: number, ...path: number[]) {
    this.#seed = seed;
    this.#path = path;
  }

  /** uniform in [0, 1), 32 bits */
  real(): number {
    return random(this.#seed, ...this.#path, this.#next++) / 4294967296;
  }

  /** uniform in 0 … n − 1 */
  integer(n: number): number {
    return Math.floor(this.real() * n);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.integer(list.length)];
  }

  /** true with probability p */
  chance(p: number): boolean {
    return this.real() < p;
  }

  /** Fisher–Yates; the list given is left as it was. */
  shuffle<T>(list: readonly T[]): T[] {
    const out = [...list];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [out[i], out[j]] = [out[j], out[i]];
    }
    return out;
  }

  /** An index with probability proportional to its weight. */
  weighted(weights: readonly number[]): number {
    let left = this.real() * weights.reduce((a, b) => a + b, 0);
    for (let i = 0; i < weights.length - 1; i++) {
      left -= weights[i];
      if (left < 0) return i;
    }
    return weights.length - 1;
  }
}
