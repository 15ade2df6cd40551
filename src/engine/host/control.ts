/** The control block as a host sees it: regions, slots, limits, cursor, counters, abort. */
import * as layout from "../../../kernels/layout.ts";
import { opcodeNames, slotNames } from "../plan/bytes.ts";
import type { Region } from "../plan/memory.ts";

export type SlotName =
  | "rows"
  | "sequences"
  | "outputs"
  | "step"
  | "micro_batch"
  | "seed"
  | "learning_rate"
  | "temperature"
  | "top_k"
  | "top_p"
  | "min_p"
  | "repetition_penalty";

/** Values of slots; those in `floatSlots` are float32, the others unsigned integers. */
export type Slots = Partial<Record<SlotName, number>>;

export interface ControlSetup {
  /** By REGION_* number, in this order in memory, without overlap. */
  readonly regions: readonly Region[];
  /** Scratch of one thread, in bytes. */
  readonly scratchBytes: number;
  /** Maxima of the slots that sizes depend on; 0 where not given. The other slots may be anything. */
  readonly maxima: Slots;
}

/** What one opcode has done since `open`. */
export interface Counter {
  readonly kernel: string;
  readonly calls: number;
  readonly units: number;
  readonly cost: number;
}

const floatSlots: readonly SlotName[] = [
  "learning_rate",
  "temperature",
  "top_p",
  "min_p",
  "repetition_penalty",
];
const sizeSlots: readonly SlotName[] = ["rows", "sequences", "outputs"];
/** A budget that is never spent. */
export const NO_LIMIT = 2n ** 64n - 1n;

export class ControlBlock {
  private readonly view: DataView;
  private readonly words: Int32Array;

  /** `memory` is the whole linear memory. */
  constructor(memory: ArrayBufferLike) {
    this.view = new DataView(memory, 0, layout.CONTROL_BYTES);
    this.words = new Int32Array(memory, 0, layout.CONTROL_BYTES / 4);
  }

  /** Writes everything that `open` checks. */
  write({ regions, scratchBytes, maxima }: ControlSetup, threads: number): void {
    this.setWord(layout.AT_MAGIC, layout.CONTROL_MAGIC);
    this.setWord(layout.AT_VERSION, layout.CONTROL_VERSION);
    regions.forEach(({ offset, bytes }, region) => {
      this.setWord(layout.AT_REGIONS + 8 * region, offset);
      this.setWord(layout.AT_REGIONS + 8 * region + 4, bytes);
    });
    this.setWord(layout.AT_SCRATCH_BYTES, scratchBytes);
    slotNames.forEach((name, slot) => {
      const isSize = sizeSlots.includes(name as SlotName);
      const limit = maxima[name as SlotName] ?? (isSize ? 0 : 0xffffffff);
      this.setWord(layout.AT_SLOT_LIMITS + 4 * slot, slot === layout.SLOT_NONE ? 0 : limit);
      this.setWord(layout.AT_SLOTS + 4 * slot, 0);
    });
    this.threads = threads;
  }

  /** Sets slots for the runs to come; the others keep their values. */
  setSlots(values: Slots): void {
    for (const [name, value] of Object.entries(values) as [SlotName, number][]) {
      const at = layout.AT_SLOTS + 4 * slotNames.indexOf(name);
      if (floatSlots.includes(name)) this.view.setFloat32(at, value, true);
      else this.setWord(at, value);
    }
  }

  get threads(): number {
    return this.view.getUint32(layout.AT_COMMAND + 16, true);
  }

  set threads(threads: number) {
    this.setWord(layout.AT_COMMAND + 16, threads);
  }

  /** Cost units that single-threaded runs may still spend before they pause. */
  get budget(): bigint {
    return this.view.getBigUint64(layout.AT_BUDGET, true);
  }

  set budget(cost: bigint) {
    this.view.setBigUint64(layout.AT_BUDGET, cost, true);
  }

  /** Asks every thread to leave at its next slice of units (true), or lets them run again. */
  set abort(asked: boolean) {
    Atomics.store(this.words, layout.AT_ABORT / 4, asked ? 1 : 0);
  }

  /** Where the last run stopped: address of the plan, offset of the instruction, next unit, STATUS_*. */
  get cursor(): { plan: number; offset: number; unit: number; status: number } {
    const [plan, offset, unit, status] = [0, 4, 8, 12].map((at) =>
      this.view.getUint32(layout.AT_CURSOR + at, true),
    );
    return { plan, offset, unit, status };
  }

  /** The opcodes that have run since `open`. */
  get counters(): Counter[] {
    const read = (opcode: number, at: number) =>
      Number(this.view.getBigUint64(layout.AT_COUNTERS + 32 * opcode + at, true));
    return [...opcodeNames]
      .map(([opcode, kernel]) => ({
        kernel,
        calls: read(opcode, 0),
        units: read(opcode, 8),
        cost: read(opcode, 16),
      }))
      .filter(({ calls }) => calls > 0);
  }

  /** Makes room for the error of the next call: the first one stays. */
  clearError(): void {
    for (let at = layout.AT_ERROR; at < layout.AT_ERROR + 32; at += 4) this.setWord(at, 0);
  }

  /** Records a trap as the error, unless a kernel has reported one; the cursor of an unfinished run says in which instruction. */
  recordTrap(thread: number): void {
    if (Atomics.compareExchange(this.words, layout.AT_ERROR / 4, layout.ERROR_NONE, layout.ERROR_TRAP))
      return;
    const { plan, offset } = this.cursor;
    const isRunning = offset < this.view.getUint32(layout.AT_LAST, true);
    this.setWord(layout.AT_ERROR + 4, isRunning ? plan : 0);
    this.setWord(layout.AT_ERROR + 8, isRunning ? offset : 0);
    this.setWord(layout.AT_ERROR + 12, 0xffffffff);
    this.view.setBigUint64(layout.AT_ERROR + 16, BigInt(thread), true);
  }

  private setWord(at: number, value: number): void {
    this.view.setUint32(at, value, true);
  }
}
