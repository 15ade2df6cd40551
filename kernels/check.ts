/**
 * Everything that can be known before a plan runs, in 64 bits and at the maxima of the slots: after `check` no operand
 * can leave its region, no write can reach memory that plans may not write, and no kernel can get operands that are not
 * its own.
 */
import {
  ACCESS_READ,
  ACCESS_WRITE,
  AT_COMMAND,
  AT_ERROR,
  AT_MAGIC,
  AT_REGIONS,
  AT_SCRATCH_BYTES,
  AT_SLOT_LIMITS,
  AT_SLOTS,
  AT_VERSION,
  CONSTANT_PAGE_BYTES,
  CONTROL_BYTES,
  CONTROL_MAGIC,
  CONTROL_VERSION,
  ERROR_BAD_PLAN,
  ERROR_CONTROL,
  ERROR_DIMENSION,
  ERROR_NONE,
  ERROR_PERMISSION,
  ERROR_REGION,
  ERROR_SCRATCH,
  ERROR_SLOT_LIMIT,
  FLAG_BARRIER,
  INSTRUCTION_HEADER_WORDS,
  KIND_FLOAT,
  KIND_MEMORY,
  KIND_SCALAR,
  MEMORY_OPERAND_WORDS,
  OPERANDS_MAX,
  PLAN_HEADER_WORDS,
  PLAN_MAGIC,
  REGION_ARENA,
  REGION_CONSTANT_PAGE,
  REGION_CONTROL,
  REGION_IO,
  REGION_PLANS,
  REGION_SCRATCH,
  REGION_STATE,
  SCALAR_OPERAND_WORDS,
  SLOTS,
  THREADS_MAX,
} from "./layout";
import { fail } from "./operands";
import { float_operands, is_index, memory_operands, scalar_operands, signature, writes_operand } from "./signatures";

const READ_WRITE: u32 = ACCESS_READ | ACCESS_WRITE;
/** 4 GiB − 64 KiB: no end of a region wraps. */
const MEMORY_MAX: u64 = 0xffff0000;

// @ts-ignore: decorator
@inline
export function word(at: usize, i: u32): u32 {
  return load<u32>(at + (<usize>i << 2));
}

// @ts-ignore: decorator
@inline
export function region_offset(region: u32): u32 {
  return load<u32>(<usize>AT_REGIONS + (<usize>region << 3));
}

// @ts-ignore: decorator
@inline
export function region_bytes(region: u32): u32 {
  return load<u32>(<usize>AT_REGIONS + (<usize>region << 3), 4);
}

/** Threads that the host has given. */
export function threads_given(): u32 {
  return max<u32>(1, load<u32>(AT_COMMAND, 16));
}

/** Magic, version, threads, and regions that lie in memory in the order of their numbers without overlap. */
export function check_control(): i32 {
  if (load<u32>(AT_MAGIC) != CONTROL_MAGIC) return fail(0, ERROR_CONTROL, -1, load<u32>(AT_MAGIC), CONTROL_MAGIC);
  if (load<u32>(AT_VERSION) != CONTROL_VERSION) return fail(0, ERROR_CONTROL, -1, load<u32>(AT_VERSION), CONTROL_VERSION);
  if (region_bytes(REGION_CONTROL) < <u32>CONTROL_BYTES || region_offset(REGION_CONSTANT_PAGE) != CONTROL_BYTES) {
    return fail(0, ERROR_CONTROL, REGION_CONSTANT_PAGE, region_offset(REGION_CONSTANT_PAGE), CONTROL_BYTES);
  }
  if (region_bytes(REGION_CONSTANT_PAGE) < <u32>CONSTANT_PAGE_BYTES) {
    return fail(0, ERROR_CONTROL, REGION_CONSTANT_PAGE, region_bytes(REGION_CONSTANT_PAGE), CONSTANT_PAGE_BYTES);
  }
  let end: u64 = 0;
  for (let region: u32 = 0; region <= <u32>REGION_SCRATCH; region++) {
    if (<u64>region_offset(region) < end) return fail(0, ERROR_CONTROL, region, region_offset(region), end);
    end = <u64>region_offset(region) + region_bytes(region);
  }
  const bytes = min<u64>(<u64>memory.size() << 16, MEMORY_MAX);
  if (end > bytes) return fail(0, ERROR_CONTROL, REGION_SCRATCH, end, bytes);
  const threads = threads_given();
  const threads_max: u32 = ASC_FEATURE_THREADS ? THREADS_MAX : 1;
  if (threads > threads_max) return fail(0, ERROR_CONTROL, -1, threads, threads_max);
  const scratch = <u64>threads * load<u32>(AT_SCRATCH_BYTES);
  if (scratch > region_bytes(REGION_SCRATCH)) return fail(0, ERROR_SCRATCH, -1, scratch, region_bytes(REGION_SCRATCH));
  return ERROR_NONE;
}

