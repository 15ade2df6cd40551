/** Merges of byte-level BPE: `left right` in GPT-2's letters; both and what they make must be tokens. */
import { TYPE_CONTROL, TYPE_UNKNOWN } from "../../../kernels/session/vocabulary.ts";
import { borrow, giveBack } from "../files/borrowed.ts";
import type { StringList } from "../files/string_list.ts";
import { hashPair, PROBES_MAX, tableSize } from "./hash.ts";
import { collide, type TextIndex } from "./text_index.ts";

const SPACE = 0x20;

/** Left, right and merged token of every merge, in the order of their rank. A merge makes a longer text, so none can be part of itself. */
export function readMerges(
  lines: StringList,
  tokens: TextIndex,
  types: Uint8Array,
  refuse: (merge: number, rule: string) => Error,
): Uint32Array {
  const { bytes } = lines;
  const merges = new Uint32Array(borrow(12 * lines.length));
  const joined = new Uint8Array(longest(lines));
  const find = (rank: number, text: Uint8Array, start: number, end: number) => {
    const id = tokens.find(text, start, end);
    if (id >= 0) return id;
    const missing = JSON.stringify(new TextDecoder().decode(text.subarray(start, end)));
    throw refuse(rank, `needs the token ${missing}, which is missing`);
  };
  for (let rank = 0; rank < lines.length; rank++) {
    const start = lines.start(rank);
    const end = lines.ends[rank];
    const space = spaceBetween(bytes, start, end);
    if (space < 0) throw refuse(rank, "must be two tokens with a space between");
    let size = 0;
    for (let i = start; i < end; i++) if (i !== space) joined[size++] = bytes[i];
    merges[3 * rank] = find(rank, bytes, start, space);
    merges[3 * rank + 1] = find(rank, bytes, space + 1, end);
    const merged = find(rank, joined, 0, size);
    // Else plain text could become a control token.
    if (types[merged] === TYPE_CONTROL || types[merged] === TYPE_UNKNOWN)
      throw refuse(rank, `makes the control token ${merged}`);
    merges[3 * rank + 2] = merged;
  }
  return merges;
}

/** Place of the only space in [start, end), which neither begins nor ends it; −1: there is no such. */
function spaceBetween(bytes: Uint8Array, start: number, end: number): number {
  let found = -1;
  for (let i = start; i < end; i++) {
    if (bytes[i] !== SPACE) continue;
    if (found >= 0) return -1;
    found = i;
  }
  return found > start && found < end - 1 ? found : -1;
}

function longest(lines: StringList): number {
  let most = 0;
  for (let i = 0; i < lines.length; i++) most = Math.max(most, lines.size(i));
  return most;
}

/** The first two merges of the same tokens. */
export function mergeTwins(merges: Uint32Array): readonly [number, number] | undefined {
  const size = tableSize(merges.length / 3);
  /** Rank + 1; 0: free. */
  const table = new Uint32Array(borrow(4 * size));
  for (let rank = 0; 3 * rank < merges.length; rank++) {
    let step = 0;
    let entry = hashPair(merges[3 * rank], merges[3 * rank + 1]) % size;
    for (; table[entry] !== 0; entry = (entry + 1) % size) {
      const before = table[entry] - 1;
      if (merges[3 * before] === merges[3 * rank] && merges[3 * before + 1] === merges[3 * rank + 1])
        return [before, rank];
      if (++step === PROBES_MAX) throw collide("merges");
    }
    table[entry] = rank + 1;
  }
  giveBack(table);
  return undefined;
}
