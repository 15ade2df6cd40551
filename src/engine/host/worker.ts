/** A thread of the worker host: thread 0 does what messages ask, the others help it. */
import { parentPort, workerData } from "node:worker_threads";
import * as layout from "../../../kernels/layout.ts";
import { ControlBlock } from "./control.ts";

export interface ThreadData {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly thread: number;
}

/** What thread 0 is asked to call. */
export interface Call {
  readonly name: string;
  readonly values: readonly number[];
}

/** What came of it, once all threads are done: the result, and how many threads have trapped. */
export interface Answer {
  readonly result: number;
  readonly traps: number;
}

/** What any thread says of its trap. */
export interface Trap {
  readonly trap: string;
}

type Exports = Record<string, (...values: number[]) => number>;

const { module, memory, thread } = workerData as ThreadData;
const instance = await WebAssembly.instantiate(module, { env: { memory } });
const exports = instance.exports as Exports;
const control = new ControlBlock(memory.buffer);
const words = new Int32Array(memory.buffer, 0, layout.CONTROL_BYTES / 4);
const GENERATION = layout.AT_COMMAND / 4;
const HELPERS_AT_WORK = GENERATION + 5;
const TRAPS = GENERATION + 6;
const STOP = layout.AT_BARRIER / 4 + 2;

if (thread === 0) parentPort!.on("message", (call: Call) => parentPort!.postMessage(answer(call)));
else help();

function answer({ name, values }: Call): Answer {
  let result = layout.STATUS_FAILED;
  try {
    result = Number(exports[name](...values));
  } catch (error) {
    trapped(error);
    waitForHelpers();
  }
  return { result, traps: Atomics.exchange(words, TRAPS, 0) };
}

/** Returns only when the program ends: helpers sleep inside the wasm. */
function help(): void {
  for (let seen = 0; ; ) {
    try {
      exports.help(thread, seen);
      return;
    } catch (error) {
      seen = Atomics.load(words, GENERATION);
      trapped(error);
      Atomics.sub(words, HELPERS_AT_WORK, 1);
      Atomics.notify(words, HELPERS_AT_WORK);
    }
  }
}

/** Says so, in words and in the count that thread 0 answers with, and sends the other threads home. */
function trapped(error: unknown): void {
  control.recordTrap(thread);
  parentPort!.postMessage({ trap: `thread ${thread}: ${error}` } satisfies Trap);
  Atomics.add(words, TRAPS, 1);
  Atomics.store(words, STOP, layout.STATUS_FAILED);
}

/** None is at work where the call that trapped had sent them nowhere. */
function waitForHelpers(): void {
  for (let working = Atomics.load(words, HELPERS_AT_WORK); working > 0; ) {
    Atomics.wait(words, HELPERS_AT_WORK, working, 100);
    working = Atomics.load(words, HELPERS_AT_WORK);
  }
}
