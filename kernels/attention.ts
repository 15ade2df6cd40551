/**
 * Causal attention with grouped key-value heads (Vaswani et al. 2017, arXiv:1706.03762; Ainslie et al. 2023,
 * arXiv:2305.13245), over the batch's own rows or over a cache (see cache.ts).
 *
 * Every sum has one order, whatever rows run together and however the cache is laid out: a score sums D in four lanes
 * and then across them; a softmax sums keys in four lanes, by the distance from the first visible key mod 4; an output
 * sums keys ascending. Up to sixteen units that read the same kv head walk its keys together, tile by tile: a tile is
 * read, and decoded, once for all of them and stays in the first-level cache.
 */
import { check_heads, group_heads, kv_head, quads } from "./attention_shape";
import { dots_1, dots_2, sums_1, sums_2 } from "./attention_tiles";
import { CACHE_F16, CACHE_F32, CACHE_Q8_0, cache_bytes, cache_extent, decode_rows } from "./cache";
import { PAGE, PAGE_INFINITY } from "./constants";
import { exp_lanes, log_scalar } from "./exp";
import { check_units, extent } from "./extent";
import { ERROR_DIMENSION, ERROR_NONE, ERROR_POSITION, ERROR_SEQUENCE } from "./layout";
import { SEQUENCE_CACHE, SEQUENCE_FIRST_ROW } from "./layout";
import { address, fail, failed, float, has, has_scratch, scalar } from "./operands";
import { sequence_of } from "./sequences";
import { max_lanes, sum_lanes } from "./simd";
import { replace_tail } from "./tail";

/** Units that walk their keys together; as many as hide the decoding of a tile. */
const TEAM: i32 = 16;
/** Values of a tile: 16 KiB as f32, half a first-level cache. */
const TILE_VALUES: i32 = 4096;

// A record of a unit, at the start of scratch.
const RECORD: usize = 32;
const AT_Q: usize = 0;
const AT_OUT: usize = 4;
const AT_LSE: usize = 8;
const AT_FIRST: usize = 12; // its first key …
const AT_END: usize = 16; // … and the one after its last
const AT_SCORES: usize = 20;
const AT_SUM: usize = 24;
const AT_BASE: usize = 28; // row of k and v in which key 0 stands, or would stand

// Operands after those in memory.
const T: usize = 8;
const S: usize = 9;
const HEADS: usize = 10;
const KV_HEADS: usize = 11;
const D: usize = 12;
const CONTEXT: usize = 13;
const CACHES: usize = 14;
const WINDOW: usize = 15;
const CAPACITY: usize = 16;
const SCALE: usize = 17;

/**
 * out = softmax(scale·q·kᵀ)·v, lse = ln Σ exp(scale·q·k).
 * q (T,H·D), k, v, out (T,H·D), lse (T,H), position u32[T], sequence u32[T], sequences (S). With context 0 row t sees
 * the rows of its own sequence up to itself, k and v being (T,G·D); else keys 0 … position[t] of its cache, k and v
 * being (caches·capacity, G·D). A window w > 0 leaves of those keys the last w; where capacity < context the cache is a
 * ring, which must hold the windows of all T rows.
 * Scratch: 16 records of 32 bytes, 16 rows of scores; for the other dtypes of the cache also a tile.
 * Unit: (kv head, row, head of the group).
 */
export function attention(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return attend(o, begin, end, scratch, CACHE_F32);
}

export function attention_f16(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return attend(o, begin, end, scratch, CACHE_F16);
}

/** D is a multiple of 32. */
export function attention_q8_0(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  return attend(o, begin, end, scratch, CACHE_Q8_0);
}

function attend(o: usize, begin: i32, end: i32, scratch: usize, dtype: i32): i32 {
  const code = check(o, begin, end, dtype);
  if (code != ERROR_NONE) return code;
  for (let u = begin; u < end; ) {
    const count = gather_team(o, u, end, scratch, dtype);
    if (!count) return failed();
    run_team(o, u, count, scratch, dtype);
    u += count;
  }
  return ERROR_NONE;
}

