/** Text to tokens and back, for every host: works on a vocabulary section and in buffers that it is given. */
import { fragment } from "./fragment";
import { special_at } from "./lookup";
import { append } from "./merge";
import {
  DETOKENIZE_CONTINUE,
  DETOKENIZE_CONTROL,
  MODEL_BYTE_LEVEL,
  MODEL_SENTENCEPIECE,
  MODEL_WORDPIECE,
  NO_TOKEN,
  RECORD_BYTES,
  RECORD_TEXT,
  RECORD_TEXT_BYTES,
  RECORD_TYPE,
  SPLIT_DEFAULT,
  TOKENIZE_BAD_TABLES,
  TOKENIZE_BAD_TOKEN,
  TOKENIZE_BOS,
  TOKENIZE_CONTINUE,
  TOKENIZE_CONTROL,
  TOKENIZE_EOS,
  TOKENIZE_OUT_FULL,
  TYPE_CONTROL,
  TYPE_UNKNOWN,
  VOCABULARY_MAGIC,
  VOCABULARY_SPACE_PREFIX,
  VOCABULARY_VERSION,
  V_BOS,
  V_EOS,
  V_FLAGS,
  V_MAGIC,
  V_MODEL,
  V_RECORDS,
  V_SPLIT,
  V_TOKENS,
  V_VERSION,
} from "./vocabulary";

/**
 * Writes the tokens of `text` (UTF-8) to `out` (u32 each) and returns how many, or a negative TOKENIZE_* code. `work`
 * is scratch: TOKENIZE_WORK_FIXED + TOKENIZE_WORK_PER_BYTE · text_bytes always suffices; less may do, because text is
 * worked on in pieces.
 */
export function tokenize(
  tables: usize, text: usize, text_bytes: i32, out: usize, out_capacity: i32, work: usize, work_bytes: i32, flags: i32,
): i32 {
  if (!is_vocabulary(tables)) return TOKENIZE_BAD_TABLES;
  const prefix = (load<u32>(tables, V_FLAGS) & VOCABULARY_SPACE_PREFIX) != 0;
  const control = (flags & TOKENIZE_CONTROL) != 0;
  const continued = (flags & TOKENIZE_CONTINUE) != 0;
  const end = text + <usize>text_bytes;
  let count = 0;
  if (flags & TOKENIZE_BOS) count = append(load<u32>(tables, V_BOS), out, count, out_capacity);
  let at = text;
  while (at < end && count >= 0) {
    let special = NO_TOKEN;
    let next = at;
    while (next < end) {
      special = special_at(tables, next, end, control);
      if (special != NO_TOKEN) break;
      next++;
    }
    if (next > at) {
      // Every fragment starts the text or follows a special token.
      const spaced = prefix && !(continued && at == text);
      count = fragment(tables, at, next, spaced, out, count, out_capacity, work, work_bytes);
      if (count < 0) return count;
    }
    at = next;
    if (special != NO_TOKEN) {
      count = append(special, out, count, out_capacity);
      at += load<u32>(record(tables, special), RECORD_TEXT_BYTES);
    }
  }
  if (count >= 0 && flags & TOKENIZE_EOS) count = append(load<u32>(tables, V_EOS), out, count, out_capacity);
  return count;
}

/**
 * Writes the bytes of the tokens to `out` and returns how many, or a negative TOKENIZE_* code. The bytes may begin or
 * end within a character. A space that stands before text only because the tokenizer put it there is left out, unless
 * DETOKENIZE_CONTINUE.
 */
export function detokenize(tables: usize, tokens: usize, count: i32, out: usize, capacity: i32, flags: i32): i32 {
  if (!is_vocabulary(tables)) return TOKENIZE_BAD_TABLES;
  const vocabulary = load<u32>(tables, V_TOKENS);
  const prefix = (load<u32>(tables, V_FLAGS) & VOCABULARY_SPACE_PREFIX) != 0;
  let strip = prefix && (flags & DETOKENIZE_CONTINUE) == 0;
  let written: usize = 0;
  for (let i = 0; i < count; i++) {
    const token = load<u32>(tokens + (<usize>i << 2));
    if (token >= vocabulary) return TOKENIZE_BAD_TOKEN;
    const entry = record(tables, token);
    const type = load<u32>(entry, RECORD_TYPE);
    if ((type == TYPE_CONTROL || type == TYPE_UNKNOWN) && (flags & DETOKENIZE_CONTROL) == 0) continue;
    let bytes = <usize>load<u32>(entry, RECORD_TEXT_BYTES);
    let from = tables + <usize>load<u32>(entry, RECORD_TEXT);
    if (type != TYPE_CONTROL && type != TYPE_UNKNOWN) {
      if (strip && bytes > 0 && load<u8>(from) == 0x20) {
        from++;
        bytes--;
      }
      strip = false;
    }
    if (written + bytes > <usize>capacity) return TOKENIZE_OUT_FULL;
    memory.copy(out + written, from, bytes);
    written += bytes;
  }
  return <i32>written;
}

/** Magic, version, and a way to cut words that is known here. */
function is_vocabulary(tables: usize): bool {
  if (load<u32>(tables, V_MAGIC) != VOCABULARY_MAGIC) return false;
  if (load<u32>(tables, V_VERSION) != VOCABULARY_VERSION) return false;
  const split = load<u32>(tables, V_SPLIT);
  const model = load<u32>(tables, V_MODEL);
  if (model != MODEL_BYTE_LEVEL) return model == MODEL_SENTENCEPIECE || model == MODEL_WORDPIECE;
  return split > 0 && split < <u32>SPLIT_DEFAULT + 1;
}

// @ts-ignore: decorator
@inline
function record(tables: usize, token: u32): usize {
  return tables + <usize>load<u32>(tables, V_RECORDS) + <usize>token * RECORD_BYTES;
}