/** The slots of this run are within the maxima that memory was planned for. */
export function check_slots(): i32 {
  for (let i: u32 = 0; i < <u32>SLOTS; i++) {
    const limit = <u32>most(i);
    if (word(AT_SLOTS, i) > limit) return fail(0, ERROR_SLOT_LIMIT, i, word(AT_SLOTS, i), limit);
  }
  return ERROR_NONE;
}

/** Address of the plan that stands at or after `at`; 0 at the end of the plans region. */
export function next_plan(at: u32): u32 {
  const end = region_offset(REGION_PLANS) + region_bytes(REGION_PLANS);
  while (at + 4 <= end && load<u32>(at) == 0) at += 4;
  return at + 4 <= end ? at : 0;
}

/** Checks every plan of the plans region. */
export function check_plans(): i32 {
  if (region_offset(REGION_PLANS) & 3) return fail(0, ERROR_CONTROL, REGION_PLANS, region_offset(REGION_PLANS), 4);
  for (let plan = next_plan(region_offset(REGION_PLANS)); plan; plan = next_plan(plan + (word(plan, 1) << 2))) {
    const code = check(plan);
    if (code) return code;
  }
  return ERROR_NONE;
}

/** Checks the plan at this address and returns an error code; the error record says where and why. */
export function check(plan: u32): i32 {
  const code = check_instructions(plan);
  if (code) store<u32>(AT_ERROR, plan, 4);
  return code;
}

function check_instructions(plan: u32): i32 {
  const start = region_offset(REGION_PLANS);
  const end = start + region_bytes(REGION_PLANS);
  if (plan & 3 || plan < start || plan > end || end - plan < <u32>PLAN_HEADER_WORDS << 2) {
    return fail(0, ERROR_BAD_PLAN, -1, plan, end);
  }
  const words = word(plan, 1);
  if (word(plan, 0) != PLAN_MAGIC) return fail(0, ERROR_BAD_PLAN, -1, word(plan, 0), PLAN_MAGIC);
  const space = (end - plan) >> 2;
  if (words < <u32>PLAN_HEADER_WORDS || words > space) return fail(0, ERROR_BAD_PLAN, -1, words, space);
  if (word(plan, 3) > load<u32>(AT_SCRATCH_BYTES)) {
    return fail(0, ERROR_SCRATCH, -1, word(plan, 3), load<u32>(AT_SCRATCH_BYTES));
  }
  let at: u32 = PLAN_HEADER_WORDS;
  for (let instruction = word(plan, 2); instruction; instruction--) {
    const here = plan + (at << 2);
    const code = check_instruction(here, words - at);
    if (code) {
      store<u32>(AT_ERROR, at << 2, 8);
      return code;
    }
    at += word(here, 0) >> 16;
  }
  return at == words ? ERROR_NONE : fail(0, ERROR_BAD_PLAN, -1, at, words);
}

/**
 * One instruction of at most `left` words: lengths, opcode, and that its operands are those of the opcode's signature.
 */
function check_instruction(at: u32, left: u32): i32 {
  if (left < <u32>INSTRUCTION_HEADER_WORDS) return fail(0, ERROR_BAD_PLAN, -1, left, INSTRUCTION_HEADER_WORDS);
  const words = word(at, 0) >> 16;
  if (words < <u32>INSTRUCTION_HEADER_WORDS || words > left) return fail(0, ERROR_BAD_PLAN, -1, words, left);
  const opcode = word(at, 0) & 0xffff;
  const takes = signature(opcode);
  if (takes == 0) return fail(0, ERROR_BAD_PLAN, -1, opcode, 0);
  const count = memory_operands(takes) + scalar_operands(takes) + float_operands(takes);
  if (word(at, 1) != count || count > <u32>OPERANDS_MAX) return fail(0, ERROR_BAD_PLAN, -1, word(at, 1), count);
  if (word(at, 2) & ~FLAG_BARRIER) return fail(0, ERROR_BAD_PLAN, -1, word(at, 2), FLAG_BARRIER);
  const code = check_value(-1, word(at, 4), word(at, 5), word(at, 6), i32.MAX_VALUE);
  if (code) return code;
  let length: u32 = INSTRUCTION_HEADER_WORDS;
  for (let i: u32 = 0; i < count; i++) {
    const expected: u32 =
      i < memory_operands(takes) ? KIND_MEMORY : i < count - float_operands(takes) ? KIND_SCALAR : KIND_FLOAT;
    const size: u32 = expected == KIND_MEMORY ? MEMORY_OPERAND_WORDS : SCALAR_OPERAND_WORDS;
    if (length + size > words) return fail(0, ERROR_BAD_PLAN, i, length + size, words);
    const code = check_operand(at + (length << 2), i, expected, takes);
    if (code) return code;
    length += size;
  }
  if (length != words) return fail(0, ERROR_BAD_PLAN, -1, length, words);
  return check_overlap(at, takes);
}

