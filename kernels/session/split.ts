/**
 * How published byte-level BPE models cut text into words; no merge crosses the border of a word. The rules are the
 * regular expressions that llama.cpp (src/llama-vocab.cpp, by tokenizer.ggml.pre) and the models' tokenizer.json state.
 * \s is Unicode's White_Space; each function returns the end of the word that begins at `at`.
 */
import { character_bytes, class_at } from "./characters";
import {
  CLASS_LETTER,
  CLASS_NUMBER,
  CLASS_PUNCTUATION,
  CLASS_SPACE,
  SPLIT_DEFAULT,
  SPLIT_EDGEWISE,
  SPLIT_GPT2,
  SPLIT_LLAMA_BPE,
  SPLIT_SMOLLM,
} from "./vocabulary";
import { edgewise_word } from "./words";

const SPACE: u32 = 0x20;
const NOWHERE: u32 = 0xffff; // class of what lies behind a border

/** End of the word at `at` by the rule `split`, one of SPLIT_*. */
export function word_end(split: u32, classes: usize, at: usize, end: usize): usize {
  if (split == SPLIT_EDGEWISE) return edgewise_word(at, end);
  if (split == SPLIT_GPT2) return gpt2_word(SPLIT_GPT2, classes, at, end);
  if (split == SPLIT_SMOLLM) return smollm_word(classes, at, end);
  if (split == SPLIT_DEFAULT) return default_word(classes, at, end);
  return llama_word(classes, at, end, split == SPLIT_LLAMA_BPE ? 3 : 1);
}

/** First \p{N} one by one, then `gpt-2` in what lies between. */
function smollm_word(classes: usize, at: usize, end: usize): usize {
  if (class_at(classes, at, end) == CLASS_NUMBER) return at + character_bytes(at, end);
  return gpt2_word(SPLIT_SMOLLM, classes, at, end);
}

/**
 * `default`: first [\p{P}$+<=>^~|]+, then `gpt-2` in what lies between, then \p{N}+ and [0-9][0-9][0-9] in those words.
 */
function default_word(classes: usize, at: usize, end: usize): usize {
  let kind = class_within(SPLIT_DEFAULT, classes, at, end);
  if (kind == NOWHERE) {
    let next = at;
    while (next < end && kind == NOWHERE) {
      next += character_bytes(next, end);
      if (next < end) kind = class_within(SPLIT_DEFAULT, classes, next, end);
    }
    return next;
  }
  if (kind == CLASS_NUMBER) return digits_end(classes, at, end);
  const next = gpt2_word(SPLIT_DEFAULT, classes, at, end);
  // A space before a number was one word with it; the third expression parts them.
  const space = load<u8>(at) == SPACE && next > at + 1 && class_at(classes, at + 1, end) == CLASS_NUMBER;
  return space ? at + 1 : next;
}

/** Three ASCII digits, or what lies before the next three within a run of \p{N}. */
function digits_end(classes: usize, at: usize, end: usize): usize {
  if (three_digits(at, end)) return at + 3;
  let next = at;
  while (next < end && class_at(classes, next, end) == CLASS_NUMBER && !three_digits(next, end)) {
    next += character_bytes(next, end);
  }
  return next;
}

function three_digits(at: usize, end: usize): bool {
  return at + 3 <= end && is_digit(at) && is_digit(at + 1) && is_digit(at + 2);
}

// @ts-ignore: decorator
@inline
function is_digit(at: usize): bool {
  return <u32>load<u8>(at) - 48 < 10;
}

/**
 * `gpt-2`: 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 * Under another rule the text ends where that rule has cut it already.
 */
function gpt2_word(split: u32, classes: usize, at: usize, end: usize): usize {
  const short = contraction(at, end, false);
  if (short > 0 && split != SPLIT_DEFAULT) return at + short;
  const first = class_at(classes, at, end);
  let next = at;
  let kind = first;
  if (load<u8>(at) == SPACE && at + 1 < end) {
    const behind = class_within(split, classes, at + 1, end);
    if (behind != NOWHERE && behind != CLASS_SPACE) {
      next = at + 1;
      kind = behind;
    }
  }
  if (kind == CLASS_SPACE) return spaces_end(split, classes, at, end);
  return run_end(split, classes, next, end, kind);
}

/**
 * `llama-bpe`: (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|
 * \s+(?!\S)|\s+; `qwen2` the same with one \p{N}. (?i:) is [sS] and so on as in llama.cpp: U+017F is no s.
 */