function check(o: usize, begin: i32, end: i32, dtype: i32): i32 {
  const t = scalar(o, T);
  const heads = scalar(o, HEADS);
  const kv_heads = scalar(o, KV_HEADS);
  const d = scalar(o, D);
  const context = scalar(o, CONTEXT);
  const window = scalar(o, WINDOW);
  const capacity = scalar(o, CAPACITY);
  const code = check_units(o, begin, end, <u64>t * <u64>heads);
  if (code != ERROR_NONE) return code;
  const wrong = check_heads(o, HEADS);
  if (wrong != ERROR_NONE) return wrong;
  if (dtype == CACHE_Q8_0 && d & 31) return fail(o, ERROR_DIMENSION, <i32>D, <u64>d, 32);
  if (window < 0) return fail(o, ERROR_DIMENSION, <i32>WINDOW, <u64>window, 0);
  if (context && capacity <= 0) return fail(o, ERROR_DIMENSION, <i32>CAPACITY, <u64>capacity, 1);
  const needed = window ? min(<u64>context, <u64>window + <u64>t - 1) : <u64>context;
  if (context && <u64>capacity < needed) return fail(o, ERROR_DIMENSION, <i32>CAPACITY, <u64>capacity, needed);
  const rows = extent(t, heads, d);
  const width = kv_heads * d;
  const keys = context ? cache_extent(dtype, scalar(o, CACHES), capacity, width) : extent(t, kv_heads, d);
  if (!has(o, 0, rows) || !has(o, 1, keys) || !has(o, 2, keys)) return failed();
  if (!has(o, 3, rows) || !has(o, 4, extent(t, heads))) return failed();
  if (!has(o, 5, extent(t)) || !has(o, 6, extent(t)) || !has(o, 7, extent(scalar(o, S), 8))) return failed();
  const records = <u64>TEAM * <u64>(RECORD + score_bytes(o));
  return has_scratch(o, records + <u64>tile_bytes(d, dtype)) ? ERROR_NONE : failed();
}

/** Bytes of a unit's scores: as many as it can see. */
function score_bytes(o: usize): usize {
  const keys = scalar(o, CONTEXT) ? scalar(o, CONTEXT) : scalar(o, T);
  const window = scalar(o, WINDOW);
  return quads(window ? min(window, keys) : keys);
}

/** Keys of a tile: whole vectors of scores. */
// @ts-ignore: decorator
@inline
function tile_keys(d: i32): i32 {
  return max(4, TILE_VALUES / d & ~3);
}

function tile_bytes(d: i32, dtype: i32): usize {
  return dtype == CACHE_F32 ? 0 : <usize>tile_keys(d) * <usize>d << 2;
}

/**
 * Writes records of u and of the units after it that read the same keys' rows; returns how many, 0 with the error
 * record written.
 */
function gather_team(o: usize, u: i32, end: i32, scratch: usize, dtype: i32): i32 {
  const t = scalar(o, T);
  const group = kv_head(u / t, scalar(o, HEADS), scalar(o, KV_HEADS));
  const size = score_bytes(o);
  const scores = scratch + <usize>TEAM * RECORD + tile_bytes(scalar(o, D), dtype);
  const first = group_heads(group, scalar(o, HEADS), scalar(o, KV_HEADS)); // the group's heads
  const count = group_heads(group + 1, scalar(o, HEADS), scalar(o, KV_HEADS)) - first;
  const stop = min(min(end, u + TEAM), (first + count) * t);
  let members = 0;
  for (let unit = u; unit < stop; unit++) {
    const within = unit - first * t;
    const record = scratch + <usize>members * RECORD;
    if (!write_record(o, within / count, first + within % count, record)) return 0;
    if (load<u32>(record, AT_BASE) != load<u32>(scratch, AT_BASE)) break;
    store<u32>(record, <u32>(scores + <usize>members * size), AT_SCORES);
    members++;
  }
  return members;
}

/** What (row, head) reads and writes, all but its scores. */
function write_record(o: usize, row: i32, head: i32, record: usize): bool {
  const entry = sequence_of(o, 6, <usize>row, scalar(o, T), scalar(o, S));
  if (!entry) return false;
  const first_row = load<u32>(entry + SEQUENCE_FIRST_ROW);
  let base = first_row;
  let last = <u32>row - first_row;
  if (scalar(o, CONTEXT)) {
    const cache = load<u32>(entry + SEQUENCE_CACHE);
    last = load<u32>(address(o, 5) + (<usize>row << 2));
    if (cache >= <u32>scalar(o, CACHES)) {
      fail(o, ERROR_SEQUENCE, 7, cache, <u64>scalar(o, CACHES));
      return false;
    }
    if (last >= <u32>scalar(o, CONTEXT)) {
      fail(o, ERROR_POSITION, 5, last, <u64>scalar(o, CONTEXT));
      return false;
    }
    base = cache * <u32>scalar(o, CAPACITY);
  }
  const window = <u32>scalar(o, WINDOW);
  const cell = <usize>row * <usize>scalar(o, HEADS) + <usize>head;
  const from = cell * <usize>scalar(o, D) << 2;
  store<u32>(record, <u32>(address(o, 0) + from), AT_Q);
  store<u32>(record, <u32>(address(o, 3) + from), AT_OUT);
  store<u32>(record, <u32>(address(o, 4) + (cell << 2)), AT_LSE);
  store<u32>(record, window && last >= window ? last - window + 1 : 0, AT_FIRST);
  store<u32>(record, last + 1, AT_END);
  store<u32>(record, base, AT_BASE);
  return true;
}

