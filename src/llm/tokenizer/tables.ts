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
import { InputError } from "../../errors.ts";
import { classTable } from "./character_classes.ts";
import { freeEntry, hashBytes, hashPair, tableSize } from "./hash.ts";
import { type NormalForms, normalForms } from "./normal_forms.ts";
import type { Merge, Token, Vocabulary } from "./vocabulary.ts";

const MODEL_CODES: Record<Vocabulary["model"], number> = {
  sentencepiece: MODEL_SENTENCEPIECE,
  "byte-level": MODEL_BYTE_LEVEL,
  wordpiece: MODEL_WORDPIECE,
};

/** The section, ready to be placed at any multiple of 8. */
export function vocabularySection(vocabulary: Vocabulary): Uint8Array {
  const { tokens, model } = vocabulary;
  const { ignoreMerges, spacePrefix, split } = vocabulary;
  const lookedUp = model !== "byte-level" || ignoreMerges;
  const pieces = lookedUp ? tokens.map(isPiece) : tokens.map(() => false);
  const byClass = model === "byte-level" && split !== SPLIT_EDGEWISE;
  const normal = model === "wordpiece" ? normalForms() : undefined;
  const specials = tokens.map(({ type, bytes }) => isSpecial(type) && bytes.length > 0);
  const pieceTable = textTable(tokens, pieces);
  const specialTable = textTable(tokens, specials);
  const mergeTable = pairTable(vocabulary.merges);

  const header = new Uint32Array(VOCABULARY_HEADER_BYTES / 4);
  const section = new SectionWriter();
  section.add(header);
  const recordsAt = section.add(new Uint32Array(tokens.length * (RECORD_BYTES / 4)));
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
    [V_LONGEST, longest(tokens, pieces)],
    [V_RECORDS, recordsAt],
    [V_BYTE_TOKENS, section.add(vocabulary.byteTokens)],
    [V_PIECES, section.add(pieceTable)],
    [V_PIECES_MASK, pieceTable.length - 1],
    [V_SPECIALS, section.add(specialTable)],
    [V_SPECIALS_MASK, specialTable.length - 1],
    [V_MERGES, section.add(mergeTable)],
    [V_MERGES_MASK, mergeTable.length / (MERGE_BYTES / 4) - 1],
    [V_JOINTS, section.add(joints(tokens, pieces))],
    [V_CLASSES, byClass ? section.add(classTable()) : normal ? section.add(normal.classes) : 0],
    [V_NORMALS, normal ? addForms(section, normal) : 0],
    [V_LENGTHS, addLengths(section, tokens, specials)],
  ];
  const texts = textsOf(tokens);
  const textsAt = section.add(texts);
  const bytes = section.bytes();
  const view = new DataView(bytes.buffer);
  for (const [at, word] of words) view.setUint32(at, word, true);
  view.setUint32(V_BYTES, bytes.length, true);
  const ranks = ranksByScore(vocabulary);
  let at = textsAt;
  tokens.forEach((token, id) => {
    const record = recordsAt + id * RECORD_BYTES;
    view.setUint32(record + RECORD_TEXT, at, true);
    view.setUint32(record + RECORD_TEXT_BYTES, token.bytes.length, true);
    view.setUint32(record + RECORD_TYPE, token.type, true);
    view.setUint32(record + RECORD_RANK, ranks[id], true);
    at += token.bytes.length;
  });
  return bytes;
}

/** The bytes of all tokens, one after another. */
function textsOf(tokens: Token[]): Uint8Array {
  const texts = new Uint8Array(tokens.reduce((sum, { bytes }) => sum + bytes.length, 0));
  let at = 0;
  for (const { bytes } of tokens) {
    texts.set(bytes, at);
    at += bytes.length;
  }
  return texts;
}

/** Parts of the section one after another, each at a multiple of 8 unless told otherwise. */
class SectionWriter {
  readonly #parts: [number, Uint8Array][] = [];
  #end = 0;

  /** Takes a part and returns its offset. */
  add(part: Uint8Array | Uint32Array, alignment = 8): number {
    const at = Math.ceil(this.#end / alignment) * alignment;
    this.#parts.push([at, new Uint8Array(part.buffer, part.byteOffset, part.byteLength)]);
    this.#end = at + part.byteLength;
    return at;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(Math.ceil(this.#end / 8) * 8);
    for (const [at, part] of this.#parts) bytes.set(part, at);
    return bytes;
  }
}

/** What merging may produce: normal tokens. Control tokens never come out of plain text. */
function isPiece({ type, bytes }: Token): boolean {
  return type === TYPE_NORMAL && bytes.length > 0;
}

function isSpecial(type: number): boolean {
  return type === TYPE_CONTROL || type === TYPE_USER_DEFINED || type === TYPE_UNKNOWN;
}

function longest(tokens: Token[], chosen: boolean[]): number {
  return tokens.reduce((most, { bytes }, id) => (chosen[id] ? Math.max(most, bytes.length) : most), 0);
}

function collide(what: string): InputError {
  return new InputError(
    `tokenizer: thousands of ${what} share one hash; such a vocabulary is made to be slow`,
  );
}

/** Hash table of token + 1 by the bytes of the chosen tokens. */
function textTable(tokens: Token[], chosen: boolean[]): Uint32Array {
  const size = tableSize(chosen.filter(Boolean).length);
  const table = new Uint32Array(size);
  tokens.forEach(({ bytes }, id) => {
    if (!chosen[id]) return;
    const entry = freeEntry(hashBytes(bytes), size, (at) => table[at] !== 0);
    if (entry < 0) throw collide("tokens");
    table[entry] = id + 1;
  });
  return table;
}

function pairTable(merges: Merge[]): Uint32Array {
  const size = tableSize(merges.length);
  const table = new Uint32Array(size * 4);
  for (let entry = 0; entry < size; entry++) table[4 * entry + 3] = NO_TOKEN;
  merges.forEach(({ left, right, merged }, rank) => {
    const entry = freeEntry(hashPair(left, right), size, (at) => table[4 * at + 3] !== NO_TOKEN);
    if (entry < 0) throw collide("merges");
    table.set([left, right, rank, merged], 4 * entry);
  });
  return table;
}

/** One bit per pair of bytes that stand side by side in some piece. */
function joints(tokens: Token[], pieces: boolean[]): Uint8Array {
  const bits = new Uint8Array(65536 / 8);
  tokens.forEach(({ bytes }, id) => {
    if (!pieces[id]) return;
    for (let i = 1; i < bytes.length; i++) {
      const bit = bytes[i - 1] * 256 + bytes[i];
      bits[bit >> 3] |= 1 << (bit & 7);
    }
  });
  return bits;
}

/** For each first byte the lengths of specials, longest first; returns the offset of the 256 words that point to them. */
function addLengths(section: SectionWriter, tokens: Token[], specials: boolean[]): number {
  const lengths = Array.from({ length: 256 }, () => new Set<number>());
  tokens.forEach(({ bytes }, id) => {
    if (specials[id]) lengths[bytes[0]].add(bytes.length);
  });
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
function ranksByScore({ tokens, scores }: Vocabulary): Uint32Array {
  const ranks = new Uint32Array(tokens.length);
  if (scores.length === 0) return ranks;
  const sorted = Float64Array.from(scores).sort();
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
  return ranks;
}
