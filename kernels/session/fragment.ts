/** Text between special tokens: cut where nothing merges across, each part merged on its own. */
import { classes_of } from "./characters";
import { piece } from "./lookup";
import { append, merge } from "./merge";
import { word_end } from "./split";
import {
  MODEL_SENTENCEPIECE,
  MODEL_WORDPIECE,
  NO_TOKEN,
  TOKENIZE_WORK_FIXED,
  TOKENIZE_WORK_SMALL,
  VOCABULARY_IGNORE_MERGES,
  V_FLAGS,
  V_JOINTS,
  V_MODEL,
  V_SPLIT,
} from "./vocabulary";
import { wordpiece } from "./wordpiece";

/** Appends the tokens of [begin, end); returns the new count or a negative TOKENIZE_* code. */
export function fragment(
  tables: usize, begin: usize, end: usize, prefix: bool,
  out: usize, first: i32, capacity: i32, work: usize, work_bytes: i32,
): i32 {
  const model = load<u32>(tables, V_MODEL);
  if (model == MODEL_WORDPIECE) return wordpiece(tables, begin, end, out, first, capacity, work, work_bytes);
  const sentencepiece = model == MODEL_SENTENCEPIECE;
  if (sentencepiece && mark_at(begin, end) != end)
    return marked(tables, begin, end, prefix, out, first, capacity, work, work_bytes);
  const split = load<u32>(tables, V_SPLIT);
  const classes = classes_of(tables);
  const whole_first = (load<u32>(tables, V_FLAGS) & VOCABULARY_IGNORE_MERGES) != 0;
  let count = first;
  let at = begin;
  while (at < end && count >= 0) {
    const next = sentencepiece ? segment(tables, at, end) : word_end(split, classes, at, end);
    const whole = whole_first ? piece(tables, at, next - at) : NO_TOKEN;
    if (whole != NO_TOKEN) {
      count = append(whole, out, count, capacity);
    } else if (prefix && at == begin) {
      count = merge_after_space(tables, at, next - at, out, count, capacity, work, work_bytes);
    } else {
      count = merge(tables, at, next - at, out, count, capacity, work, work_bytes);
    }
    at = next;
  }
  return count;
}

/** The first ▁ (U+2581) from `at` on, or the end. */
function mark_at(at: usize, end: usize): usize {
  for (; at + 2 < end; at++) {
    if (load<u8>(at) == 0xe2 && load<u8>(at, 1) == 0x96 && load<u8>(at, 2) == 0x81) return at;
  }
  return end;
}

/** SentencePiece writes a space as ▁, so a ▁ in the text is a space to it: the text is copied with spaces in place of them. */
function marked(
  tables: usize, begin: usize, end: usize, prefix: bool,
  out: usize, first: i32, capacity: i32, work: usize, work_bytes: i32,
): i32 {
  const copied = (end - begin + 15) & ~15;
  if (<usize>work_bytes < copied + TOKENIZE_WORK_FIXED) return TOKENIZE_WORK_SMALL;
  let to = work;
  for (let at = begin; at < end; at += 3) {
    const mark = mark_at(at, end);
    memory.copy(to, at, mark - at);
    to += mark - at;
    at = mark;
    if (mark < end) store<u8>(to++, 0x20);
  }
  return fragment(tables, work, to, prefix, out, first, capacity, work + copied, work_bytes - <i32>copied);
}

/** End of the longest part from `at` on within which every two neighbouring bytes occur side by side in some piece. */
function segment(tables: usize, at: usize, end: usize): usize {
  const joints = tables + <usize>load<u32>(tables, V_JOINTS);
  let next = at + 1;
  while (next < end) {
    const bit = (<u32>load<u8>(next - 1) << 8) | <u32>load<u8>(next);
    if (((<u32>load<u8>(joints + <usize>(bit >> 3)) >> (bit & 7)) & 1) == 0) break;
    next++;
  }
  return next;
}

/** Merges a space and the text as one: both are copied to the front of the work memory. */
function merge_after_space(
  tables: usize, text: usize, bytes: usize, out: usize, count: i32, capacity: i32, work: usize, work_bytes: i32,
): i32 {
  const copied = (bytes + 1 + 15) & ~15;
  if (<usize>work_bytes < copied + TOKENIZE_WORK_FIXED) return TOKENIZE_WORK_SMALL;
  store<u8>(work, 0x20);
  memory.copy(work + 1, text, bytes);
  return merge(tables, work, bytes + 1, out, count, capacity, work + copied, work_bytes - <i32>copied);
}
