/**
 * Causal attention with grouped key-value heads (Vaswani et al. 2017, arXiv:1706.03762; Ainslie et al. 2023,
 * arXiv:2305.13245).
 *
 * Every sum has one order, whatever rows run together: a score sums D in four lanes and then across them; a softmax
 * sums keys in four lanes by key mod 4; an output sums keys ascending. Two neighbouring units that see the same keys
 * share the loads of a tile.
 */
import { ERROR_DIMENSION, ERROR_NONE, ERROR_POSITION, ERROR_SEQUENCE, SEQUENCE_CACHE, SEQUENCE_FIRST_ROW } from "./layout";
import { cell, check_heads, kv_head, quads } from "./attention_shape";
import { dots_1, dots_2, sums_1, sums_2 } from "./attention_tiles";
import { PAGE, PAGE_INFINITY } from "./constants";
import { exp_lanes, log_scalar } from "./exp";
import { check_units, extent } from "./extent";
import { address, fail, failed, float, has, has_scratch, scalar } from "./operands";
import { sequence_of } from "./sequences";
import { max_lanes, sum_lanes } from "./simd";
import { replace_tail } from "./tail";

/** x (T,C), cache (caches·context, C), position u32[T], sequence u32[T], sequences (S). Unit: a row. */
export function cache_write(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const t = scalar(o, 5);
  const c = scalar(o, 6);
  const s = scalar(o, 7);
  const context = scalar(o, 8);
  const caches = scalar(o, 9);
  const code = check_units(begin, end, <u64>t);
  if (code != ERROR_NONE) return code;
  if (!has(o, 0, extent(t, c)) || !has(o, 1, extent(caches, context, c)) || !has(o, 2, extent(t))) return failed();
  if (!has(o, 3, extent(t)) || !has(o, 4, extent(s, 8))) return failed();
  const bytes = <usize>c << 2;
  for (let row = <usize>begin; row < <usize>end; row++) {
    const entry = sequence_of(o, 3, row, t, s);
    if (!entry) return failed();
    const cache = load<u32>(entry + SEQUENCE_CACHE);
    if (cache >= <u32>caches) return fail(ERROR_SEQUENCE, 4, cache, <u64>caches);
    const position = load<u32>(address(o, 2) + (row << 2));
    if (position >= <u32>context) return fail(ERROR_POSITION, 2, position, <u64>context);
    const to = <usize>cache * <usize>context + <usize>position;
    memory.copy(address(o, 1) + to * bytes, address(o, 0) + row * bytes, bytes);
  }
  return ERROR_NONE;
}

/**
 * out = softmax(scale·q·kᵀ)·v, lse = ln Σ exp(scale·q·k).
 * q (T,H·D), k, v, out (T,H·D), lse (T,H), position u32[T], sequence u32[T], sequences (S). With context 0 row t sees
 * the rows of its own sequence up to itself, k and v being (T,G·D); else keys 0 … position[t] of its cache, k and v
 * being (caches·context, G·D). A window w > 0 leaves of those keys the last w.
 * Scratch: scores of two units, 2·⌈context or T⌉₄ floats. Unit: (head, row), u = h·T + t.
 */
export function attention(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const t = scalar(o, 8);
  const heads = scalar(o, 10);
  const kv_heads = scalar(o, 11);
  const d = scalar(o, 12);
  const context = scalar(o, 13);
  const caches = scalar(o, 14);
  const code = check_units(begin, end, <u64>t * <u64>heads);
  if (code != ERROR_NONE) return code;
  const wrong = check_heads(o, 10);
  if (scalar(o, 15) < 0) return fail(ERROR_DIMENSION, 15, <u64>scalar(o, 15), 0);
  if (wrong != ERROR_NONE) return wrong;
  const rows = extent(t, heads, d);
  const keys = context ? extent(caches, context, kv_heads, d) : extent(t, kv_heads, d);
  if (!has(o, 0, rows) || !has(o, 1, keys) || !has(o, 2, keys)) return failed();
  if (!has(o, 3, rows) || !has(o, 4, extent(t, heads))) return failed();
  if (!has(o, 5, extent(t)) || !has(o, 6, extent(t)) || !has(o, 7, extent(scalar(o, 9), 8))) return failed();
  const score_bytes = quads(context ? context : t);
  if (!has_scratch(2 * <u64>score_bytes)) return failed();

  const d_bytes = <usize>d << 2;
  const stride = <usize>kv_heads * d_bytes;
  let u = begin;
  while (u < end) {
    const first = first_key(o, u);
    if (first < 0) return failed();
    const second = u + 1 < end ? first_key(o, u + 1) : -1;
    if (u + 1 < end && second < 0) return failed();
    const from = <usize>first;
    if (second == first) {
      attend_2(o, u, address(o, 1) + from, address(o, 2) + from, stride, d_bytes, scratch, scratch + score_bytes);
      u += 2;
    } else {
      attend_1(o, u, address(o, 1) + from, address(o, 2) + from, stride, d_bytes, scratch);
      u += 1;
    }
  }
  return ERROR_NONE;
}

