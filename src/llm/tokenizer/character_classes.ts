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
    const { text, codePoints } = charactersOf(plane * PLANE);
    for (const [kind, run] of runs)
      for (const match of text.matchAll(run)) {
        const last = codePoints[match.index + match[0].length - 1];
        all.fill(kind, codePoints[match.index], last + 1);
      }
  }
  return all;
}

/** A plane as text, and the code point at each of its UTF-16 places. A lone NUL stands in the place of the surrogates, so that no run spans them. */
function charactersOf(from: number): { text: string; codePoints: Uint32Array } {
  const codePoints = new Uint32Array(2 * PLANE);
  const parts: string[] = [];
  let place = 0;
  for (let block = from; block < from + PLANE; block += CLASS_BLOCK) {
    if (block >= 0xd800 && block < 0xe000) {
      if (block === 0xd800) parts.push("\0");
      if (block === 0xd800) codePoints[place++] = 0;
      continue;
    }
    const points = Array.from({ length: CLASS_BLOCK }, (_, i) => block + i);
    parts.push(String.fromCodePoint(...points));
    for (const point of points) {
      codePoints[place++] = point;
      if (from > 0) codePoints[place++] = point;
    }
  }
  return { text: parts.join(""), codePoints };
}

/** One byte per block of 256 code points, the number of its row; then the rows, 256 classes each. */
export function twoLevels(all: Uint8Array): Uint8Array {
  const rows = new Map<string, number>();
  const index = new Uint8Array(CLASS_BLOCKS);
  const parts: Uint8Array[] = [];
  for (let block = 0; block < CLASS_BLOCKS; block++) {
    const row = all.subarray(block * CLASS_BLOCK, (block + 1) * CLASS_BLOCK);
    const key = String.fromCharCode(...row);
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
