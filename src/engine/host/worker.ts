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

/** What came of it: a result, or the words of a trap. Helpers send traps only. */
export type Reply = { readonly result: number } | { readonly trap: string };

type Exports = Record<string, (...values: number[]) => number>;

const { module, memory, thread } = workerData as ThreadData;
const instance = await WebAssembly.instantiate(module, { env: { memory } });
const exports = instance.exports as Exports;
const control = new ControlBlock(memory.buffer);
const words = new Int32Array(memory.buffer, 0, layout.CONTROL_BYTES / 4);
const GENERATION = layout.AT_COMMAND / 4;
const HELPERS_DONE = GENERATION + 5;
const STOP = layout.AT_BARRIER / 4 + 2;

if (thread === 0) parentPort!.on("message", (call: Call) => parentPort!.postMessage(answer(call)));
else help();

function answer({ name, values }: Call): Reply {
  try {
    return { result: Number(exports[name](...values)) };
  } catch (error) {
    trapped();
    waitForHelpers();
    return { trap: `thread 0: ${error}` };
  }
}

/** Returns only when the program ends: helpers sleep inside the wasm. */
function help(): void {
  for (let seen = 0; ; ) {
    try {
      exports.help(thread, seen);
      return;
    } catch (error) {
      seen = Atomics.load(words, GENERATION);
      trapped();
      parentPort!.postMessage({ trap: `thread ${thread}: ${error}` } satisfies Reply);
      Atomics.add(words, HELPERS_DONE, 1);
      Atomics.notify(words, HELPERS_DONE);
    }
  }
}

/** Sends the other threads home. */
function trapped(): void {
  control.recordTrap(thread);
  Atomics.store(words, STOP, 1);
}

function waitForHelpers(): void {
  const helpers = control.threads - 1;
  for (
    let done = Atomics.load(words, HELPERS_DONE);
    done < helpers;
    done = Atomics.load(words, HELPERS_DONE)
  ) {
    Atomics.wait(words, HELPERS_DONE, done, 100);
  }
}
