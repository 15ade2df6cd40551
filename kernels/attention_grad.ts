/**
 * Gradients of attention over the batch's own rows (Dao et al. 2022, arXiv:2205.14135, appendix B):
 * p = exp(scale·q·k − lse), ds = p·(dout·v − delta), delta = dout·out; dq = scale·Σ_keys ds·k,
 * dk = scale·Σ_queries ds·q, dv = Σ_queries p·dout.
 *
 * Two passes without atomics, dq by query rows and then dk, dv by key rows, with the tiles and orders of the forward
 * pass. With a window w a row sees the last w of its keys, and a key is seen by w rows.
 */
import { cell, check_heads, kv_head, quads } from "./attention_shape";
import { dot, dots_1, dots_2, sums_1, sums_2 } from "./attention_tiles";
import { exp_lanes } from "./exp";
import { check_units, extent } from "./extent";
import { ERROR_DIMENSION, ERROR_NONE, SEQUENCE_FIRST_ROW, SEQUENCE_ROWS } from "./layout";
import { address, fail, failed, float, has, has_scratch, scalar } from "./operands";
import { sequence_of } from "./sequences";

/**
 * dq, and delta (T,H) for the other pass, keys ascending; q, out, dout, dq (T,H·D), k, v (T,G·D), lse (T,H),
 * sequence u32[T], sequences (S). Scratch: scores and dout·v of two units, 4·⌈T⌉₄ floats.
 * Unit: (head, row), u = h·T + t.
 */
export function attention_grad_q(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const t = scalar(o, 10);
  const heads = scalar(o, 12);
  const kv_heads = scalar(o, 13);
  const d = scalar(o, 14);
  const code = check_units(o, begin, end, <u64>t * <u64>heads);
  if (code != ERROR_NONE) return code;
  const wrong = check_heads(o, 12);
  if (wrong != ERROR_NONE) return wrong;
  if (scalar(o, 15) < 0) return fail(o, ERROR_DIMENSION, 15, <u64>scalar(o, 15), 0);
  const rows = extent(t, heads, d);
  if (!has(o, 0, rows) || !has(o, 3, rows) || !has(o, 4, rows) || !has(o, 6, rows)) return failed();
  if (!has(o, 1, extent(t, kv_heads, d)) || !has(o, 2, extent(t, kv_heads, d))) return failed();
  if (!has(o, 5, extent(t, heads)) || !has(o, 7, extent(t, heads))) return failed();
  if (!has(o, 8, extent(t)) || !has(o, 9, extent(scalar(o, 11), 8)) || !has_scratch(o, 4 * <u64>quads(t))) return failed();

  let u = begin;
  while (u < end) {
    const entry = sequence_of(o, 8, <usize>(u % t), t, scalar(o, 11));
    if (!entry) return failed();
    const first = <usize>load<u32>(entry + SEQUENCE_FIRST_ROW);
    const next = u + 1 < end && (u + 1) % t ? sequence_of(o, 8, <usize>(u % t) + 1, t, scalar(o, 11)) : 0;
    if (next == entry) {
      grad_q_2(o, u, first, scratch);
      u += 2;
    } else {
      grad_q_1(o, u, first, scratch);
      u += 1;
    }
  }
  return ERROR_NONE;
}

/** First key that `row`, of a sequence that starts at `first`, sees. */
function window_start(o: usize, row: usize, first: usize): usize {
  const window = <usize>scalar(o, 15);
  return window && row - first >= window ? row - window + 1 : first;
}

/** Unit u, whose sequence starts at row `first`. */
function grad_q_1(o: usize, u: i32, first: usize, scratch: usize): void {
  const t = scalar(o, 10);
  const bytes = <usize>scalar(o, 14) << 2;
  const at = cell(u, t, scalar(o, 12));
  const start = window_start(o, <usize>(u % t), first);
  const count = <usize>(u % t) - start + 1;
  const stride = <usize>scalar(o, 13) * bytes;
  const keys = start * stride + <usize>kv_head(u / t, scalar(o, 12), scalar(o, 13)) * bytes;
  const products = scratch + quads(t);
  dots_1(address(o, 0) + at * bytes, address(o, 1) + keys, stride, count, bytes, float(o, 16), scratch);
  dots_1(address(o, 4) + at * bytes, address(o, 2) + keys, stride, count, bytes, 1, products);
  score_gradients(o, at, scratch, products, count);
  const dq = address(o, 6) + at * bytes;
  memory.fill(dq, 0, bytes);
  sums_1(products, address(o, 1) + keys, stride, count, bytes, dq);
  scale_row(dq, bytes, float(o, 16));
}

/**
 * Units u and u + 1, rows of one sequence and head: the second sees one key more, and not the first one's first where
 * the window has moved on. Both get products with the keys of either.
 */
