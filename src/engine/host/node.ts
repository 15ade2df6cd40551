/** Runs plans on worker threads over one shared memory; the caller's thread never waits. */
import { readFile } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import * as layout from "../../../kernels/layout.ts";
import { asset } from "./assets.ts";
import { ControlBlock, type ControlSetup, NO_LIMIT } from "./control.ts";
import { planError, trapError } from "./errors.ts";
import type { Host, RunOptions } from "./host.ts";
import { pages } from "./pages.ts";
import { Turns } from "./turns.ts";
import type { Answer, Call, ThreadData, Trap } from "./worker.ts";

interface Waiting {
  resolve(result: number): void;
  reject(error: Error): void;
}

export class WorkerHost implements Host {
  readonly memory: ArrayBufferLike;
  readonly threads: number;
  readonly control: ControlBlock;
  private readonly workers: readonly Worker[];
  private readonly exports: ReadonlySet<string>;
  /** The call that thread 0 is at work on. */
  private waiting: Waiting | undefined;
  private readonly turns = new Turns();
  /** Why nothing runs any more. A trap is forgotten at the next `open`. */
  private broken: { readonly error: Error; readonly forGood: boolean } | undefined;
  /** Words of the helpers that have trapped in this call, and what thread 0 has answered. */
  private traps: string[] = [];
  private answer: Answer | undefined;

  private constructor(module: WebAssembly.Module, memory: WebAssembly.Memory, threads: number) {
    const functions = WebAssembly.Module.exports(module).filter(({ kind }) => kind === "function");
    this.exports = new Set(functions.map(({ name }) => name));
    this.memory = memory.buffer;
    this.threads = threads;
    this.control = new ControlBlock(memory.buffer);
    this.workers = Array.from({ length: threads }, (_, thread) => this.spawn({ module, memory, thread }));
  }

  /** A host over so many bytes of memory and so many threads. */
  static async create(bytes: number, threads: number): Promise<WorkerHost> {
    if (!Number.isInteger(threads) || threads < 1 || threads > layout.THREADS_MAX) {
      throw new RangeError(`host: ${threads} threads; there can be 1 … ${layout.THREADS_MAX}`);
    }
    const size = pages(bytes);
    const memory = new WebAssembly.Memory({ initial: size, maximum: size, shared: true });
    const module = await WebAssembly.compile(await readFile(asset("kernels/simd-threads.wasm")));
    return new WorkerHost(module, memory, threads);
  }

  private spawn(data: ThreadData): Worker {
    const worker = new Worker(asset("src/engine/host/worker.js"), {
      workerData: data,
      execArgv: [], // options of the main thread, such as --input-type, are not meant for it
    });
    worker.on("message", (message: Answer | Trap) => this.receive(message));
    worker.on("error", (error) => this.end(new Error(`host: thread ${data.thread} died: ${error.message}`)));
    worker.on("exit", () => this.end(new Error(`host: thread ${data.thread} has ended`)));
    worker.unref(); // a forgotten host keeps no process alive
    return worker;
  }

  async open(setup?: ControlSetup): Promise<void> {
    await this.turns.take(async () => {
      if (!this.broken?.forGood) this.broken = undefined;
      if (setup) this.control.write(setup, this.threads);
      if ((await this.send("open", [])) !== layout.ERROR_NONE) throw planError(this.memory);
    });
  }

  async run(
    plan: number,
    first: number,
    last: number,
    { slots = {}, signal }: RunOptions = {},
  ): Promise<void> {
    await this.turns.take(async () => {
      signal?.throwIfAborted();
      this.control.setSlots(slots);
      const status = await this.send("start", [plan, first, last], signal);
      if (status === layout.STATUS_FAILED) throw planError(this.memory);
      if (status === layout.STATUS_ABORTED) throw signal?.reason ?? aborted();
    });
  }

  call(name: string, values: readonly number[] = [], signal?: AbortSignal): Promise<number> {
    return this.turns.take(async () => {
      if (!this.exports.has(name)) throw new Error(`host: the wasm exports no function "${name}"`);
      signal?.throwIfAborted();
      this.control.clearError();
      return this.send(name, values, signal);
    });
  }

  abort(): void {
    this.control.abort = true;
  }

  async close(): Promise<void> {
    this.end(new Error("host: closed"));
    await Promise.all(this.workers.map((worker) => worker.terminate()));
  }

  /** Has thread 0 call an export, in its turn. The abort word is cleared here only, before anything is at work. */
  private async send(name: string, values: readonly number[], signal?: AbortSignal): Promise<number> {
    if (this.broken) throw this.broken.error;
    const stop = () => this.abort();
    this.control.abort = false;
    this.control.budget = NO_LIMIT;
    signal?.addEventListener("abort", stop, { once: true });
    try {
      return await new Promise<number>((resolve, reject) => {
        this.waiting = { resolve, reject };
        this.traps = [];
        this.answer = undefined;
        this.workers[0].ref();
        this.workers[0].postMessage({ name, values } satisfies Call);
      });
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  /** Every thread has a port of its own: words of a trap may be read after thread 0's answer, which counts them. */
  private receive(message: Answer | Trap): void {
    if ("trap" in message) this.traps.push(message.trap);
    else this.answer = message;
    if (!this.answer || this.traps.length < this.answer.traps) return;
    const { result } = this.answer;
    const waiting = this.settle();
    if (this.traps.length) {
      this.broken ??= { error: trapError(this.memory, this.traps.join("; ")), forGood: false };
      waiting?.reject(this.broken.error);
    } else waiting?.resolve(result);
  }

  /** Nothing runs any more: a thread is gone, or the host was closed. */
  private end(error: Error): void {
    if (this.broken?.forGood) return;
    this.broken = { error, forGood: true };
    this.abort();
    this.settle()?.reject(error);
  }

  private settle(): Waiting | undefined {
    const { waiting } = this;
    this.waiting = undefined;
    this.workers[0].unref();
    return waiting;
  }
}

function aborted(): Error {
  return new DOMException("host: the run was aborted", "AbortError");
}
