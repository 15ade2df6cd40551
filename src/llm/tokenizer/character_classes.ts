/**
 * Kinds of all code points, as the table that kernels/session/characters.ts reads. They come from the \p{…} of this JavaScript engine, so
 * from the Unicode version that it knows (Node 20: 15.1, Node 24: 16 or 17); a program carries its table, so every host of a program
 * cuts alike. Code points assigned in a later version count as "other".
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

/** Each code point is in at most one. JavaScript's \s is not meant: it has U+FEFF and lacks U+0085. */
const CLASSES: readonly (readonly [number, RegExp])[] = [
  [CLASS_LETTER, /\p{L}+/gu],
  [CLASS_NUMBER, /\p{N}+/gu],
  [CLASS_SPACE, /\p{White_Space}+/gu],
  [CLASS_PUNCTUATION, /\p{P}+/gu],
];
const CODE_POINTS = CLASS_BLOCK * CLASS_BLOCKS;
const PLANE = 65536;

let table: Uint8Array | undefined;

/** One byte per block of 256 code points, the number of its row; then the rows, 256 classes each. */
export function classTable(): Uint8Array {
  table ??= twoLevels(classes());
  return table;
}

/** Class of every code point. */
function classes(): Uint8Array {
  const all = new Uint8Array(CODE_POINTS).fill(CLASS_OTHER);
  for (let plane = 0; plane < CODE_POINTS; plane += PLANE) {
    const { text, codePoints } = assigned(plane);
    for (const [kind, run] of CLASSES)
      for (const match of text.matchAll(run))
        for (let i = match.index; i < match.index + match[0].length; i++) all[codePoints[i]] = kind;
  }
  return all;
}

/** A plane as text, without the surrogates, and the code point at each of its UTF-16 places. */
function assigned(plane: number): { text: string; codePoints: number[] } {
  const codePoints: number[] = [];
  const parts: string[] = [];
  for (let block = plane; block < plane + PLANE; block += CLASS_BLOCK) {
    if (block >= 0xd800 && block < 0xe000) continue;
    const points = Array.from({ length: CLASS_BLOCK }, (_, i) => block + i);
    parts.push(String.fromCodePoint(...points));
    codePoints.push(...(plane === 0 ? points : points.flatMap((point) => [point, point])));
  }
  return { text: parts.join(""), codePoints };
}

function twoLevels(all: Uint8Array): Uint8Array {
  const rows = new Map<string, number>();
  const index = new Uint8Array(CLASS_BLOCKS);
  const parts: Uint8Array[] = [];
  for (let block = 0; block < CLASS_BLOCKS; block++) {
    const row = all.subarray(block * CLASS_BLOCK, (block + 1) * CLASS_BLOCK);
    const key = row.join("");
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
