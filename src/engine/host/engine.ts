/** A program in a host: its memory by name, its plans by range. */
import { InputError } from "../../errors.ts";
import { formatBytes, type Placement, type Program } from "../plan/program.ts";
import type { Slots } from "./control.ts";
import { createHost, type Host, type RunOptions } from "./host.ts";

export class Engine {
  readonly program: Program;
  readonly host: Host;

  private constructor(program: Program, host: Host) {
    this.program = program;
    this.host = host;
  }

  /** Allocates the program's memory once, writes its plans, and checks them. */
  static async open(program: Program, { inProcess = false } = {}): Promise<Engine> {
    const { slots, memory, regions, scratchBytes, threads } = program;
    const host = await createHost({ bytes: memory.total, threads, inProcess }).catch((error: Error) => {
      throw error.message.startsWith("WebAssembly") ? noMemory(memory.total) : error;
    });
    for (const { offset, bytes } of program.plans.values())
      new Uint8Array(host.memory, offset, bytes.length).set(bytes);
    await host.open({ regions, scratchBytes, maxima: slots });
    return new Engine(program, host);
  }

  /** Where the leaf of this name stands. */
  place(name: string): Placement {
    const place = this.program.leaves.get(name);
    if (!place) throw new Error(`engine: the program has no leaf "${name}"`);
    return place;
  }

  has(name: string): boolean {
    return this.program.leaves.has(name);
  }

  f32(name: string): Float32Array {
    const { offset, bytes } = this.place(name);
    return new Float32Array(this.host.memory, offset, bytes / 4);
  }

  u32(name: string): Uint32Array {
    const { offset, bytes } = this.place(name);
    return new Uint32Array(this.host.memory, offset, bytes / 4);
  }

  bytes(offset: number, length: number): Uint8Array {
    return new Uint8Array(this.host.memory, offset, length);
  }

  /** Runs a range of a plan; `all` is the whole. */
  async run(
    plan: string,
    range: string,
    slots: Slots,
    options: Omit<RunOptions, "slots"> = {},
  ): Promise<void> {
    const compiled = this.program.plans.get(plan);
    const span = compiled?.ranges[range];
    if (!compiled || !span)
      throw new Error(`engine: the program has no plan "${plan}" with a range "${range}"`);
    await this.host.run(compiled.offset, span[0], span[1], { ...options, slots });
  }

  /** Calls an exported function on thread 0. */
  call(name: string, values: readonly number[], signal?: AbortSignal): Promise<number> {
    return this.host.call(name, values, signal);
  }

  close(): Promise<void> {
    return this.host.close();
  }
}

/** The machine has less than the program was allowed. */
function noMemory(bytes: number): InputError {
  return new InputError(
    `host: this machine gives no ${formatBytes(bytes)} of memory in one piece; ask for a shorter context, fewer rows at once or a smaller type`,
  );
}
