/** What a program will do, told without running it: the work and traffic of every instruction, its operands by name, where memory is. */
import * as layout from "../../../kernels/layout.ts";
import type { Node, SlotSizes, Value } from "../graph/graph.ts";
import { sizeOf } from "../graph/graph.ts";
import { valueAt } from "./affine.ts";
import { decode, formatInstruction, instructionOffsets, regionNames } from "./bytes.ts";
import type { OperandSpec } from "./kernels/work.ts";
import { type CompiledPlan, type Program, valueBytes } from "./program.ts";

/** The sizes of one run. `keys`: how many keys a row attends to, on average; the whole cache where it is not given. */
export interface RunSizes extends SlotSizes {
  readonly keys?: number;
}

/** What one instruction does in one run. */
export interface InstructionWork {
  /** Number in its plan. */
  readonly index: number;
  readonly kernel: string;
  /** 0 for kernels that compute no products. */
  readonly multiplyAdds: number;
  /** Each operand once, whatever a cache keeps. */
  readonly bytes: number;
}

/** Kernels whose cost is multiply-adds; the cost of the others is elements moved. */
const PRODUCTS = /^(linear|adapter_linear|attention|matmul)/;

/** Work of instructions [first, last) in a run of these sizes. */
export function workOf(
  plan: CompiledPlan,
  [first, last]: readonly [number, number],
  sizes: RunSizes,
): InstructionWork[] {
  const calls = plan.lowered.calls.slice(first, last);
  return calls.map(({ node, work }, i) => {
    const instruction = plan.instructions[first + i];
    const parts = partsRead(node, sizes);
    const bytes = instruction.operands.map((operand, at) =>
      operand.kind === "memory"
        ? valueAt(operand.bytes, sizes) * (parts[at] ?? 1) * passes(operand.access)
        : 0,
    );
    const cost = work.cost((dim) => sizeOf(dim, sizes)) * valueAt(work.units, sizes);
    return {
      index: first + i,
      kernel: work.kernel,
      multiplyAdds: PRODUCTS.test(work.kernel) ? cost * keyShare(node, sizes) : 0,
      bytes: bytes.reduce((a, b) => a + b, 0),
    };
  });
}

/** Read and written: over the bus twice. */
function passes(access: number): number {
  return access === (layout.ACCESS_READ | layout.ACCESS_WRITE) ? 2 : 1;
}

/** Operands of which a run touches only a part, by number in the kernel's order: the part. */
function partsRead(node: Node, sizes: RunSizes): Readonly<Record<number, number>> {
  const rows = (value: Value) => sizeOf(value.shape[0], sizes);
  switch (node.op?.name) {
    case "embedding": {
      const [table, token] = node.inputs;
      return { 1: Math.min(1, rows(token) / rows(table)) };
    }
    case "rope": {
      const [x, , table] = node.inputs;
      return { 2: Math.min(1, rows(x) / rows(table)) };
    }
    case "gather": {
      const [x, index] = node.inputs;
      return { 0: Math.min(1, rows(index) / rows(x)) };
    }
    case "cache_write": {
      const [cache, x] = node.inputs;
      return { 1: rows(x) / rows(cache) / 2 };
    }
    case "attention": {
      const [, keys] = node.inputs;
      const { context, window } = node.attributes as Record<string, number>;
      const seen = Math.min(sizes.keys ?? context, window ? window + sizes.rows - 1 : context);
      const part = context ? Math.min(1, (seen * sizes.sequences) / rows(keys)) : 1;
      return { 1: part, 2: part };
    }
    default:
      return {};
  }
}

/** Keys that are attended to, of those that the cost of an attention kernel counts. */
function keyShare(node: Node, { rows, keys }: RunSizes): number {
  if (keys === undefined || !node.op?.name.startsWith("attention")) return 1;
  const { context, window } = node.attributes as Record<string, number>;
  return Math.min(1, keys / Math.min(context || rows, window || Number.POSITIVE_INFINITY));
}

export interface Totals {
  readonly multiplyAdds: number;
  readonly bytes: number;
}

export function totalsOf(works: readonly InstructionWork[]): Totals {
  const sum = (key: keyof Totals) => works.reduce((total, work) => total + work[key], 0);
  return { multiplyAdds: sum("multiplyAdds"), bytes: sum("bytes") };
}

/** Name of a leaf, or the number of a value as `printGraph` writes it. */
export function valueName({ id, node }: Value): string {
  return node.leaf?.name ?? `%${id}`;
}

/**
 * The disassembly with names: offset, `|` where threads wait, kernel, units; then each operand in memory as
 * `name region+offset[bytes] access`, and the scalars.
 */
