/**
 * The executor. Every thread walks the same plan; an instruction's units are cut into one contiguous share a thread, a
 * share into slices of bounded cost, and between slices a run can stop. How threads meet is in threads.ts.
 */
import {
  AT_ABORT,
  AT_BUDGET,
  AT_COMMAND,
  AT_COUNTERS,
  AT_CURSOR,
  AT_ERROR,
  AT_LAST,
  AT_OPEN,
  AT_OPERANDS,
  AT_SCRATCH_BYTES,
  AT_SLOTS,
  ERROR_BAD_PLAN,
  ERROR_CONTROL,
  ERROR_CURSOR,
  ERROR_NONE,
  FLAG_BARRIER,
  INSTRUCTION_HEADER_WORDS,
  KIND_FLOAT,
  KIND_MEMORY,
  MEMORY_OPERAND_WORDS,
  OPERANDS_MAX,
  PLAN_HEADER_WORDS,
  REGION_PLANS,
  REGION_SCRATCH,
  SCALAR_OPERAND_WORDS,
  STATUS_ABORTED,
  STATUS_DONE,
  STATUS_FAILED,
  STATUS_PAUSED,
} from "./layout";
import { check_control, check_plans, check_slots, next_plan, region_offset, threads_given, word } from "./check";
import { write_constants } from "./constants";
import { dispatch } from "./dispatch";
import { clear_error, fail } from "./operands";
import {
  await_command,
  await_helpers,
  barrier,
  clear_barrier,
  helper_done,
  leave,
  send_command,
  stop,
  stopped,
} from "./threads";

/** Most cost of a slice: a few milliseconds of one slow core, so that an abort is honoured long before 100 ms. */
const QUANTUM: u64 = 1 << 22;
const NO_LIMIT: u64 = u64.MAX_VALUE;

/**
 * Checks control block and plans, writes the constant page, clears cursor and counters. Returns an error code. Thread 0
 * only.
 */
export function open(): i32 {
  clear_error();
  store<u32>(AT_OPEN, 0);
  clear_barrier(); // a trap leaves it half-way; no helper is at work
  const bad_control = check_control();
  if (bad_control) return bad_control;
  const bad_plan = check_plans();
  if (bad_plan) return bad_plan;
  write_constants();
  memory.fill(AT_CURSOR, 0, 16);
  store<u64>(AT_BUDGET, NO_LIMIT);
  store<u32>(AT_ABORT, 0);
  memory.fill(AT_COUNTERS, 0, AT_OPERANDS - AT_COUNTERS);
  store<u32>(AT_OPEN, 1);
  return ERROR_NONE;
}

/**
 * Runs instructions [first, last) of a plan as thread `thread` of `threads`, and returns a STATUS. With several threads
 * every one calls this with the same range (the error record cleared before by whoever sends them), and the next run
 * begins when all have returned.
 */
export function run(plan: u32, first: u32, last: u32, thread: u32, threads: u32): i32 {
  if (threads == 1) clear_error();
  if (check_run(plan, first, last, thread, threads)) {
    if (threads > 1 && thread < threads && threads <= threads_given()) {
      stop(STATUS_FAILED);
      leave(threads); // the others may not have been refused, and would wait for this one
    }
    return failed_at(plan, 0, 0);
  }
  return execute(plan, offset_of(plan, first), 0, offset_of(plan, last), thread, threads);
}

/** Goes on from the cursor after STATUS_PAUSED, on one thread. */
export function run_on(): i32 {
  clear_error();
  const plan = load<u32>(AT_CURSOR);
  const end = load<u32>(AT_LAST);
  if (load<u32>(AT_CURSOR, 12) != STATUS_PAUSED) {
    fail(0, ERROR_CURSOR, -1, load<u32>(AT_CURSOR, 12), STATUS_PAUSED);
    return failed_at(plan, 0, 0);
  }
  const offset = load<u32>(AT_CURSOR, 4);
  if (check_run(plan, 0, 0, 0, 1)) return failed_at(plan, 0, 0);
  if (!starts_instruction(plan, offset) || !starts_instruction(plan, end)) {
    fail(0, ERROR_CURSOR, -1, offset, end);
    return failed_at(plan, offset, 0);
  }
  return execute(plan, offset, load<u32>(AT_CURSOR, 8), end, 0, 1);
}

