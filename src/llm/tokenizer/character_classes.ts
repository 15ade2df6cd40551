/**
 * Kinds of all code points, as the table that kernels/session/characters.ts reads. They come from the \p{…} of this JavaScript engine, so
 * from the Unicode version that it knows (Node 20.20: 17.0); a program carries its table, so every host of a program cuts alike. Code
 * points assigned in a later version count as "other".
 */
import {
  CLASS_BLOCK,
  CLASS_BLOCKS,
  CLASS_LETTER,
  CLASS_NUMBER,
  CLASS_OTHER,
  CLASS_PUNCTUATION,
  CLASS_SPACE,
} from "../../../kernels/session/vocabulary.ts";

const PLANE = 65536;
/** Planes with characters; the others are unassigned or private. */
const PLANES = [0, 1, 2, 3, 14];
let table: Uint8Array | undefined;

/** Table for the rules of byte-level BPE. JavaScript's \s is not meant: it has U+FEFF and lacks U+0085. */
export function classTable(): Uint8Array {
  table ??= twoLevels(
    classify(CLASS_OTHER, [
      [CLASS_LETTER, /\p{L}+/gu],
      [CLASS_NUMBER, /\p{N}+/gu],
      [CLASS_SPACE, /\p{White_Space}+/gu],
      [CLASS_PUNCTUATION, /\p{P}+/gu],
    ]),
  );
  return table;
}

/** Class of every code point: of the last expression whose runs hold it. */
export function classify(other: number, runs: readonly (readonly [number, RegExp])[]): Uint8Array {
  const all = new Uint8Array(CLASS_BLOCK * CLASS_BLOCKS).fill(other);
  for (const plane of PLANES) {
    const text = charactersOf(plane * PLANE);
    const pointAt = (place: number) => (plane === 0 ? place : plane * PLANE + (place >> 1));
    for (const [kind, run] of runs)
      for (const match of text.matchAll(run)) {
        const last = match.index + match[0].length - 1;
        all.fill(kind, pointAt(match.index), pointAt(last) + 1);
      }
  }
  return all;
}

/** A plane as text: each character at its place, in the planes above the first two places long. NUL stands for the surrogates. */
function charactersOf(from: number): string {
  const units = new Uint16Array(from === 0 ? PLANE : 2 * PLANE);
  for (let i = 0; i < PLANE; i++) {
    const point = from + i;
    if (from === 0) units[i] = point >= 0xd800 && point < 0xe000 ? 0 : point;
    else {
      units[2 * i] = 0xd800 + ((point - PLANE) >> 10);
      units[2 * i + 1] = 0xdc00 + (point & 0x3ff);
    }
  }
  return new TextDecoder("utf-16le", { ignoreBOM: true }).decode(units);
}

/** One byte per block of 256 code points, the number of its row; then the rows, 256 classes each. */
export function twoLevels(all: Uint8Array): Uint8Array {
  const rows = new Map<string, number>();
  const index = new Uint8Array(CLASS_BLOCKS);
  const parts: Uint8Array[] = [];
  for (let block = 0; block < CLASS_BLOCKS; block++) {
    const row = Buffer.from(all.buffer, all.byteOffset + block * CLASS_BLOCK, CLASS_BLOCK);
    if (block > 0 && row.equals(parts[index[block - 1]])) {
      index[block] = index[block - 1];
      continue;
    }
    const key = row.toString("latin1");
    let place = rows.get(key);
    if (place === undefined) {
      rows.set(key, (place = rows.size));
      parts.push(row);
    }
    index[block] = place;
  }
  if (rows.size > 256) throw new Error(`tokenizer: ${rows.size} rows of character classes, at most 256`);
  return new Uint8Array(Buffer.concat([index, ...parts]));
}
