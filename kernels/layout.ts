/**
 * Where things stand in linear memory and how a plan is written: numbers shared by the executor (compiled by asc) and
 * the host (compiled by tsc). All words are 32 bits, little-endian; all offsets are in bytes. Append only.
 */

// ── Control block, at address 0 ─────────────────────────────────────────────────────────────────────────────────────
export const CONTROL_MAGIC = 0x57474445; // "EDGW"
export const CONTROL_VERSION = 1;
export const CONTROL_BYTES = 16384;

export const AT_MAGIC = 0;
export const AT_VERSION = 4;
/** Error record, 32 bytes: code, plan, offset of the instruction in the plan, operand, value (u64), limit (u64). */
export const AT_ERROR = 32;
/**
 * Cursor: plan address, instruction offset, next unit, status of the last run. Together with memory it is the whole
 * state.
 */
export const AT_CURSOR = 64;
/** Cost units that a run may still spend before it pauses (u64); all ones: no limit. */
export const AT_BUDGET = 80;
/** Host → kernels: nonzero asks every thread to leave at the next slice of units. */
export const AT_ABORT = 88;
/** End of the range of the cursor: offset of the first instruction in the plan that is not run. */
export const AT_LAST = 92;
/** 1 once `open()` has accepted the control block and every plan. */
export const AT_OPEN = 96;
/**
 * Barrier of the threaded build: arrivals at all barriers of this run, 0, the STATUS that ends it on all threads, threads
 * that have left. A cache line of its own.
 */
export const AT_BARRIER = 128;
/**
 * Commands to the helper threads: generation, plan, first, last, threads there are (0 and 1: one), helpers at work, traps
 * (counted by the host).
 */
export const AT_COMMAND = 192;
/** Run-time slots: 16 words, see SLOT_*. */
export const AT_SLOTS = 256;
/** Maxima of the slots, in the same order: what memory was planned for. */
export const AT_SLOT_LIMITS = 320;
/** Regions: 8 × {offset u32, bytes u32}, see REGION_*. */
export const AT_REGIONS = 384;
/** Scratch of one thread, in bytes; thread i uses [scratch.offset + i·bytes, …). */
export const AT_SCRATCH_BYTES = 448;
/** Per-opcode counters: 128 × {calls u64, units u64, cost u64, 0}, 32 bytes each. */
export const AT_COUNTERS = 4096;
/**
 * Resolved operands of the running instruction: 16 threads × OPERANDS_MAX × 16 bytes {address | value, bytes, 0, 0}.
 */
export const AT_OPERANDS = 8192;
export const OPERANDS_MAX = 32;
export const THREADS_MAX = 16;

// ── Slots: the only sizes and scalars that change from run to run ───────────────────────────────────────────────────
export const SLOT_NONE = 0; // always 0
export const SLOT_ROWS = 1; // token rows in this run
export const SLOT_SEQUENCES = 2; // entries of the sequences table
export const SLOT_OUTPUTS = 3; // rows for which the head is computed
export const SLOT_STEP = 4; // optimizer step, from 1
export const SLOT_MICRO_BATCH = 5; // micro-batch within the step, from 0
export const SLOT_SEED = 6;
export const SLOT_LEARNING_RATE = 7; // f32 bits
export const SLOT_TEMPERATURE = 8; // f32 bits
export const SLOT_TOP_K = 9; // 0: all tokens
export const SLOT_TOP_P = 10; // f32 bits; 0 or from 1: all
export const SLOT_MIN_P = 11; // f32 bits; 0: all
export const SLOT_REPETITION_PENALTY = 12; // f32 bits; 0 or 1: none
export const SLOTS = 16;

/** Random stream of `sample`, which no node's number reaches: a seed gives the same text whatever the graph. */
export const STREAM_SAMPLE = 0x73616d70;

// ── Regions ─────────────────────────────────────────────────────────────────────────────────────────────────────────
export const REGION_CONTROL = 0;
export const REGION_CONSTANT_PAGE = 1;
export const REGION_PLANS = 2;
export const REGION_IO = 3;
export const REGION_CONSTANTS = 4; // frozen packed weights, rotary tables, vocabulary: never written by a plan
export const REGION_STATE = 5; // KV cache, adapters, parameters, moments, accumulated gradients
export const REGION_ARENA = 6; // activations and gradients, planned by lifetime
export const REGION_SCRATCH = 7; // panels; per thread

