/** The hash functions of kernels/session/lookup.ts, for writing the tables that it reads. */

/** FNV-1a over bytes [start, end), with a last mix, so that the low bits depend on every byte. */
export function hashBytes(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}

export function hashPair(left: number, right: number): number {
  const hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca77);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/** Probes that an honest vocabulary never needs; one made to collide would take quadratic time. */
const PROBES_MAX = 4096;

/** Entries of a table for `count` keys: a power of two, at most half of it taken. */
export function tableSize(count: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, count) * 2));
}

/** First entry from `hash` on that `ends` the search: a free one, or the one looked for; -1 where too many in a row do not. */
export function probe(hash: number, size: number, ends: (entry: number) => boolean): number {
  for (let step = 0; step < Math.min(size, PROBES_MAX); step++) {
    const entry = (hash + step) % size;
    if (ends(entry)) return entry;
  }
  return -1;
}