/**
 * Offset in bytes, within k and v, of the first key that unit u sees; −1 with the error record written. Units with
 * equal offsets share keys.
 */
function first_key(o: usize, u: i32): i64 {
  const t = scalar(o, 8);
  const context = scalar(o, 13);
  const row = u % t;
  const entry = sequence_of(o, 6, <usize>row, t, scalar(o, 9));
  if (!entry) return -1;
  let key = <i64>load<u32>(entry + SEQUENCE_FIRST_ROW);
  let last = <i64>row;
  if (context) {
    const cache = load<u32>(entry + SEQUENCE_CACHE);
    if (cache >= <u32>scalar(o, 14)) {
      fail(ERROR_SEQUENCE, 7, cache, <u64>scalar(o, 14));
      return -1;
    }
    const position = load<u32>(address(o, 5) + (<usize>row << 2));
    if (position >= <u32>context) {
      fail(ERROR_POSITION, 5, position, <u64>context);
      return -1;
    }
    key = <i64>cache * <i64>context;
    last = key + <i64>position;
  }
  const window = <i64>scalar(o, 15);
  if (window) key = max(key, last - window + 1);
  return (key * <i64>scalar(o, 11) + <i64>kv_head(u / t, scalar(o, 10), scalar(o, 11))) * (<i64>scalar(o, 12) << 2);
}

/** How many keys unit u sees. `first_key` has checked what is read here. */
function key_count(o: usize, u: i32): usize {
  const t = scalar(o, 8);
  const row = <usize>(u % t);
  const window = <usize>scalar(o, 15);
  let count = <usize>load<u32>(address(o, 5) + (row << 2)) + 1;
  if (!scalar(o, 13)) {
    const entry = sequence_of(o, 6, row, t, scalar(o, 9));
    count = row - <usize>load<u32>(entry + SEQUENCE_FIRST_ROW) + 1;
  }
  return window ? min(count, window) : count;
}

function attend_1(o: usize, u: i32, k: usize, v: usize, stride: usize, d_bytes: usize, p: usize): void {
  const at = cell(u, scalar(o, 8), scalar(o, 10));
  const count = key_count(o, u);
  const out = address(o, 3) + at * d_bytes;
  dots_1(address(o, 0) + at * d_bytes, k, stride, count, d_bytes, float(o, 16), p);
  const sum = softmax(p, count, address(o, 4) + (at << 2));
  memory.fill(out, 0, d_bytes);
  sums_1(p, v, stride, count, d_bytes, out);
  divide(out, d_bytes, sum);
}

/** Units u and u + 1, whose keys start at the same place. Keys that only one of them sees are added to it alone. */
function attend_2(o: usize, u: i32, k: usize, v: usize, stride: usize, d_bytes: usize, p0: usize, p1: usize): void {
  const at0 = cell(u, scalar(o, 8), scalar(o, 10));
  const at1 = cell(u + 1, scalar(o, 8), scalar(o, 10));
  const count0 = key_count(o, u);
  const count1 = key_count(o, u + 1);
  const q = address(o, 0);
  const out0 = address(o, 3) + at0 * d_bytes;
  const out1 = address(o, 3) + at1 * d_bytes;
  dots_2(q + at0 * d_bytes, q + at1 * d_bytes, k, stride, max(count0, count1), d_bytes, float(o, 16), p0, p1);
  const sum0 = softmax(p0, count0, address(o, 4) + (at0 << 2));
  const sum1 = softmax(p1, count1, address(o, 4) + (at1 << 2));
  memory.fill(out0, 0, d_bytes);
  memory.fill(out1, 0, d_bytes);
  const shared = min(count0, count1);
  sums_2(p0, p1, v, stride, shared, d_bytes, out0, out1);
  const rest = shared << 2;
  sums_1(p0 + rest, v + shared * stride, stride, count0 - shared, d_bytes, out0);
  sums_1(p1 + rest, v + shared * stride, stride, count1 - shared, d_bytes, out1);
  divide(out0, d_bytes, sum0);
  divide(out1, d_bytes, sum1);
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