function run_team(o: usize, u: i32, count: i32, records: usize, dtype: i32): void {
  const d_bytes = <usize>scalar(o, D) << 2;
  const end = records + <usize>count * RECORD;
  walk(o, u, records, end, dtype, 1);
  for (let record = records; record < end; record += RECORD) {
    const keys = <usize>(load<u32>(record, AT_END) - load<u32>(record, AT_FIRST));
    store<f32>(record, softmax(load<u32>(record, AT_SCORES), keys, load<u32>(record, AT_LSE)), AT_SUM);
    memory.fill(load<u32>(record, AT_OUT), 0, d_bytes);
  }
  walk(o, u, records, end, dtype, 2);
  for (let record = records; record < end; record += RECORD) {
    divide(load<u32>(record, AT_OUT), d_bytes, load<f32>(record, AT_SUM));
  }
}

/** Keys ascending, tile by tile: scores with k (operand 1), or weighted sums of v (operand 2), of all records. */
function walk(o: usize, u: i32, records: usize, end: usize, dtype: i32, operand: usize): void {
  const d = scalar(o, D);
  const group = kv_head(u / scalar(o, T), scalar(o, HEADS), scalar(o, KV_HEADS));
  const head_bytes = cache_bytes(dtype, d);
  const stride = <usize>scalar(o, KV_HEADS) * head_bytes;
  const base = address(o, operand) + <usize>load<u32>(records, AT_BASE) * stride + <usize>group * head_bytes;
  // Without a cache no key stands beyond the T rows.
  const capacity = <u32>(scalar(o, CONTEXT) ? scalar(o, CAPACITY) : scalar(o, T));
  let first = u32.MAX_VALUE;
  let last: u32 = 0;
  for (let record = records; record < end; record += RECORD) {
    first = min(first, load<u32>(record, AT_FIRST));
    last = max(last, load<u32>(record, AT_END));
  }
  const most = <u32>tile_keys(d);
  const d_bytes = <usize>d << 2;
  const decoded = records + <usize>TEAM * RECORD;
  for (let key = first, keys: u32 = 0; key < last; key += keys) {
    const slot = key % capacity;
    keys = min(min(most, last - key), capacity - slot);
    let tile = base + <usize>slot * stride;
    if (dtype != CACHE_F32) {
      decode_rows(dtype, tile, stride, keys, d, decoded);
      tile = decoded;
    }
    const row_bytes = dtype == CACHE_F32 ? stride : d_bytes;
    for (let record = records; record < end; record += RECORD << 1) {
      const other = record + RECORD < end ? record + RECORD : 0;
      if (operand == 1) score_tile(record, other, tile, row_bytes, key, keys, d_bytes, float(o, SCALE));
      else sum_tile(record, other, tile, row_bytes, key, keys, d_bytes);
    }
  }
}

/** First key of [from, from + count) that the record's unit sees; not below `from`. */
// @ts-ignore: decorator
@inline
function seen_first(record: usize, from: u32): u32 {
  return max(load<u32>(record, AT_FIRST), from);
}

/** The key after the last that it sees there; not below `least`. */
// @ts-ignore: decorator
@inline
function seen_end(record: usize, from: u32, count: u32, least: u32): u32 {
  return max(least, min(load<u32>(record, AT_END), from + count));
}

/** Address of the score of a key. */
// @ts-ignore: decorator
@inline
function score_of(record: usize, key: u32): usize {
  return <usize>load<u32>(record, AT_SCORES) + (<usize>(key - load<u32>(record, AT_FIRST)) << 2);
}

