/**
 * Merging, the same for both models: symbols in a doubly linked list over the bytes, candidates in a heap by (rank,
 * place), lowest first. SentencePiece starts from characters and merges two symbols if together they are a piece;
 * byte-level BPE starts from bytes and asks the table of merges. O(n log n) for any text.  Sennrich et al. 2016,
 * arXiv:1508.07909
 *
 * Work memory for n bytes: n symbols of 12 bytes {end, previous, token}, at the byte where the symbol starts (end 0:
 * merged away), then 2n candidates of 16 bytes {place, rank, right, merged}: at most n − 1 at first, and each of the
 * n − 1 merges takes one and adds two. Offsets count from the first byte.
 */
import { character_bytes } from "./characters";
import { merge_of, piece } from "./lookup";
import {
  MODEL_SENTENCEPIECE,
  NO_TOKEN,
  RECORD_BYTES,
  RECORD_RANK,
  RECORD_TEXT_BYTES,
  TOKENIZE_OUT_FULL,
  TOKENIZE_WORK_SMALL,
  V_BYTE_TOKENS,
  V_MODEL,
  V_RECORDS,
  V_UNKNOWN,
} from "./vocabulary";

const SYMBOL_BYTES: usize = 12;
const CANDIDATE_BYTES: usize = 16;
const NO_SYMBOL: u32 = 0xffffffff;

/** Appends the tokens of n bytes of text; returns the new count or a negative TOKENIZE_* code. */
export function merge(
  tables: usize, text: usize, n: usize, out: usize, count: i32, capacity: i32, work: usize, work_bytes: i32,
): i32 {
  const symbols = work;
  const heap = (work + n * SYMBOL_BYTES + 7) & ~7;
  if (heap + 2 * n * CANDIDATE_BYTES > work + <usize>work_bytes) return TOKENIZE_WORK_SMALL;
  const sentencepiece = load<u32>(tables, V_MODEL) == MODEL_SENTENCEPIECE;
  const records = tables + <usize>load<u32>(tables, V_RECORDS);
  start(tables, text, <u32>n, symbols, sentencepiece);
  let size = first_candidates(tables, text, <u32>n, symbols, heap, sentencepiece);
  while (size > 0) {
    const left = load<u32>(heap);
    const right = load<u32>(heap, 8);
    const merged = load<u32>(heap, 12);
    size = pop(heap, size);
    const at = symbols + <usize>left * SYMBOL_BYTES;
    const beside = symbols + <usize>right * SYMBOL_BYTES;
    const end = load<u32>(beside);
    const bytes = load<u32>(records + <usize>merged * RECORD_BYTES, RECORD_TEXT_BYTES);
    // Out of date: one of the two has merged with something else since.
    if (load<u32>(at) != right || end == 0 || end - left != bytes) continue;
    store<u32>(at, end);
    store<u32>(at, merged, 8);
    store<u32>(beside, 0);
    if (end < <u32>n) {
      store<u32>(symbols + <usize>end * SYMBOL_BYTES, left, 4);
      size = push(tables, text, symbols, left, end, heap, size, sentencepiece);
    }
    const before = load<u32>(at, 4);
    if (before != NO_SYMBOL) size = push(tables, text, symbols, before, left, heap, size, sentencepiece);
  }
  return emit(tables, text, <u32>n, symbols, out, count, capacity);
}

/** One symbol per character (SentencePiece) or per byte. */
function start(tables: usize, text: usize, n: u32, symbols: usize, sentencepiece: bool): void {
  const bytes = tables + <usize>load<u32>(tables, V_BYTE_TOKENS);
  let previous = NO_SYMBOL;
  for (let at: u32 = 0; at < n; ) {
    const length = sentencepiece ? <u32>character_bytes(text + at, text + n) : 1;
    const symbol = symbols + <usize>at * SYMBOL_BYTES;
    const token = sentencepiece
      ? piece(tables, text + at, length)
      : load<u32>(bytes + (<usize>load<u8>(text + at) << 2));
    store<u32>(symbol, at + length);
    store<u32>(symbol, previous, 4);
    store<u32>(symbol, token, 8);
    previous = at;
    at += length;
  }
}

