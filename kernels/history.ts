/** The tokens of every cache, by position: what a repetition penalty looks back on. */
import {
  ERROR_INDEX,
  ERROR_NONE,
  ERROR_POSITION,
  ERROR_SEQUENCE,
  SEQUENCE_CACHE,
  SEQUENCE_FIRST_KEY,
  SEQUENCE_FIRST_ROW,
} from "./layout";
import { check_units, extent } from "./extent";
import { address, fail, failed, has, scalar } from "./operands";
import { sequence_of } from "./sequences";

/**
 * history[cache of the row's sequence][position[t]] = token[t]
 * token u32[T], history u32 (caches, context), position u32[T], sequence u32[T], sequences (S). Unit: a row.
 */
export function history_write(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const t = scalar(o, 5);
  const s = scalar(o, 6);
  const context = scalar(o, 7);
  const caches = scalar(o, 8);
  const code = check_units(o, begin, end, <u64>t);
  if (code != ERROR_NONE) return code;
  if (!has(o, 0, extent(t)) || !has(o, 1, extent(caches, context)) || !has(o, 2, extent(t))) return failed();
  if (!has(o, 3, extent(t)) || !has(o, 4, extent(s, 8))) return failed();
  for (let row = <usize>begin; row < <usize>end; row++) {
    const entry = sequence_of(o, 3, row, t, s);
    if (!entry) return failed();
    const cache = load<u32>(entry + SEQUENCE_CACHE);
    if (cache >= <u32>caches) return fail(o, ERROR_SEQUENCE, 4, cache, <u64>caches);
    const position = load<u32>(address(o, 2) + (row << 2));
    if (position >= <u32>context) return fail(o, ERROR_POSITION, 2, position, <u64>context);
    const at = <usize>cache * <usize>context + <usize>position;
    store<u32>(address(o, 1) + (at << 2), load<u32>(address(o, 0) + (row << 2)));
  }
  return ERROR_NONE;
}

/**
 * The tokens that the sequence of row output_row[output] holds up to that row, in a history as above: their address in
 * `found`, their number as the result, or −1 with the error record written.
 * Operands: output_row u32[O] (i), sequence u32[T] (i + 1), sequences (i + 2), history (i + 3).
 */
export function history_of(
  o: usize, i: usize, output: usize, t: i32, s: i32, context: i32, caches: i32, found: usize,
): i32 {
  const row = load<u32>(address(o, i) + (output << 2));
  if (row >= <u32>t) {
    fail(o, ERROR_INDEX, <i32>i, row, <u64>t);
    return -1;
  }
  const entry = sequence_of(o, i + 1, <usize>row, t, s);
  if (!entry) return -1;
  const cache = load<u32>(entry + SEQUENCE_CACHE);
  if (cache >= <u32>caches) {
    fail(o, ERROR_SEQUENCE, <i32>i + 2, cache, <u64>caches);
    return -1;
  }
  const count = <u64>load<u32>(entry + SEQUENCE_FIRST_KEY) + <u64>(row - load<u32>(entry + SEQUENCE_FIRST_ROW)) + 1;
  if (count > <u64>context) {
    fail(o, ERROR_POSITION, <i32>i + 2, count, <u64>context);
    return -1;
  }
  store<u32>(found, <u32>(address(o, i + 3) + ((<usize>cache * <usize>context) << 2)));
  return <i32>count;
}
