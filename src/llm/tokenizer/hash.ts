/** The hash functions of kernels/session/lookup.ts, for writing the tables that it reads. */

/** FNV-1a with a last mix, so that the low bits depend on every byte. */
export function hashBytes(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
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

/** First free entry from `hash` on; -1 where too many in a row are taken. */
export function freeEntry(hash: number, size: number, taken: (entry: number) => boolean): number {
  for (let probe = 0; probe < Math.min(size, PROBES_MAX); probe++) {
    const entry = (hash + probe) % size;
    if (!taken(entry)) return entry;
  }
  return -1;
}