function grad_q_2(o: usize, u: i32, first: usize, scratch: usize): void {
  const t = scalar(o, 10);
  const bytes = <usize>scalar(o, 14) << 2;
  const at0 = cell(u, t, scalar(o, 12));
  const at1 = cell(u + 1, t, scalar(o, 12));
  const row = <usize>(u % t);
  const start = window_start(o, row, first);
  const moved = window_start(o, row + 1, first) - start;
  const count = row - start + 1;
  const stride = <usize>scalar(o, 13) * bytes;
  const keys = start * stride + <usize>kv_head(u / t, scalar(o, 12), scalar(o, 13)) * bytes;
  const k = address(o, 1) + keys;
  const q = address(o, 0);
  const dout = address(o, 4);
  const scores1 = scratch + quads(t);
  const products0 = scores1 + quads(t);
  const products1 = products0 + quads(t);
  dots_2(q + at0 * bytes, q + at1 * bytes, k, stride, count + 1, bytes, float(o, 16), scratch, scores1);
  const v = address(o, 2) + keys;
  dots_2(dout + at0 * bytes, dout + at1 * bytes, v, stride, count + 1, bytes, 1, products0, products1);
  score_gradients(o, at0, scratch, products0, count);
  score_gradients(o, at1, scores1, products1, count + 1);
  const dq0 = address(o, 6) + at0 * bytes;
  const dq1 = address(o, 6) + at1 * bytes;
  memory.fill(dq0, 0, bytes);
  memory.fill(dq1, 0, bytes);
  sums_1(products0, k, stride, moved, bytes, dq0);
  const skip = moved << 2;
  sums_2(products0 + skip, products1 + skip, k + moved * stride, stride, count - moved, bytes, dq0, dq1);
  sums_1(products1 + (count << 2), k + count * stride, stride, 1, bytes, dq1);
  scale_row(dq0, bytes, float(o, 16));
  scale_row(dq1, bytes, float(o, 16));
}

/** Stores delta of the (row, head) `at`; products[j] becomes ds[j] = exp(scores[j] − lse)·(products[j] − delta). */
function score_gradients(o: usize, at: usize, scores: usize, products: usize, count: usize): void {
  const bytes = <usize>scalar(o, 14) << 2;
  const delta = dot(address(o, 4) + at * bytes, address(o, 3) + at * bytes, bytes);
  store<f32>(address(o, 7) + (at << 2), delta);
  const deltas = f32x4.splat(delta);
  const lse = v128.load32_splat(address(o, 5) + (at << 2));
  for (let i: usize = 0; i < count << 2; i += 16) {
    const p = exp_lanes(f32x4.sub(v128.load(scores + i), lse));
    v128.store(products + i, f32x4.mul(p, f32x4.sub(v128.load(products + i), deltas)));
  }
}

/**
 * dk, dv (T,G·D), heads of the group ascending and in each queries ascending; q, dout (T,H·D), k, v (T,G·D),
 * lse, delta (T,H), sequence u32[T], sequences (S). Scratch: p and ds of two units, lse and delta of one head,
 * 6·⌈T⌉₄ floats.
 * Unit: (kv head, row), u = g·T + t.
 */
export function attention_grad_kv(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const t = scalar(o, 10);
  const heads = scalar(o, 12);
  const kv_heads = scalar(o, 13);
  const d = scalar(o, 14);
  const code = check_units(o, begin, end, <u64>t * <u64>kv_heads);
  if (code != ERROR_NONE) return code;
  const wrong = check_heads(o, 12);
  if (wrong != ERROR_NONE) return wrong;
  if (scalar(o, 15) < 0) return fail(o, ERROR_DIMENSION, 15, <u64>scalar(o, 15), 0);
  const rows = extent(t, kv_heads, d);
  if (!has(o, 0, extent(t, heads, d)) || !has(o, 3, extent(t, heads, d))) return failed();
  if (!has(o, 1, rows) || !has(o, 2, rows) || !has(o, 6, rows) || !has(o, 7, rows)) return failed();
  if (!has(o, 4, extent(t, heads)) || !has(o, 5, extent(t, heads))) return failed();
  if (!has(o, 8, extent(t)) || !has(o, 9, extent(scalar(o, 11), 8)) || !has_scratch(o, 6 * <u64>quads(t))) return failed();

  let u = begin;
  while (u < end) {
    const row = u % t;
    const entry = sequence_of(o, 8, <usize>row, t, scalar(o, 11));
    if (!entry) return failed();
    const last = <i32>(load<u32>(entry + SEQUENCE_FIRST_ROW) + load<u32>(entry + SEQUENCE_ROWS));
    const next = u + 1 < end && row + 1 < t ? sequence_of(o, 8, <usize>row + 1, t, scalar(o, 11)) : 0;
    const keys = next == entry ? 2 : 1;
    const seen = <usize>(last - row);
    const window = <usize>scalar(o, 15);
    grad_kv(o, u, keys, window ? min(seen, window + <usize>keys - 1) : seen, scratch);
    u += keys;
  }
  return ERROR_NONE;
}

