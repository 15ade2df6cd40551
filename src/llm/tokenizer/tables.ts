/** Writes the vocabulary section that kernels/session/tokenize.ts reads; kernels/session/vocabulary.ts describes it. */
import {
  MERGE_BYTES,
  MODEL_BYTE_LEVEL,
  MODEL_SENTENCEPIECE,
  MODEL_WORDPIECE,
  NO_TOKEN,
  RECORD_BYTES,
  RECORD_RANK,
  RECORD_TEXT,
  RECORD_TEXT_BYTES,
  RECORD_TYPE,
  SPLIT_EDGEWISE,
  TYPE_CONTROL,
  TYPE_NORMAL,
  TYPE_UNKNOWN,
  TYPE_USER_DEFINED,
  V_BOS,
  V_BYTE_TOKENS,
  V_BYTES,
  V_CLASSES,
  V_EOS,
  V_FLAGS,
  V_JOINTS,
  V_LENGTHS,
  V_LONGEST,
  V_MAGIC,
  V_MERGES,
  V_MERGES_MASK,
  V_MODEL,
  V_NORMALS,
  V_PIECES,
  V_PIECES_MASK,
  V_RECORDS,
  V_SPECIALS,
  V_SPECIALS_MASK,
  V_SPLIT,
  V_TOKENS,
  V_UNKNOWN,
  V_VERSION,
  VOCABULARY_HEADER_BYTES,
  VOCABULARY_IGNORE_MERGES,
  VOCABULARY_MAGIC,
  VOCABULARY_SPACE_PREFIX,
  VOCABULARY_VERSION,
} from "../../../kernels/session/vocabulary.ts";
import { borrow, giveBack } from "../files/borrowed.ts";
import type { ByteStrings } from "../files/byte_strings.ts";
import { classTable } from "./character_classes.ts";
import { freeEntry, hashBytes, hashPair, tableSize } from "./hash.ts";
import { type NormalForms, normalForms } from "./normal_forms.ts";
import { SectionWriter } from "./section_writer.ts";
import { collide } from "./text_index.ts";
import type { Vocabulary } from "./vocabulary.ts";

const MODEL_CODES: Record<Vocabulary["model"], number> = {
  sentencepiece: MODEL_SENTENCEPIECE,
  "byte-level": MODEL_BYTE_LEVEL,
  wordpiece: MODEL_WORDPIECE,
};

/** Some of a vocabulary's tokens. */
interface Chosen {
  readonly tokens: ByteStrings;
  has(id: number): boolean;
}

/** Writes the section, once its size is known, into memory that `allocate` gives: zeros, at a multiple of 8. Returns that memory. */
export function vocabularySection(
  vocabulary: Vocabulary,
  allocate: (bytes: number) => Uint8Array = (bytes) => new Uint8Array(bytes),
): Uint8Array {
  const { tokens, types, model, merges, ignoreMerges, spacePrefix, split } = vocabulary;
  const lookedUp = model !== "byte-level" || ignoreMerges;
  const pieces = { tokens, has: (id: number) => lookedUp && isPiece(types[id]) && tokens.size(id) > 0 };
  const specials = { tokens, has: (id: number) => isSpecial(types[id]) && tokens.size(id) > 0 };
  const byClass = model === "byte-level" && split !== SPLIT_EDGEWISE;
  const normal = model === "wordpiece" ? normalForms() : undefined;
  const [pieceEntries, specialEntries] = [pieces, specials].map((chosen) => tableSize(count(chosen)));
  const mergeEntries = tableSize(merges.length / 3);

  const section = new SectionWriter();
  section.reserve(VOCABULARY_HEADER_BYTES, (to) => {
    for (const [at, word] of words) to[at / 4] = word;
  });
  const records = section.reserve(RECORD_BYTES * tokens.length, (to) => fillRecords(to, vocabulary, texts));
  const words: [number, number][] = [
    [V_MAGIC, VOCABULARY_MAGIC],
    [V_VERSION, VOCABULARY_VERSION],
    [V_MODEL, MODEL_CODES[model]],
    [V_FLAGS, (spacePrefix ? VOCABULARY_SPACE_PREFIX : 0) | (ignoreMerges ? VOCABULARY_IGNORE_MERGES : 0)],
    [V_SPLIT, split],
    [V_TOKENS, tokens.length],
    [V_BOS, vocabulary.bos],
    [V_EOS, vocabulary.eos],
    // Byte-level BPE leaves out bytes that have no token, as llama.cpp and Hugging Face do.
    [V_UNKNOWN, model === "byte-level" ? NO_TOKEN : vocabulary.unknown],
    [V_LONGEST, longest(pieces)],
    [V_RECORDS, records],
    [V_BYTE_TOKENS, section.add(vocabulary.byteTokens)],
    [V_PIECES, section.reserve(4 * pieceEntries, (to) => fillTexts(to, pieces))],
    [V_PIECES_MASK, pieceEntries - 1],
    [V_SPECIALS, section.reserve(4 * specialEntries, (to) => fillTexts(to, specials))],
    [V_SPECIALS_MASK, specialEntries - 1],
    [V_MERGES, section.reserve(MERGE_BYTES * mergeEntries, (to) => fillMerges(to, merges))],
    [V_MERGES_MASK, mergeEntries - 1],
    [V_JOINTS, section.add(joints(pieces))],
    [V_CLASSES, byClass ? section.add(classTable()) : normal ? section.add(normal.classes) : 0],
    [V_NORMALS, normal ? addForms(section, normal) : 0],
    [V_LENGTHS, addLengths(section, specials)],
  ];
  const texts = section.add(tokens.bytes);
  words.push([V_BYTES, section.size]);
  return section.write(allocate(section.size));
}