/** Scores of the tile's keys `from` … `from` + `count` − 1 for one record, or for two (b ≠ 0). */
function score_tile(
  a: usize, b: usize, tile: usize, stride: usize, from: u32, count: u32, d_bytes: usize, scale: f32,
): void {
  const first = seen_first(a, from);
  const end = seen_end(a, from, count, first);
  if (!b) return score_keys(a, tile, stride, from, first, end, d_bytes, scale);
  const other_first = seen_first(b, from);
  const other_end = seen_end(b, from, count, other_first);
  const both = max(first, other_first);
  const both_end = max(both, min(end, other_end));
  score_keys(a, tile, stride, from, first, min(both, end), d_bytes, scale);
  score_keys(b, tile, stride, from, other_first, min(both, other_end), d_bytes, scale);
  if (both < both_end) {
    const rows = tile + <usize>(both - from) * stride;
    const qa = <usize>load<u32>(a, AT_Q), qb = <usize>load<u32>(b, AT_Q);
    dots_2(qa, qb, rows, stride, both_end - both, d_bytes, scale, score_of(a, both), score_of(b, both));
  }
  score_keys(a, tile, stride, from, both_end, end, d_bytes, scale);
  score_keys(b, tile, stride, from, both_end, other_end, d_bytes, scale);
}

function score_keys(
  a: usize, tile: usize, stride: usize, from: u32, first: u32, end: u32, d_bytes: usize, scale: f32,
): void {
  if (first >= end) return;
  const rows = tile + <usize>(first - from) * stride;
  dots_1(<usize>load<u32>(a, AT_Q), rows, stride, end - first, d_bytes, scale, score_of(a, first));
}

/** Adds the tile's rows of v to the outputs, keys ascending; arguments as of `score_tile`. */
function sum_tile(
  a: usize, b: usize, tile: usize, stride: usize, from: u32, count: u32, d_bytes: usize,
): void {
  const first = seen_first(a, from);
  const end = seen_end(a, from, count, first);
  if (!b) return sum_keys(a, tile, stride, from, first, end, d_bytes);
  const other_first = seen_first(b, from);
  const other_end = seen_end(b, from, count, other_first);
  const both = max(first, other_first);
  const both_end = max(both, min(end, other_end));
  sum_keys(a, tile, stride, from, first, min(both, end), d_bytes);
  sum_keys(b, tile, stride, from, other_first, min(both, other_end), d_bytes);
  if (both < both_end) {
    const rows = tile + <usize>(both - from) * stride;
    const out = <usize>load<u32>(a, AT_OUT), other_out = <usize>load<u32>(b, AT_OUT);
    sums_2(score_of(a, both), score_of(b, both), rows, stride, both_end - both, d_bytes, out, other_out);
  }
  sum_keys(a, tile, stride, from, both_end, end, d_bytes);
  sum_keys(b, tile, stride, from, both_end, other_end, d_bytes);
}

function sum_keys(
  a: usize, tile: usize, stride: usize, from: u32, first: u32, end: u32, d_bytes: usize,
): void {
  if (first >= end) return;
  const rows = tile + <usize>(first - from) * stride;
  sums_1(score_of(a, first), rows, stride, end - first, d_bytes, <usize>load<u32>(a, AT_OUT));
}

/**
 * p = exp(p − max p) over `count` scores, padded to a whole vector with zeros; stores max + ln Σ at lse and returns Σ.
 * The maximum may pass over a NaN: the sum does not.
 */
function softmax(p: usize, count: usize, lse: usize): f32 {
  const bytes = count << 2;
  const whole = bytes & ~15;
  const masked = f32x4.neg(v128.load(PAGE + PAGE_INFINITY));
  if (count & 3) v128.store(p + whole, replace_tail(v128.load(p + whole), count & 3, masked));
  let largest = v128.load(p);
  for (let i: usize = 16; i < bytes; i += 16) largest = f32x4.pmax(largest, v128.load(p + i));
  const top = max_lanes(largest);
  const shift = f32x4.splat(top);
  let sums = f32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) {
    const value = exp_lanes(f32x4.sub(v128.load(p + i), shift));
    v128.store(p + i, value);
    sums = f32x4.add(sums, value);
  }
  const sum = sum_lanes(sums);
  store<f32>(lse, top + log_scalar(sum));
  return sum;
}

function divide(y: usize, bytes: usize, divisor: f32): void {
  const d = f32x4.splat(divisor);
  for (let i: usize = 0; i < bytes; i += 16) v128.store(y + i, f32x4.div(v128.load(y + i), d));
}
