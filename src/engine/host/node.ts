/** Runs plans on worker threads over one shared memory; the caller's thread never waits. */
import { readFile } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import * as layout from "../../../kernels/layout.ts";
import { asset } from "./assets.ts";
import { ControlBlock, type ControlSetup, NO_LIMIT } from "./control.ts";
import { planError } from "./errors.ts";
import type { Host, RunOptions } from "./host.ts";
import { pages } from "./pages.ts";
import { Turns } from "./turns.ts";
import type { Call, Reply, ThreadData } from "./worker.ts";

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
  private trap: string | undefined;

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
    const worker = new Worker(asset("src/engine/host/worker.js"), { workerData: data });
    worker.on("message", (reply: Reply) => this.receive(data.thread, reply));
    worker.on("error", (error) => this.end(new Error(`host: thread ${data.thread} died: ${error.message}`)));
    worker.on("exit", () => this.end(new Error(`host: thread ${data.thread} has ended`)));
    worker.unref(); // a forgotten host keeps no process alive
    return worker;
  }

  async open(setup?: ControlSetup): Promise<void> {
    await this.turns.take(async () => {
      if (!this.broken?.forGood) this.broken = undefined;
      this.trap = undefined;
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
      const stop = () => this.abort();
      this.control.abort = false;
      this.control.budget = NO_LIMIT;
      signal?.addEventListener("abort", stop, { once: true });
      try {
        const status = await this.send("start", [plan, first, last]);
        if (status === layout.STATUS_FAILED) throw planError(this.memory);
        if (status === layout.STATUS_ABORTED) throw signal?.reason ?? aborted();
      } finally {
        signal?.removeEventListener("abort", stop);
      }
    });
  }

  call(name: string, ...values: number[]): Promise<number> {
    return this.turns.take(async () => {
      if (!this.exports.has(name)) throw new Error(`host: the wasm exports no function "${name}"`);
      this.control.clearError();
      return this.send(name, values);
    });
  }

  abort(): void {
    this.control.abort = true;
  }

  async close(): Promise<void> {
    this.end(new Error("host: closed"));
    await Promise.all(this.workers.map((worker) => worker.terminate()));
  }

  private send(name: string, values: readonly number[]): Promise<number> {
    if (this.broken) return Promise.reject(this.broken.error);
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.workers[0].ref();
      this.workers[0].postMessage({ name, values } satisfies Call);
    });
  }

  private receive(thread: number, reply: Reply): void {
    if ("trap" in reply) this.trap ??= reply.trap;
    if (thread !== 0) return;
    const waiting = this.settle();
    if (this.trap !== undefined) {
      this.broken ??= { error: planError(this.memory, this.trap), forGood: false };
      waiting?.reject(this.broken.error);
    } else if ("result" in reply) waiting?.resolve(reply.result);
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