/** dk and dv of unit u, or of u and u + 1 (`keys` 2), from the `count` queries that see either, over all heads of the group. */
function grad_kv(o: usize, u: i32, keys: i32, count: usize, scratch: usize): void {
  const t = scalar(o, 10);
  const heads = scalar(o, 12);
  const kv_heads = scalar(o, 13);
  const bytes = <usize>scalar(o, 14) << 2;
  const at = cell(u, t, kv_heads) * bytes;
  const end = at + <usize>keys * <usize>kv_heads * bytes;
  for (let key = at; key < end; key += <usize>kv_heads * bytes) {
    memory.fill(address(o, 6) + key, 0, bytes);
    memory.fill(address(o, 7) + key, 0, bytes);
  }
  for (let head = 0; head < heads; head++) {
    if (kv_head(head, heads, kv_heads) != u / t) continue;
    if (keys == 2) grad_kv_2(o, at, u % t, head, count, scratch);
    else grad_kv_1(o, at, u % t, head, count, scratch);
  }
  for (let key = at; key < end; key += <usize>kv_heads * bytes) scale_row(address(o, 6) + key, bytes, float(o, 16));
}

/** Adds what `count` queries from `row` on, of one head, give to the key at byte `at` of k. */
function grad_kv_1(o: usize, at: usize, row: i32, head: i32, count: usize, scratch: usize): void {
  const bytes = <usize>scalar(o, 14) << 2;
  const stride = <usize>scalar(o, 12) * bytes;
  const queries = <usize>row * stride + <usize>head * bytes;
  const size = quads(scalar(o, 10));
  const products = scratch + size;
  const q = address(o, 0) + queries;
  const dout = address(o, 3) + queries;
  dots_1(address(o, 1) + at, q, stride, count, bytes, float(o, 16), scratch);
  dots_1(address(o, 2) + at, dout, stride, count, bytes, 1, products);
  gather_head(o, row, head, count, scratch + 4 * size, scratch + 5 * size);
  probabilities(scratch, products, scratch + 4 * size, scratch + 5 * size, count);
  sums_1(scratch, dout, stride, count, bytes, address(o, 7) + at);
  sums_1(products, q, stride, count, bytes, address(o, 6) + at);
}

/** `grad_kv_1` for keys `row` and `row` + 1: the first query sees only the first, the last of a window only the second. */
function grad_kv_2(o: usize, at: usize, row: i32, head: i32, count: usize, scratch: usize): void {
  const bytes = <usize>scalar(o, 14) << 2;
  const stride = <usize>scalar(o, 12) * bytes;
  const queries = <usize>row * stride + <usize>head * bytes;
  const size = quads(scalar(o, 10));
  const p1 = scratch + size;
  const ds0 = p1 + size;
  const ds1 = ds0 + size;
  const lse = ds1 + size;
  const delta = lse + size;
  const q = address(o, 0) + queries;
  const dout = address(o, 3) + queries;
  const k = address(o, 1) + at;
  const v = address(o, 2) + at;
  const key_stride = <usize>scalar(o, 13) * bytes;
  dots_2(k, k + key_stride, q, stride, count, bytes, float(o, 16), scratch, p1);
  dots_2(v, v + key_stride, dout, stride, count, bytes, 1, ds0, ds1);
  gather_head(o, row, head, count, lse, delta);
  probabilities(scratch, ds0, lse, delta, count);
  probabilities(p1, ds1, lse, delta, count);
  const dk = address(o, 6) + at;
  const dv = address(o, 7) + at;
  const window = <usize>scalar(o, 15);
  const last = window && count > window ? window : count; // the queries before it see the first key
  sums_1(scratch, dout, stride, 1, bytes, dv);
  sums_2(scratch + 4, p1 + 4, dout + stride, stride, last - 1, bytes, dv, dv + key_stride);
  sums_1(p1 + (last << 2), dout + last * stride, stride, count - last, bytes, dv + key_stride);
  sums_1(ds0, q, stride, 1, bytes, dk);
  sums_2(ds0 + 4, ds1 + 4, q + stride, stride, last - 1, bytes, dk, dk + key_stride);
  sums_1(ds1 + (last << 2), q + last * stride, stride, count - last, bytes, dk + key_stride);
}

/** Columns of lse and delta of one head, from `row` on. */
function gather_head(o: usize, row: i32, head: i32, count: usize, lse: usize, delta: usize): void {
  const heads = <usize>scalar(o, 12);
  let from = (<usize>row * heads + <usize>head) << 2;
  for (let i: usize = 0; i < count << 2; i += 4) {
    store<f32>(lse + i, load<f32>(address(o, 4) + from));
    store<f32>(delta + i, load<f32>(address(o, 5) + from));
    from += heads << 2;
  }
}

/** scores become p = exp(score − lse), products become ds = p·(product − delta); element i belongs to query i. */
function probabilities(scores: usize, products: usize, lse: usize, delta: usize, count: usize): void {
  for (let i: usize = 0; i < count << 2; i += 16) {
    const p = exp_lanes(f32x4.sub(v128.load(scores + i), v128.load(lse + i)));
    v128.store(scores + i, p);
    v128.store(products + i, f32x4.mul(p, f32x4.sub(v128.load(products + i), v128.load(delta + i))));
  }
}

function scale_row(y: usize, bytes: usize, factor: f32): void {
  const f = f32x4.splat(factor);
  for (let i: usize = 0; i < bytes; i += 16) v128.store(y + i, f32x4.mul(v128.load(y + i), f));
}