function llama_word(classes: usize, at: usize, end: usize, digits: u32): usize {
  const short = contraction(at, end, true);
  if (short > 0) return at + short;
  const kind = class_at(classes, at, end);
  if (kind == CLASS_LETTER) return run_end(SPLIT_LLAMA_BPE, classes, at, end, CLASS_LETTER);
  const second = at + character_bytes(at, end);
  if (kind == CLASS_NUMBER) {
    let next = second;
    for (let i: u32 = 1; i < digits && next < end && class_at(classes, next, end) == CLASS_NUMBER; i++) {
      next += character_bytes(next, end);
    }
    return next;
  }
  const behind = second < end ? class_at(classes, second, end) : NOWHERE;
  if (!is_newline(at) && behind == CLASS_LETTER) {
    return run_end(SPLIT_LLAMA_BPE, classes, second, end, CLASS_LETTER);
  }
  if (kind != CLASS_SPACE) return marks_end(classes, at, end);
  const marks = behind != NOWHERE && behind != CLASS_SPACE && behind != CLASS_NUMBER;
  if (load<u8>(at) == SPACE && marks) return marks_end(classes, second, end);
  return lines_end(classes, at, end);
}

/** [^\s\p{L}\p{N}]+[\r\n]* */
function marks_end(classes: usize, at: usize, end: usize): usize {
  let next = run_end(SPLIT_LLAMA_BPE, classes, at, end, CLASS_PUNCTUATION);
  while (next < end && is_newline(next)) next++;
  return next;
}

/** \s*[\r\n]+|\s+(?!\S)|\s+ */
function lines_end(classes: usize, at: usize, end: usize): usize {
  let next = at;
  let line = at;
  while (next < end && class_at(classes, next, end) == CLASS_SPACE) {
    const newline = is_newline(next);
    next += character_bytes(next, end);
    if (newline) line = next;
  }
  return line > at ? line : spaces_end(SPLIT_LLAMA_BPE, classes, at, end);
}

// @ts-ignore: decorator
@inline
function is_newline(at: usize): bool {
  const byte = <u32>load<u8>(at);
  return byte == 10 || byte == 13;
}

/** \s+(?!\S)|\s+: all of the spaces, but for the last where something follows them. */
function spaces_end(split: u32, classes: usize, at: usize, end: usize): usize {
  let last = at;
  let next = at;
  while (next < end && class_at(classes, next, end) == CLASS_SPACE) {
    last = next;
    next += character_bytes(next, end);
  }
  const border = next == end || class_within(split, classes, next, end) == NOWHERE;
  return border || last == at ? next : last;
}

/** End of the run of one class; what is neither space, letter nor number is one class here. */
function run_end(split: u32, classes: usize, at: usize, end: usize, kind: u32): usize {
  const wanted = rough(kind);
  let next = at + character_bytes(at, end);
  while (next < end && rough(class_within(split, classes, next, end)) == wanted) next += character_bytes(next, end);
  return next;
}

// @ts-ignore: decorator
@inline
function rough(kind: u32): u32 {
  return kind == CLASS_PUNCTUATION ? 0 : kind;
}

/** The class, or NOWHERE for what another expression of the rule has cut out before `gpt-2` is asked. */
function class_within(split: u32, classes: usize, at: usize, end: usize): u32 {
  const kind = class_at(classes, at, end);
  if (split == SPLIT_SMOLLM && kind == CLASS_NUMBER) return NOWHERE;
  if (split == SPLIT_DEFAULT && (kind == CLASS_PUNCTUATION || is_sign(load<u8>(at)))) return NOWHERE;
  return kind;
}

/** $+<=>^~| */
function is_sign(byte: u32): bool {
  return byte == 0x24 || byte == 0x2b || (byte >= 0x3c && byte <= 0x3e) || byte == 0x5e || byte == 0x7e || byte == 0x7c;
}

/** Bytes of 's 't 'm 'd 're 've 'll at `at`, 0 where there is none. */
function contraction(at: usize, end: usize, fold: bool): usize {
  if (load<u8>(at) != 0x27 || at + 1 >= end) return 0;
  const first = lower(load<u8>(at, 1), fold);
  if (first == 0x73 || first == 0x74 || first == 0x6d || first == 0x64) return 2;
  if (at + 2 >= end) return 0;
  const second = lower(load<u8>(at, 2), fold);
  const longer = second == 0x65 ? first == 0x72 || first == 0x76 : second == 0x6c && first == 0x6c;
  return longer ? 3 : 0;
}

/** The letter in lower case if asked to fold; other bytes as they are. */
function lower(byte: u32, fold: bool): u32 {
  return fold && byte - 0x41 < 26 ? byte | 0x20 : byte;
}
