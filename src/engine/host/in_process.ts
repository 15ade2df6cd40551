/**
 * Runs plans on the caller's thread, without workers or shared memory. The …Sync methods work at once: not for use while a promise
 * of the others is open.
 */
import { readFile } from "node:fs/promises";
import * as layout from "../../../kernels/layout.ts";
import { PAGE_BYTES } from "../plan/memory.ts";
import { asset } from "./assets.ts";
import { ControlBlock, type ControlSetup, NO_LIMIT, type Slots } from "./control.ts";
import { type PlanError, planError, trapError } from "./errors.ts";
import type { Host, RunOptions } from "./host.ts";
import { pages } from "./pages.ts";
import { Turns } from "./turns.ts";

type Exports = Record<string, (...values: number[]) => number>;

/** Cost of a piece. */
const TURN = 2n ** 24n;

export class InProcessHost implements Host {
  readonly threads = 1;
  readonly memory: ArrayBufferLike;
  readonly control: ControlBlock;
  private readonly exports: Exports;
  private readonly turns = new Turns();
  private poisoned: PlanError | undefined;

  private constructor(instance: WebAssembly.Instance, bytes: number) {
    const memory = instance.exports.memory as WebAssembly.Memory;
    const missing = pages(bytes) - memory.buffer.byteLength / PAGE_BYTES;
    if (missing > 0) memory.grow(missing);
    this.exports = instance.exports as Exports;
    this.memory = memory.buffer;
    this.control = new ControlBlock(this.memory);
  }

  /** A host over so many bytes of memory. */
  static async create(bytes: number): Promise<InProcessHost> {
    const { instance } = await WebAssembly.instantiate(await readFile(asset("kernels/simd.wasm")));
    return new InProcessHost(instance, bytes);
  }

  open(setup?: ControlSetup): Promise<void> {
    return this.turns.take(() => this.openSync(setup));
  }

  openSync(setup?: ControlSetup): void {
    if (setup) this.control.write(setup, 1);
    this.poisoned = undefined;
    if (this.callSync("open") !== layout.ERROR_NONE) throw planError(this.memory);
  }

  run(plan: number, first: number, last: number, { slots, signal }: RunOptions = {}): Promise<void> {
    return this.turns.take(() => {
      if (!signal) return this.runSync(plan, first, last, slots);
      return this.runInPieces(plan, first, last, signal, slots);
    });
  }

  /** Looks at the signal, and lets others work, between pieces of some 20 ms. */
  private async runInPieces(
    plan: number,
    first: number,
    last: number,
    signal: AbortSignal,
    slots: Slots = {},
  ) {
    signal.throwIfAborted();
    this.control.setSlots(slots);
    this.control.abort = false;
    this.control.budget = TURN;
    let status = this.callSync("run", plan, first, last, 0, 1);
    while (status === layout.STATUS_PAUSED) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      signal.throwIfAborted();
      this.control.budget = TURN;
      status = this.callSync("run_on");
    }
    this.settle(status);
  }

  runSync(plan: number, first: number, last: number, slots: Slots = {}): void {
    this.control.setSlots(slots);
    this.control.abort = false;
    this.control.budget = NO_LIMIT;
    this.settle(this.callSync("run", plan, first, last, 0, 1));
  }

  /** Not to be stopped once it has begun: the signal is looked at before. */
  call(name: string, values: readonly number[] = [], signal?: AbortSignal): Promise<number> {
    return this.turns.take(() => {
      signal?.throwIfAborted();
      this.control.clearError();
      this.control.abort = false;
      this.control.budget = NO_LIMIT;
      return this.callSync(name, ...values);
    });
  }

  callSync(name: string, ...values: number[]): number {
    if (this.poisoned) throw this.poisoned;
    const called = this.exports[name];
    if (typeof called !== "function") throw new Error(`host: the wasm exports no function "${name}"`);
    try {
      return called(...values);
    } catch (error) {
      this.control.recordTrap(0);
      this.poisoned = trapError(this.memory, String(error));
      throw this.poisoned;
    }
  }

  abort(): void {
    this.control.abort = true;
  }

  async close(): Promise<void> {}

  private settle(status: number): void {
    if (status === layout.STATUS_FAILED) throw planError(this.memory);
    if (status === layout.STATUS_ABORTED) throw new DOMException("host: the run was aborted", "AbortError");
  }
}
