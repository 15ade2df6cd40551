/** What runs plans: memory and threads for the wasm. */
import type { ControlBlock, ControlSetup, Slots } from "./control.ts";
import { checkPlatform, features } from "./features.ts";
import { InProcessHost } from "./in_process.ts";
import { WorkerHost } from "./node.ts";

export interface RunOptions {
  /** Slots to set for this run and those after it; set in its turn, not while another run is at work. */
  readonly slots?: Slots;
  /** Stops the run within 100 ms; the promise is then rejected with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface Host {
  /** The whole linear memory, of one size for good. */
  readonly memory: ArrayBufferLike;
  readonly threads: number;
  readonly control: ControlBlock;
  /**
   * Writes the control block (unless it is there already), checks it and every plan in memory. Rejects with PlanError. Also the
   * way back to work after a trap, once the caller has restored what the run was writing.
   */
  open(setup?: ControlSetup): Promise<void>;
  /** Runs instructions [first, last) of the plan at this address. Rejects with PlanError. */
  run(plan: number, first: number, last: number, options?: RunOptions): Promise<void>;
  /** Calls an export of the wasm on thread 0. The signal asks it to stop: what returns a STATUS then returns STATUS_ABORTED. */
  call(name: string, values?: readonly number[], signal?: AbortSignal): Promise<number>;
  /** Asks what is running to stop: a run rejects with AbortError, a call sees STATUS_ABORTED. */
  abort(): void;
  close(): Promise<void>;
}

export interface HostOptions {
  /** Size of linear memory; rounded up to pages of 64 KiB. */
  readonly bytes: number;
  /** Default 1. */
  readonly threads?: number;
  /** Runs on the caller's thread, one thread only: for tests, benches and small work. Default false: workers. */
  readonly inProcess?: boolean;
}

/** A host with memory allocated and all threads waiting. */
export async function createHost({ bytes, threads = 1, inProcess = false }: HostOptions): Promise<Host> {
  checkPlatform();
  const { simd, threads: canShare } = features();
  if (!simd) throw new Error("host: this engine has no WebAssembly SIMD (Node 16.4 and later have it)");
  if (inProcess) {
    if (threads !== 1) throw new Error(`host: in-process hosts have one thread, not ${threads}`);
    return InProcessHost.create(bytes);
  }
  if (!canShare) throw new Error("host: this engine has no shared WebAssembly memory; use inProcess");
  return WorkerHost.create(bytes, threads);
}