export function listing(plan: CompiledPlan): string[] {
  const offsets = instructionOffsets(plan.bytes);
  return decode(plan.bytes).instructions.map((instruction, i) => {
    const specs = plan.lowered.calls[i].work.operands;
    const named = instruction.operands.map((_, at) => nameOf(specs[at]));
    return `0x${offsets[i].toString(16).padStart(5, "0")} ${formatInstruction(instruction, named)}`;
  });
}

function nameOf(spec: OperandSpec): string | undefined {
  return spec.kind === "memory" ? valueName(spec.value) : undefined;
}

/** A storage in the arena: several values may share it, one after the other; this is the first. */
export interface Storage {
  readonly value: Value;
  /** From the start of the arena. */
  readonly offset: number;
  readonly bytes: number;
  /** First and last instruction that touch it. */
  readonly first: number;
  readonly last: number;
}

/** All storages of a plan's arena, in the order of their first instruction. */
export function storagesOf(plan: CompiledPlan, slots: SlotSizes): Storage[] {
  const offsets = new Map<Value, number>();
  plan.lowered.calls.forEach(({ work }, i) => {
    work.operands.forEach((spec, at) => {
      const operand = plan.instructions[i].operands[at];
      if (spec.kind !== "memory" || operand.kind !== "memory" || operand.region !== layout.REGION_ARENA)
        return;
      offsets.set(plan.lowered.storage(spec.value), operand.offset.a - (spec.byteOffset ?? 0));
    });
  });
  return [...plan.lowered.lifetimes]
    .map(([value, [first, last]]) => ({
      value,
      offset: offsets.get(value)!,
      bytes: valueBytes(value, slots),
      first,
      last,
    }))
    .sort((a, b) => a.first - b.first || a.offset - b.offset);
}

/** What the plan needs of the arena, which may be larger. */
export function arenaBytes(plan: CompiledPlan, slots: SlotSizes): number {
  return storagesOf(plan, slots).reduce((most, { offset, bytes }) => Math.max(most, offset + bytes), 0);
}

/** The regions in the order of memory, with the bytes that rounding up to whole pages adds. */
export function regionsOf({ regions, memory }: Program): { name: string; offset: number; bytes: number }[] {
  const named = regions.map(({ offset, bytes }, i) => ({ name: regionNames[i] as string, offset, bytes }));
  const end = regions.reduce((most, { offset, bytes }) => Math.max(most, offset + bytes), 0);
  return [...named, { name: "rounding", offset: end, bytes: memory.total - end }];
}

/** What a cell of the arena's picture shows: number of the storage in `storages`, or −1. */
export interface Picture {
  readonly storages: readonly Storage[];
  /** Bytes of a row, instructions of a column. */
  readonly rowBytes: number;
  readonly columnInstructions: number;
  /** Rows from offset 0 up, columns from instruction 0 on. */
  readonly cells: readonly (readonly number[])[];
}

/** The arena by lifetime: rows are offsets, columns are instructions; where several storages share a cell, the largest part is shown. */
export function arenaPicture(plan: CompiledPlan, slots: SlotSizes, height: number, width: number): Picture {
  const storages = storagesOf(plan, slots);
  const end = arenaBytes(plan, slots);
  const rowBytes = Math.max(64, Math.ceil(end / height / 64) * 64);
  const columnInstructions = Math.max(1, Math.ceil(plan.instructions.length / width));
  const rows = Math.ceil(end / rowBytes);
  const columns = Math.ceil(plan.instructions.length / columnInstructions);
  const cells = Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (_, column) =>
      largestIn(storages, row * rowBytes, rowBytes, column * columnInstructions, columnInstructions),
    ),
  );
  return { storages, rowBytes, columnInstructions, cells };
}

function largestIn(
  storages: readonly Storage[],
  from: number,
  bytes: number,
  first: number,
  count: number,
): number {
  let [best, area] = [-1, 0];
  storages.forEach((storage, i) => {
    const tall = Math.min(storage.offset + storage.bytes, from + bytes) - Math.max(storage.offset, from);
    const wide = Math.min(storage.last + 1, first + count) - Math.max(storage.first, first);
    if (tall > 0 && wide > 0 && tall * wide > area) [best, area] = [i, tall * wide];
  });
  return best;
}

/** Instructions, waits and bytes of a plan. */
export function lengthsOf({ instructions, bytes }: CompiledPlan) {
  const barriers = instructions.filter(({ barrier }) => barrier).length;
  return { instructions: instructions.length, barriers, bytes: bytes.length };
}
