/**
 * How the threads of a run meet: commands to helpers, barriers, and the way home after a failure or an abort. The words
 * are in the control block (AT_BARRIER, AT_COMMAND); test/hosts/protocol.ts is a model of this file.
 */
import { AT_ABORT, AT_BARRIER, AT_COMMAND, STATUS_ABORTED, STATUS_DONE } from "./layout";

/** Arrivals at all barriers of this run. */
const ARRIVED: usize = AT_BARRIER;
/** The STATUS that sends every thread of this run home; STATUS_DONE while it goes on. */
const STOP: usize = AT_BARRIER + 8;
/** Threads that have left this run. */
const LEFT: usize = AT_BARRIER + 12;
const HELPERS_AT_WORK: usize = AT_COMMAND + 20;

/** Turns of a spin before a thread sleeps: some 20 µs, about what waking a sleeper costs. */
const SPINS = 4096;
/** A sleeper looks at the abort word this often, in ns. */
const NAP: i64 = 10_000_000;
const FOREVER: i64 = -1;

export function clear_barrier(): void {
  memory.fill(AT_BARRIER, 0, 16);
  store<u32>(HELPERS_AT_WORK, 0);
}

/** Thread 0 sends the helpers to a run. */
export function send_command(plan: u32, first: u32, last: u32, threads: u32): void {
  if (ASC_FEATURE_THREADS) {
    store<u32>(AT_COMMAND, plan, 4);
    store<u32>(AT_COMMAND, first, 8);
    store<u32>(AT_COMMAND, last, 12);
    atomic.store<u32>(HELPERS_AT_WORK, threads - 1);
    atomic.add<u32>(AT_COMMAND, 1);
    atomic.notify(AT_COMMAND, -1);
  }
}

/** Waits for the command after the one numbered `seen`; returns its number. */
export function await_command(seen: u32): u32 {
  if (ASC_FEATURE_THREADS) {
    while (atomic.load<u32>(AT_COMMAND) == seen) wait_for_change(AT_COMMAND, seen, FOREVER);
    return atomic.load<u32>(AT_COMMAND);
  }
  return seen;
}

export function helper_done(): void {
  if (ASC_FEATURE_THREADS) {
    if (atomic.sub<u32>(HELPERS_AT_WORK, 1) == 1) atomic.notify(HELPERS_AT_WORK, 1);
  }
}

/** Thread 0 waits until every helper has done its part of the command, however that ended. */
export function await_helpers(): void {
  if (ASC_FEATURE_THREADS) {
    for (let working = atomic.load<u32>(HELPERS_AT_WORK); working; working = atomic.load<u32>(HELPERS_AT_WORK)) {
      wait_for_change(HELPERS_AT_WORK, working, NAP);
    }
  }
}

/** Sends all threads of this run home with a status; the first status stays. */
export function stop(status: i32): void {
  if (ASC_FEATURE_THREADS) atomic.cmpxchg<i32>(STOP, STATUS_DONE, status);
}

/**
 * STATUS_DONE unless the host has aborted or a thread has failed. An abort seen by one thread holds for all: the host may
 * take its word back before the others look.
 */
export function stopped(): i32 {
  if (ASC_FEATURE_THREADS) {
    if (atomic.load<u32>(AT_ABORT)) stop(STATUS_ABORTED);
    return atomic.load<i32>(STOP);
  }
  return STATUS_DONE;
}

/**
 * Waits until all threads have arrived at their barrier number `passed` (from 0) of this run. Arrivals only grow while a
 * run lasts, so that a thread's own count decides, and not the moment at which it looks.
 */
export function barrier(passed: u32, threads: u32): i32 {
  if (ASC_FEATURE_THREADS) {
    const all = (passed + 1) * threads;
    let arrived = atomic.add<u32>(ARRIVED, 1) + 1;
    if (arrived == all) {
      atomic.notify(ARRIVED, -1);
      return STATUS_DONE;
    }
    while (arrived < all) {
      const status = stopped();
      if (status) return status;
      wait_for_change(ARRIVED, arrived, NAP);
      arrived = atomic.load<u32>(ARRIVED);
    }
  }
  return STATUS_DONE;
}

/** The last thread to leave a run makes the barrier ready for the next, also after a failure. */
export function leave(threads: u32): void {
  if (ASC_FEATURE_THREADS) {
    if (atomic.add<u32>(LEFT, 1) != threads - 1) return;
    atomic.store<u32>(ARRIVED, 0);
    atomic.store<u32>(STOP, STATUS_DONE);
    atomic.store<u32>(LEFT, 0);
  }
}

/** Returns when the word is no longer `value`, or after `nap` ns at the latest: spins, then sleeps. */
function wait_for_change(at: usize, value: u32, nap: i64): void {
  for (let turn = 0; turn < SPINS; turn++) {
    if (atomic.load<u32>(at) != value) return;
  }
  sleep(at, value, nap);
}

/**
 * The only function with the wait instruction: no locals, and nothing to do after it. V8 11.3 (Node 20, x64) spills the
 * instruction's address too wide in its baseline code, which sets a neighbour on the stack to 0. no_inline.mjs keeps the
 * optimiser from inlining it, and test/structure/wasm.test.ts looks at the bytes.
 */
function sleep(at: usize, value: u32, nap: i64): void {
  if (ASC_FEATURE_THREADS) atomic.wait<i32>(at, value, nap);
}