/** Runs [first, last) on all threads that the host has given; thread 0 only. */
export function start(plan: u32, first: u32, last: u32): i32 {
  const threads = threads_given();
  if (threads == 1) return run(plan, first, last, 0, 1);
  if (!ASC_FEATURE_THREADS) return STATUS_FAILED;
  clear_error();
  send_command(plan, first, last, threads);
  const status = run(plan, first, last, 0, threads);
  await_helpers();
  return status;
}

/**
 * The life of a helper thread: takes part in every `start` after the one numbered `seen` (0 at first). Returns when the
 * host has sent a command to 0 threads.
 */
export function help(thread: u32, seen: u32): void {
  while (ASC_FEATURE_THREADS) {
    seen = await_command(seen);
    const threads = load<u32>(AT_COMMAND, 16);
    if (threads == 0) return;
    if (thread >= threads) continue;
    run(load<u32>(AT_COMMAND, 4), load<u32>(AT_COMMAND, 8), load<u32>(AT_COMMAND, 12), thread, threads);
    helper_done();
  }
}

/** Slots, threads, and that this is a plan which `open` has checked. */
function check_run(plan: u32, first: u32, last: u32, thread: u32, threads: u32): i32 {
  if (load<u32>(AT_OPEN) == 0) return fail(0, ERROR_CONTROL, -1, 0, 1);
  const given = threads_given();
  if (threads == 0 || threads > given || thread >= threads) return fail(0, ERROR_CONTROL, -1, threads, given);
  let known = next_plan(region_offset(REGION_PLANS));
  while (known && known < plan) known = next_plan(known + (word(known, 1) << 2));
  if (known == 0 || known != plan) return fail(0, ERROR_BAD_PLAN, -1, plan, known);
  if (first > last || last > word(plan, 2)) return fail(0, ERROR_BAD_PLAN, -1, first > last ? first : last, word(plan, 2));
  return check_slots();
}

/** Offset of instruction `index` in its plan, in bytes. */
function offset_of(plan: u32, index: u32): u32 {
  let offset: u32 = PLAN_HEADER_WORDS << 2;
  for (; index; index--) offset += (load<u32>(plan + offset) >> 16) << 2;
  return offset;
}

/** Whether an instruction starts at this offset, or the plan ends there. */
function starts_instruction(plan: u32, offset: u32): bool {
  let at: u32 = PLAN_HEADER_WORDS << 2;
  const end = word(plan, 1) << 2;
  while (at < offset && at < end) at += (load<u32>(plan + at) >> 16) << 2;
  return at == offset;
}

function execute(plan: u32, offset: u32, unit: u32, end: u32, thread: u32, threads: u32): i32 {
  if (thread == 0) store<u32>(AT_LAST, end);
  let status: i32 = STATUS_DONE;
  let barriers: u32 = 0;
  while (status == STATUS_DONE && offset < end) {
    const at = plan + offset;
    if (thread == 0) set_cursor(plan, offset, unit, STATUS_DONE);
    if (threads > 1 && word(at, 2) & FLAG_BARRIER) status = barrier(barriers++, threads);
    if (status == STATUS_DONE) status = execute_instruction(plan, offset, unit, thread, threads);
    unit = 0;
    if (status == STATUS_DONE) offset += (word(at, 0) >> 16) << 2;
  }
  if (threads > 1) {
    if (status == STATUS_DONE) status = barrier(barriers, threads); // the host is to see what the others have written
    leave(threads);
  }
  if (thread == 0) {
    if (status == STATUS_DONE) set_cursor(plan, end, 0, STATUS_DONE);
    else store<i32>(AT_CURSOR, status, 12);
  }
  return status;
}

function set_cursor(plan: u32, offset: u32, unit: u32, status: i32): void {
  store<u32>(AT_CURSOR, plan);
  store<u32>(AT_CURSOR, offset, 4);
  store<u32>(AT_CURSOR, unit, 8);
  store<i32>(AT_CURSOR, status, 12);
}

