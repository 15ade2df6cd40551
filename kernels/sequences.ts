/** Reads the table that says which rows of the batch belong together. */
import { ERROR_SEQUENCE, SEQUENCE_BYTES, SEQUENCE_FIRST_ROW, SEQUENCE_ROWS } from "./layout";
import { address, fail } from "./operands";

/**
 * Address of the entry of `row`, from `sequence` u32[T] (operand `i`) and `sequences` (operand i + 1); 0, with the
 * error record written, where there is no such entry, or where the entry does not hold the row, or not within T rows.
 */
export function sequence_of(o: usize, i: usize, row: usize, t: i32, s: i32): usize {
  const index = load<u32>(address(o, i) + (row << 2));
  if (index >= <u32>s) {
    fail(o, ERROR_SEQUENCE, <i32>i, index, <u64>s);
    return 0;
  }
  const entry = address(o, i + 1) + <usize>index * SEQUENCE_BYTES;
  const first = <u64>load<u32>(entry + SEQUENCE_FIRST_ROW);
  const end = first + <u64>load<u32>(entry + SEQUENCE_ROWS);
  if (<u64>row < first || <u64>row >= end || end > <u64>t) {
    fail(o, ERROR_SEQUENCE, <i32>i + 1, <u64>row < first ? first : end, <u64>row < first ? <u64>row : <u64>t);
    return 0;
  }
  return entry;
}
