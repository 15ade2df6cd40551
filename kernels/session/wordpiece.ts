/**
 * WordPiece of BERT, uncased: text is normalised and cut into words, each word is cut into the longest pieces from the
 * left; a word that cannot be is the unknown token.  Wu et al. 2016, arXiv:1609.08144; Devlin et al. 2019. The rules are
 * those of Hugging Face's BertNormalizer and BertPreTokenizer; the tables are written by
 * src/llm/tokenizer/normal_forms.ts.
 *
 * Work memory: the word, a space in front of it, in UTF-8. Pieces that begin a word have that space, others do not.
 */
import { character_bytes, class_at, classes_of, code_point } from "./characters";
import { longest_piece, text_bytes } from "./lookup";
import { append } from "./merge";
import {
  CLASS_ALONE,
  CLASS_DROPPED,
  CLASS_NORMALISED,
  CLASS_SPACE,
  NO_TOKEN,
  TOKENIZE_WORK_FIXED,
  TOKENIZE_WORK_SMALL,
  V_NORMALS,
  V_UNKNOWN,
} from "./vocabulary";

/** A word of more characters is unknown (max_input_chars_per_word). Each has at most 4 bytes, a last one at most 4 parts. */
const WORD_CHARACTERS: u32 = 100;

/** Appends the tokens of [begin, end); returns the new count or a negative TOKENIZE_* code. */
export function wordpiece(
  tables: usize, begin: usize, end: usize, out: usize, first: i32, capacity: i32, work: usize, work_bytes: i32,
): i32 {
  if (work_bytes < TOKENIZE_WORK_FIXED) return TOKENIZE_WORK_SMALL;
  const classes = classes_of(tables);
  let count = first;
  let to = word_begin(work);
  let at = begin;
  while (at < end && count >= 0) {
    const bytes = character_bytes(at, end);
    const kind = class_at(classes, at, end) & ~CLASS_NORMALISED;
    if (kind == CLASS_SPACE || kind == CLASS_ALONE) {
      count = word(tables, work, to, out, count, capacity);
      to = word_begin(work);
    }
    if (kind != CLASS_SPACE && kind != CLASS_DROPPED && !too_long(work, to)) to = put(tables, classes, at, end, to);
    if (kind == CLASS_ALONE) {
      count = word(tables, work, to, out, count, capacity);
      to = word_begin(work);
    }
    at += bytes;
  }
  return word(tables, work, to, out, count, capacity);
}

function word_begin(work: usize): usize {
  store<u8>(work, 0x20);
  return work + 1;
}

/** Whether the word has more characters than are looked at; it then grows no more. */
function too_long(work: usize, to: usize): bool {
  if (to - work <= <usize>WORD_CHARACTERS) return false;
  let characters: u32 = 0;
  for (let at = work + 1; at < to; at++) characters += <u32>((<u32>load<u8>(at) & 0xc0) != 0x80);
  return characters > WORD_CHARACTERS;
}

/** Writes the normal form of a character; returns where it ends. */
function put(tables: usize, classes: usize, at: usize, end: usize, to: usize): usize {
  const bytes = character_bytes(at, end);
  const point = code_point(at, bytes);
  if (point - 0xac00 < 11172) return put_hangul(point - 0xac00, to);
  if ((class_at(classes, at, end) & CLASS_NORMALISED) == 0) {
    memory.copy(to, at, bytes);
    return to + bytes;
  }
  const list = tables + <usize>load<u32>(tables, V_NORMALS);
  let low: u32 = 0;
  let high = load<u32>(list) - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((load<u32>(list + 8 + (<usize>middle << 3)) & 0xffffff) < point) low = middle + 1;
    else high = middle;
  }
  const entry = list + 8 + (<usize>low << 3);
  const length = <usize>(load<u32>(entry) >> 24);
  memory.copy(to, tables + <usize>load<u32>(entry, 4), length);
  return to + length;
}

/** The two or three letters of a syllable, by the arithmetic of the Unicode Standard, section 3.12. */
function put_hangul(syllable: u32, to: usize): usize {
  const last = syllable % 28;
  put_three(0x1100 + syllable / 588, to);
  put_three(0x1161 + (syllable % 588) / 28, to + 3);
  if (last == 0) return to + 6;
  put_three(0x11a7 + last, to + 6);
  return to + 9;
}

/** A code point of three bytes in UTF-8. */
function put_three(point: u32, to: usize): void {
  store<u8>(to, 0xe0 | (point >> 12));
  store<u8>(to, 0x80 | ((point >> 6) & 63), 1);
  store<u8>(to, 0x80 | (point & 63), 2);
}

/** Appends the pieces of the word that ends at `to`; nothing where there is no word. */
function word(tables: usize, work: usize, to: usize, out: usize, first: i32, capacity: i32): i32 {
  if (to == work + 1) return first;
  if (too_long(work, to)) return append(load<u32>(tables, V_UNKNOWN), out, first, capacity);
  let count = first;
  let at = work;
  while (at < to && count >= 0) {
    const token = longest_piece(tables, at, to - at);
    if (token == NO_TOKEN) return append(load<u32>(tables, V_UNKNOWN), out, first, capacity);
    count = append(token, out, count, capacity);
    at += text_bytes(tables, token);
  }
  return count;
}