function check_operand(operand: u32, i: u32, expected: u32, takes: u32): i32 {
  const kind = word(operand, 0) & 0xff;
  if (kind != expected) return fail(0, ERROR_BAD_PLAN, i, kind, expected);
  if (kind == KIND_MEMORY) return check_memory(operand, i, takes);
  if (word(operand, 0) >> 8) return fail(0, ERROR_BAD_PLAN, i, word(operand, 0), kind);
  if (kind == KIND_FLOAT) {
    return word(operand, 2) < <u32>SLOTS ? ERROR_NONE : fail(0, ERROR_BAD_PLAN, i, word(operand, 2), SLOTS);
  }
  return check_value(i, word(operand, 1), word(operand, 2), word(operand, 3), u32.MAX_VALUE);
}

/** a + b·slot is at most `limit` at the slot's maximum. A constant may be any word (a negative stride is one). */
function check_value(i: u32, a: u32, slot: u32, b: u32, limit: u64): i32 {
  if (slot >= <u32>SLOTS) return fail(0, ERROR_BAD_PLAN, i, slot, SLOTS);
  const change = <u64>b * most(slot);
  if (change > limit || <u64>a + change > limit) return fail(0, ERROR_DIMENSION, i, change, limit);
  return ERROR_NONE;
}

/** The maximum of a slot. */
// @ts-ignore: decorator
@inline
function most(slot: u32): u64 {
  return slot == 0 ? 0 : word(AT_SLOT_LIMITS, slot);
}

/**
 * A memory operand stays in its region at the maxima of its slots, and its instruction may do with it what its kernel
 * does.
 */
function check_memory(operand: u32, i: u32, takes: u32): i32 {
  const access = (word(operand, 0) >> 8) & 0xff;
  const region = word(operand, 0) >> 16;
  if (region > <u32>REGION_SCRATCH) return fail(0, ERROR_REGION, i, region, REGION_SCRATCH);
  if (access == 0 || access > READ_WRITE) return fail(0, ERROR_PERMISSION, i, access, READ_WRITE);
  if (writes_operand(takes, i) && !(access & ACCESS_WRITE)) return fail(0, ERROR_PERMISSION, i, access, ACCESS_WRITE);
  if (access & ACCESS_WRITE && !is_writable(region)) return fail(0, ERROR_PERMISSION, i, region, REGION_IO);
  const slot = max(word(operand, 3), word(operand, 5));
  if (slot >= <u32>SLOTS) return fail(0, ERROR_BAD_PLAN, i, slot, SLOTS);
  if (word(operand, 7)) return fail(0, ERROR_BAD_PLAN, i, word(operand, 7), 0);
  const limit = <u64>region_bytes(region);
  const shift = <u64>word(operand, 2) * most(word(operand, 3));
  const growth = <u64>word(operand, 6) * most(word(operand, 5));
  // each product alone may be near 2^64: compare before adding
  if (shift > limit) return fail(0, ERROR_REGION, i, shift, limit);
  if (growth > limit) return fail(0, ERROR_REGION, i, growth, limit);
  const end = word(operand, 1) + shift + word(operand, 4) + growth;
  return end > limit ? fail(0, ERROR_REGION, i, end, limit) : ERROR_NONE;
}

function is_writable(region: u32): bool {
  return region == REGION_IO || region == REGION_STATE || region == REGION_ARENA || region == REGION_SCRATCH;
}

/** Nothing that a kernel writes may overlap data that becomes an address: it would be used after it was checked. */
function check_overlap(at: u32, takes: u32): i32 {
  const count = memory_operands(takes);
  const first = at + (INSTRUCTION_HEADER_WORDS << 2);
  for (let i: u32 = 0; i < count; i++) {
    if (!is_index(takes, i)) continue;
    const index = first + i * (MEMORY_OPERAND_WORDS << 2);
    for (let j: u32 = 0; j < count; j++) {
      const written = first + j * (MEMORY_OPERAND_WORDS << 2);
      if (!writes_operand(takes, j) || !overlap(index, written)) continue;
      return fail(0, ERROR_PERMISSION, j, word(written, 1), word(index, 1));
    }
  }
  return ERROR_NONE;
}

/** Whether two memory operands that have passed `check_memory` can share a byte. */
function overlap(a: u32, b: u32): bool {
  if (word(a, 0) >> 16 != word(b, 0) >> 16) return false;
  return <u64>word(a, 1) < reach(b) && <u64>word(b, 1) < reach(a);
}

/** Where an operand ends at the maxima of its slots. */
function reach(operand: u32): u64 {
  const shift = <u64>word(operand, 2) * most(word(operand, 3));
  return word(operand, 1) + shift + word(operand, 4) + <u64>word(operand, 6) * most(word(operand, 5));
}