function first_candidates(
  tables: usize, text: usize, n: u32, symbols: usize, heap: usize, sentencepiece: bool,
): u32 {
  let size: u32 = 0;
  let left: u32 = 0;
  let right = load<u32>(symbols);
  while (right < n) {
    size = push(tables, text, symbols, left, right, heap, size, sentencepiece);
    left = right;
    right = load<u32>(symbols + <usize>left * SYMBOL_BYTES);
  }
  return size;
}

/** Adds the pair of the symbols at `left` and `right` if it merges; returns the heap's size. */
function push(
  tables: usize, text: usize, symbols: usize, left: u32, right: u32, heap: usize, size: u32, sentencepiece: bool,
): u32 {
  let merged = NO_TOKEN;
  let rank: u32 = 0;
  const beside = symbols + <usize>right * SYMBOL_BYTES;
  if (sentencepiece) {
    merged = piece(tables, text + left, load<u32>(beside) - left);
    if (merged == NO_TOKEN) return size;
    rank = load<u32>(tables + <usize>load<u32>(tables, V_RECORDS) + <usize>merged * RECORD_BYTES, RECORD_RANK);
  } else {
    const entry = merge_of(tables, load<u32>(symbols + <usize>left * SYMBOL_BYTES, 8), load<u32>(beside, 8));
    if (entry == 0) return size;
    rank = load<u32>(entry, 8);
    merged = load<u32>(entry, 12);
  }
  const key = ((<u64>rank) << 32) | left;
  let hole = size;
  while (hole > 0) {
    const parent = (hole - 1) >> 1;
    const above = heap + <usize>parent * CANDIDATE_BYTES;
    if (load<u64>(above) <= key) break;
    put(heap, hole, load<u64>(above), load<u64>(above, 8));
    hole = parent;
  }
  put(heap, hole, key, ((<u64>merged) << 32) | right);
  return size + 1;
}

/** Removes the first candidate; returns the heap's size. */
function pop(heap: usize, size: u32): u32 {
  const last = size - 1;
  const moved = heap + <usize>last * CANDIDATE_BYTES;
  const key = load<u64>(moved);
  const rest = load<u64>(moved, 8);
  let hole: u32 = 0;
  for (;;) {
    let child: u32 = 2 * hole + 1;
    if (child >= last) break;
    let below = heap + <usize>child * CANDIDATE_BYTES;
    if (child + 1 < last && load<u64>(below + CANDIDATE_BYTES) < load<u64>(below)) {
      child++;
      below += CANDIDATE_BYTES;
    }
    if (load<u64>(below) >= key) break;
    put(heap, hole, load<u64>(below), load<u64>(below, 8));
    hole = child;
  }
  put(heap, hole, key, rest);
  return last;
}

// @ts-ignore: decorator
@inline
function put(heap: usize, hole: u32, key: u64, rest: u64): void {
  const to = heap + <usize>hole * CANDIDATE_BYTES;
  store<u64>(to, key);
  store<u64>(to, rest, 8);
}

/**
 * Writes the symbols' tokens; a character that is no piece becomes its bytes, or the unknown token where bytes have
 * none.
 */
function emit(tables: usize, text: usize, n: u32, symbols: usize, out: usize, first: i32, capacity: i32): i32 {
  let count = first;
  for (let at: u32 = 0; at < n && count >= 0; ) {
    const symbol = symbols + <usize>at * SYMBOL_BYTES;
    const end = load<u32>(symbol);
    const token = load<u32>(symbol, 8);
    if (token != NO_TOKEN) count = append(token, out, count, capacity);
    else count = emit_bytes(tables, text + at, text + end, out, count, capacity);
    at = end;
  }
  return count;
}

function emit_bytes(tables: usize, begin: usize, end: usize, out: usize, first: i32, capacity: i32): i32 {
  const bytes = tables + <usize>load<u32>(tables, V_BYTE_TOKENS);
  let count = first;
  for (let at = begin; at < end && count >= 0; at++) {
    const token = load<u32>(bytes + (<usize>load<u8>(at) << 2));
    if (token == NO_TOKEN) return append(load<u32>(tables, V_UNKNOWN), out, count, capacity);
    count = append(token, out, count, capacity);
  }
  return count;
}

/** Writes a token where there is one; returns the new count or TOKENIZE_OUT_FULL. */
export function append(token: u32, out: usize, count: i32, capacity: i32): i32 {
  if (count < 0 || token == NO_TOKEN) return count;
  if (count >= capacity) return TOKENIZE_OUT_FULL;
  store<u32>(out + (<usize>count << 2), token);
  return count + 1;
}
