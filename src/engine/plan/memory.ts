/** Sizes of memory, and places in the arena by lifetime: two storages that are alive at the same call never overlap. */

export interface Lifetime {
  readonly bytes: number;
  /** First and last call that touch it. */
  readonly first: number;
  readonly last: number;
}

/** A piece of linear memory. */
export interface Region {
  readonly offset: number;
  readonly bytes: number;
}

/** WebAssembly's memory grows by this. */
export const PAGE_BYTES = 65536;
/** 4 GiB less a page: no address wraps. */
export const MEMORY_MAX = 2 ** 32 - PAGE_BYTES;

/** Everything starts on a cache line. */
const ALIGNMENT = 64;

export function align(bytes: number, to = ALIGNMENT): number {
  return Math.ceil(bytes / to) * to;
}

/**
 * Offsets in bytes, and the size of the arena. Greedy by size: the largest first, each at the lowest offset where it meets nothing that is
 * alive with it (Pisarchyk & Lee 2020, arXiv:2001.03288).
 */
export function placeByLifetime(lifetimes: readonly Lifetime[]): { offsets: number[]; bytes: number } {
  const offsets = new Array<number>(lifetimes.length).fill(0);
  const order = lifetimes.map((_, i) => i).sort((a, b) => lifetimes[b].bytes - lifetimes[a].bytes || a - b);
  const placed: number[] = [];
  let bytes = 0;
  for (const i of order) {
    const { first, last } = lifetimes[i];
    const size = align(lifetimes[i].bytes);
    const alive = placed.filter((j) => lifetimes[j].first <= last && first <= lifetimes[j].last);
    alive.sort((a, b) => offsets[a] - offsets[b]);
    let at = 0;
    for (const j of alive) {
      if (at + size <= offsets[j]) break;
      at = Math.max(at, offsets[j] + align(lifetimes[j].bytes));
    }
    offsets[i] = at;
    placed.push(i);
    bytes = Math.max(bytes, at + size);
  }
  return { offsets, bytes };
}