/** This thread's share of units [unit, units), slice by slice. */
function execute_instruction(plan: u32, offset: u32, unit: u32, thread: u32, threads: u32): i32 {
  const at = plan + offset;
  const operands: usize = <usize>AT_OPERANDS + <usize>thread * (OPERANDS_MAX << 4);
  resolve(at, operands);
  const opcode = word(at, 0) & 0xffff;
  const units = word(at, 4) + word(at, 6) * slot_value(word(at, 5));
  const cost = max<u64>(1, word(at, 3));
  const todo = unit < units ? <u64>(units - unit) : 0;
  const last = unit + <u32>((todo * (thread + 1)) / threads);
  const slice = <u32>min<u64>(max<u64>(1, QUANTUM / cost), i32.MAX_VALUE);
  const scratch: usize = <usize>region_offset(REGION_SCRATCH) + <usize>(thread * load<u32>(AT_SCRATCH_BYTES));
  for (let begin = unit + <u32>((todo * thread) / threads); begin < last; ) {
    const end = begin + min(slice, last - begin);
    const status = may_go_on(threads, <u64>(end - begin) * cost);
    if (status) {
      if (thread == 0) store<u32>(AT_CURSOR, begin, 8);
      return status;
    }
    if (dispatch(opcode, operands, begin, end, scratch)) {
      if (threads > 1) stop(STATUS_FAILED);
      return failed_at(plan, offset, operands);
    }
    begin = end;
  }
  if (thread == 0) count(opcode, units, units * cost);
  return STATUS_DONE;
}

/** Addresses and values of an instruction's operands at this run's slots, into the table that its kernel reads. */
function resolve(at: u32, table: usize): void {
  let operand = at + (INSTRUCTION_HEADER_WORDS << 2);
  for (let i = word(at, 1); i; i--) {
    const kind = word(operand, 0) & 0xff;
    if (kind == KIND_MEMORY) {
      const base = region_offset(word(operand, 0) >> 16) + word(operand, 1);
      store<u32>(table, base + word(operand, 2) * slot_value(word(operand, 3)));
      store<u32>(table, word(operand, 4) + word(operand, 6) * slot_value(word(operand, 5)), 4);
      operand += MEMORY_OPERAND_WORDS << 2;
    } else {
      const slot = word(operand, 2);
      const is_slot = kind == KIND_FLOAT && slot != 0;
      store<u32>(table, is_slot ? slot_value(slot) : word(operand, 1) + word(operand, 3) * slot_value(slot));
      operand += SCALAR_OPERAND_WORDS << 2;
    }
    table += 16;
  }
}

// @ts-ignore: decorator
@inline
function slot_value(slot: u32): u32 {
  return word(AT_SLOTS, slot);
}

/**
 * Whether the next slice may run: no abort, no failure elsewhere, budget left. A budget binds single-threaded runs
 * only.
 */
function may_go_on(threads: u32, cost: u64): i32 {
  if (threads > 1) return stopped();
  if (load<u32>(AT_ABORT)) return STATUS_ABORTED;
  const budget = load<u64>(AT_BUDGET);
  if (budget == NO_LIMIT) return STATUS_DONE;
  if (budget == 0) return STATUS_PAUSED;
  store<u64>(AT_BUDGET, budget - min(budget, cost));
  return STATUS_DONE;
}

/** Completes the error record with plan and instruction, unless it is another thread's: `o` is what `fail` was given. */
function failed_at(plan: u32, offset: u32, o: usize): i32 {
  if (load<u32>(AT_ERROR, 4) == <u32>o) {
    store<u32>(AT_ERROR, plan, 4);
    store<u32>(AT_ERROR, offset, 8);
  }
  return STATUS_FAILED;
}

function count(opcode: u32, units: u32, cost: u64): void {
  const counter: usize = <usize>AT_COUNTERS + (<usize>opcode << 5);
  store<u64>(counter, load<u64>(counter) + 1);
  store<u64>(counter, load<u64>(counter, 8) + units, 8);
  store<u64>(counter, load<u64>(counter, 16) + cost, 16);
}