/** What merging may produce: normal tokens. Control tokens never come out of plain text. */
function isPiece(type: number): boolean {
  return type === TYPE_NORMAL;
}

function isSpecial(type: number): boolean {
  return type === TYPE_CONTROL || type === TYPE_USER_DEFINED || type === TYPE_UNKNOWN;
}

function count({ tokens, has }: Chosen): number {
  let found = 0;
  for (let id = 0; id < tokens.length; id++) if (has(id)) found++;
  return found;
}

function longest({ tokens, has }: Chosen): number {
  let most = 0;
  for (let id = 0; id < tokens.length; id++) if (has(id)) most = Math.max(most, tokens.size(id));
  return most;
}

/** Records of all tokens; their bytes stand one after another from `texts` on. */
function fillRecords(to: Uint32Array, { tokens, types, ...rest }: Vocabulary, texts: number): void {
  const ranks = ranksByScore(tokens.length, rest);
  for (let id = 0; id < tokens.length; id++) {
    const record = (id * RECORD_BYTES) / 4;
    to[record + RECORD_TEXT / 4] = texts + tokens.start(id);
    to[record + RECORD_TEXT_BYTES / 4] = tokens.size(id);
    to[record + RECORD_TYPE / 4] = types[id];
    to[record + RECORD_RANK / 4] = ranks[id];
  }
  giveBack(ranks);
}

/** Hash table of token + 1 by the bytes of the chosen tokens. */
function fillTexts(to: Uint32Array, { tokens, has }: Chosen): void {
  for (let id = 0; id < tokens.length; id++) {
    if (!has(id)) continue;
    const entry = freeEntry(to, 1, 0, hashBytes(tokens.bytes, tokens.start(id), tokens.ends[id]));
    if (entry < 0) throw collide("tokens");
    to[entry] = id + 1;
  }
}

function fillMerges(to: Uint32Array, merges: Uint32Array): void {
  const words = MERGE_BYTES / 4;
  const size = to.length / words;
  for (let entry = 0; entry < size; entry++) to[words * entry + 3] = NO_TOKEN;
  for (let rank = 0; 3 * rank < merges.length; rank++) {
    const left = merges[3 * rank];
    const right = merges[3 * rank + 1];
    const entry = freeEntry(to, words, NO_TOKEN, hashPair(left, right));
    if (entry < 0) throw collide("merges");
    to[words * entry] = left;
    to[words * entry + 1] = right;
    to[words * entry + 2] = rank;
    to[words * entry + 3] = merges[3 * rank + 2];
  }
}

/** One bit per pair of bytes that stand side by side in some piece. */
function joints({ tokens, has }: Chosen): Uint8Array {
  const bits = new Uint8Array(65536 / 8);
  const { bytes } = tokens;
  for (let id = 0; id < tokens.length; id++) {
    if (!has(id)) continue;
    for (let i = tokens.start(id) + 1; i < tokens.ends[id]; i++) {
      const bit = bytes[i - 1] * 256 + bytes[i];
      bits[bit >> 3] |= 1 << (bit & 7);
    }
  }
  return bits;
}

/** For each first byte the lengths of specials, longest first; returns the offset of the 256 words that point to them. */
function addLengths(section: SectionWriter, { tokens, has }: Chosen): number {
  const lengths = Array.from({ length: 256 }, () => new Set<number>());
  for (let id = 0; id < tokens.length; id++)
    if (has(id)) lengths[tokens.bytes[tokens.start(id)]].add(tokens.size(id));
  const offsets = lengths.map((set) =>
    set.size === 0 ? 0 : section.add(Uint32Array.of(set.size, ...[...set].sort((a, b) => b - a))),
  );
  return section.add(Uint32Array.from(offsets));
}

/** Count, 0, then code point with the bytes of its normal form, and where that stands; returns the offset. */
function addForms(section: SectionWriter, { forms }: NormalForms): number {
  const entries = forms.flatMap(([point, text]) => [point | (text.length << 24), section.add(text, 1)]);
  return section.add(Uint32Array.of(forms.length, 0, ...entries));
}

/** Of each token, how many have a better score: the lowest merges first, equal scores share a rank. */
function ranksByScore(tokens: number, { scores }: Pick<Vocabulary, "scores">): Uint32Array {
  const ranks = new Uint32Array(borrow(4 * tokens));
  if (scores.length === 0) return ranks;
  const sorted = new Float64Array(borrow(8 * scores.length));
  sorted.set(scores);
  sorted.sort();
  for (let id = 0; id < ranks.length; id++) {
    // First place behind all that are not better.
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle] > scores[id]) high = middle;
      else low = middle + 1;
    }
    ranks[id] = sorted.length - low;
  }
  giveBack(sorted);
  return ranks;
}
