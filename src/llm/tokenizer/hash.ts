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

/** Entries that are tried for one key at most: an honest vocabulary needs fewer; one made to collide would take quadratic time. */
export const PROBES_MAX = 4096;

/** Entries of a table for `count` keys: a power of two, at most half of it taken. */
export function tableSize(count: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, count) * 2));
}

/** First free entry from `hash` on of a table of `words` words each, whose last is `free` where nothing stands; -1 where too many are taken. */
export function freeEntry(table: Uint32Array, words: number, free: number, hash: number): number {
  const size = table.length / words;
  for (let step = 0; step < Math.min(size, PROBES_MAX); step++) {
    const entry = (hash + step) % size;
    if (table[words * entry + words - 1] === free) return entry;
  }
  return -1;
}