// ── The sequences table: 8 words an entry, in io ────────────────────────────────────────────────────────────────────
export const SEQUENCE_BYTES = 32;
export const SEQUENCE_FIRST_ROW = 0; // u32, first of this sequence's rows in the batch
export const SEQUENCE_ROWS = 4; // u32
export const SEQUENCE_FIRST_KEY = 8; // u32, position of the first row
export const SEQUENCE_CACHE = 12; // u32, which KV cache
export const SEQUENCE_ADAPTER = 16; // u32, which adapter of the bank; NO_ADAPTER: none
export const SEQUENCE_SCALE = 20; // f32, factor of the adapter's output
export const NO_ADAPTER = 0xffffffff;
/** A target that carries no loss. */
export const NO_TARGET = 0xffffffff;

// ── A generation session: a record in io, see session/generate.ts ───────────────────────────────────────────────────
export const SESSION_BYTES = 128;
export const SESSION_PLAN = 0;
export const SESSION_BODY_FIRST = 4;
export const SESSION_BODY_LAST = 8;
export const SESSION_HEAD_LAST = 12;
export const SESSION_ROWS = 16;
export const SESSION_CONTEXT = 20;
export const SESSION_TOKENS = 24;
export const SESSION_POSITIONS = 28;
export const SESSION_SEQUENCE = 32;
export const SESSION_SEQUENCES = 36;
export const SESSION_OUTPUT_ROW = 40;
export const SESSION_NEXT_TOKEN = 44;
export const SESSION_POSITION = 48;
export const SESSION_ADAPTER = 52;
export const SESSION_SCALE = 56;
export const SESSION_END_COUNT = 60; // tokens that end a generation: how many, and they
export const SESSION_END_TOKENS = 64;
export const SESSION_ENDS_MAX = 16;

// ── The constant page: 16-byte splats, so that no loop holds a v128 constant ────────────────────────────────────────
// Entry i is at page + 16·i. Written by `open()` in constants.ts.
export const CONSTANT_PAGE_BYTES = 4096;

// ── Plans: self-delimiting instructions of u32 words ────────────────────────────────────────────────────────────────
// The plans region holds them one after the other; zero words between them are skipped.
// plan:        PLAN_MAGIC, words in all, instructions, scratch bytes per thread, then the instructions
// instruction: opcode | words in all << 16, operand count, flags, cost per unit, units (a, slot, b)
// operand:     kind | access << 8 | region << 16, then
//   memory (8 words in all): offset, stride, stride slot, bytes (a, slot, b), 0
//     address = the region's offset + offset + stride·slot, bytes = a + b·slot
//   scalar (4 words in all): a, slot, b                                                     value = a + b·slot
//   float  (4 words in all): f32 bits, slot, 0           value = bits, or the slot's bits where slot ≠ SLOT_NONE
export const PLAN_MAGIC = 0x4e4c5045; // "EPLN"
export const PLAN_HEADER_WORDS = 4;
export const INSTRUCTION_HEADER_WORDS = 7;
export const MEMORY_OPERAND_WORDS = 8;
export const SCALAR_OPERAND_WORDS = 4;
export const FLAG_BARRIER = 1; // wait for all threads before this instruction
export const KIND_MEMORY = 0;
export const KIND_SCALAR = 1;
export const KIND_FLOAT = 2;
export const ACCESS_READ = 1;
export const ACCESS_WRITE = 2;

// ── Status and error codes (the words for them are in src/engine/host/errors.ts; a test compares the lists) ─────────
export const STATUS_DONE = 0;
export const STATUS_PAUSED = 1; // budget spent; run again with the cursor
export const STATUS_ABORTED = 2;
export const STATUS_FAILED = 3; // see the error record
export const ERROR_NONE = 0;
export const ERROR_BAD_PLAN = 1; // magic, length or opcode
export const ERROR_SLOT_LIMIT = 2; // a slot above its maximum
export const ERROR_REGION = 3; // operand outside its region
export const ERROR_PERMISSION = 4; // write to a region that plans may not write
export const ERROR_OPERAND_BYTES = 5; // kernel needs more bytes than the operand has
export const ERROR_TOKEN = 6; // token id ≥ vocabulary
export const ERROR_POSITION = 7; // position ≥ context
export const ERROR_SEQUENCE = 8; // sequences table names rows, a cache or an adapter that does not exist
export const ERROR_INDEX = 9; // gather index ≥ rows
export const ERROR_DIMENSION = 10; // a dimension that the kernel does not take (multiple of 4, of 32 …)
export const ERROR_SCRATCH = 11; // kernel needs more scratch than the plan grants
export const ERROR_TRAP = 12; // set by the host after a wasm trap: the program is poisoned
export const ERROR_CURSOR = 13; // nothing to continue: the last run did not pause
export const ERROR_CONTROL = 14; // control block: magic, version, regions or threads
export const ERROR_NOT_FINITE = 15; // norm of the gradients: nothing was applied
