/** What a kernel sees of its operands, and how it reports what is wrong with them. */
import { AT_ERROR, AT_SCRATCH_BYTES, ERROR_NONE, ERROR_OPERAND_BYTES, ERROR_SCRATCH } from "./layout";

/** Address of memory operand `i` of the resolved table at `o`. */
// @ts-ignore: decorator
@inline
export function address(o: usize, i: usize): usize {
  return <usize>load<u32>(o + (i << 4));
}

// @ts-ignore: decorator
@inline
export function scalar(o: usize, i: usize): i32 {
  return load<i32>(o + (i << 4));
}

// @ts-ignore: decorator
@inline
export function float(o: usize, i: usize): f32 {
  return load<f32>(o + (i << 4));
}

/** Whether memory operand `i` has at least `bytes` bytes; writes the error record where it has not. */
export function has(o: usize, i: usize, bytes: u64): bool {
  const extent = <u64>load<u32>(o + (i << 4), 4);
  if (bytes <= extent) return true;
  fail(o, ERROR_OPERAND_BYTES, <i32>i, bytes, extent);
  return false;
}

/** Whether this thread's scratch has at least `bytes` bytes; writes the error record where it has not. */
export function has_scratch(o: usize, bytes: u64): bool {
  const extent = <u64>load<u32>(AT_SCRATCH_BYTES);
  if (bytes <= extent) return true;
  fail(o, ERROR_SCRATCH, -1, bytes, extent);
  return false;
}

/**
 * Writes code, operand, value and limit into the error record and returns the code. The first failure stays. `o`, the
 * operand table of the thread (0 outside a kernel), stands in the plan's word until the executor puts plan and
 * instruction there: so it knows whether the record is this thread's.
 */
export function fail(o: usize, code: i32, operand: i32, value: u64, limit: u64): i32 {
  if (ASC_FEATURE_THREADS) {
    if (atomic.cmpxchg<i32>(AT_ERROR, ERROR_NONE, code) != ERROR_NONE) return code;
  } else {
    if (load<i32>(AT_ERROR) != ERROR_NONE) return code;
    store<i32>(AT_ERROR, code);
  }
  store<u32>(AT_ERROR + 4, <u32>o);
  store<i32>(AT_ERROR + 12, operand);
  store<u64>(AT_ERROR + 16, value);
  store<u64>(AT_ERROR + 24, limit);
  return code;
}

/** Makes room for a new failure; at the start of everything that a host calls. */
export function clear_error(): void {
  memory.fill(AT_ERROR, 0, 32);
}

/** The code that `has` has just written. */
export function failed(): i32 {
  return load<i32>(AT_ERROR) == ERROR_NONE ? ERROR_OPERAND_BYTES : load<i32>(AT_ERROR);
}
