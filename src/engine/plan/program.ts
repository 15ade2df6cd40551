/**
 * A program: the plans of some graphs over one linear memory, every byte of it known before any is allocated.
 *
 * control │ constant page │ plans │ io │ constants │ state │ arena │ scratch
 */
import * as layout from "../../../kernels/layout.ts";
import { cacheDtypeOf } from "../dtypes/cache.ts";
import { packedDtypes } from "../dtypes/index.ts";
import { type Dim, type Graph, type LeafKind, type SlotSizes, sizeOf, type Value } from "../graph/graph.ts";
import { printType } from "../graph/print.ts";
import { BLOCK } from "../ops/quantize.ts";
import { expand } from "../transform/expand.ts";
import { constant, countOf, times, valueAt } from "./affine.ts";
import { type Access, barriers } from "./barriers.ts";
import { encode, type Instruction, type Operand, opcodeOf, planBytes } from "./bytes.ts";
import type { Work } from "./kernels/work.ts";
import { type Lowered, lower } from "./lower.ts";
import { align, MEMORY_MAX, PAGE_BYTES, placeByLifetime, type Region } from "./memory.ts";
import { scratchBytes } from "./scratch.ts";

/** Where a leaf stands. */
export interface Placement {
  readonly kind: LeafKind;
  readonly value: Value;
  readonly region: number;
  readonly offset: number;
  readonly bytes: number;
}

export interface CompiledPlan {
  readonly name: string;
  /** Address of its bytes in memory. */
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly instructions: readonly Instruction[];
  /** Ranges as [first, last) instructions; `all` is the whole plan. */
  readonly ranges: Lowered["ranges"];
  readonly lowered: Lowered;
}

/** Sizes in bytes. */
export interface MemoryParts {
  readonly control: number;
  readonly constantPage: number;
  readonly plans: number;
  readonly io: number;
  readonly constants: number;
  readonly state: number;
  readonly arena: number;
  /** All threads together. */
  readonly scratch: number;
  /** Everything, rounded up to WebAssembly's pages of 64 KiB. */
  readonly total: number;
}

export interface Program {
  readonly slots: SlotSizes;
  readonly threads: number;
  readonly memory: MemoryParts;
  /** By REGION_* number. */
  readonly regions: readonly Region[];
  readonly plans: ReadonlyMap<string, CompiledPlan>;
  readonly leaves: ReadonlyMap<string, Placement>;
  /** Addresses of the tables that came with the options. */
  readonly tables: ReadonlyMap<string, Region>;
  /** Scratch of one thread. */
  readonly scratchBytes: number;
}

export interface ProgramOptions {
  /** Maxima of the run-time sizes. */
  readonly slots: SlotSizes;
  readonly threads: number;
  /** Further constants by name, such as a vocabulary: their sizes in bytes. */
  readonly tables?: Readonly<Record<string, number>>;
  /** Least size of the arena, which also stages weights while they are loaded. */
  readonly arenaBytes?: number;
  /** Largest total in bytes; above it the program is refused before anything is allocated. */
  readonly memoryLimit?: number;
}

/** Bytes of the quantize record of one block: scale, sum, padding, 32 values as int16 twice. */
const RECORD_BYTES = 144;

/** Raised where the memory limit is too small: names every part, allocates nothing. */
export class MemoryLimitError extends Error {
  readonly memory: MemoryParts;
  readonly limit: number;
  /** With what the process needs besides. */
  readonly total: number;

  /** `beside`: bytes of the process by part, where the limit is that of the process. */
  constructor(memory: MemoryParts, limit: number, beside: Readonly<Record<string, number>> = {}) {
    const plan = listed(memory, ["constants", "state", "arena", "scratch", "io", "plans"]);
    const total = memory.total + Object.values(beside).reduce((a, b) => a + b, 0);
    const needs = Object.keys(beside).length
      ? `process: needs ${formatBytes(total)} (plan ${formatBytes(memory.total)}: ${plan}; beside it ${listed(beside, Object.keys(beside))})`
      : `plan: needs ${formatBytes(total)} (${plan})`;
    super(`${needs} but the limit is ${formatBytes(limit)}`);
    this.memory = memory;
    this.limit = limit;
    this.total = total;
  }
}

function listed<T extends string>(parts: Readonly<Record<T, number>>, names: readonly T[]): string {
  return names.map((name) => `${name} ${formatBytes(parts[name])}`).join(", ");
}

export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB"];
  const power = Math.min(units.length, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(2)} ${units[power - 1]}`;
}

/** Lowers the graphs, places everything, and writes the plans. Leaves of the same name are one. */
export function compile(graphs: Readonly<Record<string, Graph>>, options: ProgramOptions): Program {
  const { slots, threads, tables = {}, arenaBytes = 0, memoryLimit = MEMORY_MAX } = options;
  const expanded = Object.entries(graphs).map(([name, graph]) => [name, expand(graph)] as const);
  const leaves = placeLeaves(
    expanded.map(([, graph]) => graph),
    slots,
  );
  const lowered = expanded.map(([, graph]) => lower(graph));
  const scratch = align(Math.max(0, ...lowered.map((plan) => scratchOf(plan, slots))));
  const arenas = lowered.map((plan) => placeArena(plan, slots));
  const plans = lowered.map((plan, i) => {
    const instructions = instructionsOf(plan, placer(plan, arenas[i].offsets, leaves.places, slots), slots);
    return { name: expanded[i][0], lowered: plan, ranges: plan.ranges, scratch, instructions };
  });

  const tableEnds = new Cursor(leaves.bytes[layout.REGION_CONSTANTS]);
  const tableOffsets = Object.entries(tables).map(
    ([name, bytes]) => [name, { offset: tableEnds.take(bytes), bytes }] as const,
  );
  const planEnds = new Cursor(0);
  const planOffsets = plans.map((plan) => planEnds.take(planBytes(plan)));
  const regions = regionsOf([
    layout.CONTROL_BYTES,
    layout.CONSTANT_PAGE_BYTES,
    planEnds.at,
    leaves.bytes[layout.REGION_IO],
    tableEnds.at,
    leaves.bytes[layout.REGION_STATE],
    Math.max(arenaBytes, ...arenas.map(({ bytes }) => bytes)),
    scratch * threads,
  ]);
  const memory = memoryParts(regions);
  const limit = Math.min(memoryLimit, MEMORY_MAX);
  if (memory.total > limit) throw new MemoryLimitError(memory, limit);

  const start = (region: number) => regions[region].offset;
  return {
    slots,
    threads,
    memory,
    regions,
    scratchBytes: scratch,
    plans: new Map(
      plans.map((plan, i) => {
        const offset = start(layout.REGION_PLANS) + planOffsets[i];
        return [plan.name, { ...plan, offset, bytes: encode(plan) }];
      }),
    ),
    leaves: new Map(
      [...leaves.places].map(([name, place]) => [
        name,
        { ...place, offset: start(place.region) + place.offset },
      ]),
    ),
    tables: new Map(
      tableOffsets.map(([name, { offset, bytes }]) => [
        name,
        { offset: start(layout.REGION_CONSTANTS) + offset, bytes },
      ]),
    ),
  };
}

/** Gives out aligned offsets one after another. */
class Cursor {
  at: number;
  constructor(at: number) {
    this.at = at;
  }
  take(bytes: number): number {
    const offset = this.at;
    this.at += align(bytes);
    return offset;
  }
}

/** Every leaf once, in the order of first appearance; offsets count from the region's start. */
function placeLeaves(graphs: readonly Graph[], slots: SlotSizes) {
  const ends = Array.from({ length: 8 }, () => new Cursor(0));
  const places = new Map<string, Placement>();
  for (const graph of graphs)
    for (const { leaf, outputs } of graph.leaves()) {
      const [value] = outputs;
      const { kind, name } = leaf!;
      const other = places.get(name);
      if (other) checkSame(other, kind, value);
      else {
        const region = regionOf(kind);
        const bytes = valueBytes(value, slots);
        places.set(name, { kind, value, region, offset: ends[region].take(bytes), bytes });
      }
    }
  return { places, bytes: ends.map(({ at }) => at) };
}

function checkSame({ kind, value }: Placement, otherKind: LeafKind, other: Value) {
  const same = kind === otherKind && value.dtype === other.dtype && value.shape.join() === other.shape.join();
  if (same) return;
  const name = value.node.leaf!.name;
  throw new Error(
    `compile: two plans disagree about the leaf "${name}": ${printType(value)} and ${printType(other)}`,
  );
}

/** Bytes of a tensor with the slots at these sizes. */
export function valueBytes({ shape, dtype }: Value, slots: SlotSizes): number {
  return valueAt(bytesOf({ shape, dtype }), slots);
}

function bytesOf({ shape, dtype }: Pick<Value, "shape" | "dtype">) {
  if (dtype === "f32" || dtype === "u32") return times(countOf(shape), 4);
  if (dtype === "quantized") return times(countOf(shape), RECORD_BYTES / BLOCK);
  if (dtype === "f16_rows" || dtype === "q8_0_rows") {
    const { blockSize, bytesPerBlock } = cacheDtypeOf(dtype);
    return times(countOf(shape), bytesPerBlock / blockSize);
  }
  const [n, k] = shape as readonly number[];
  return constant(packedDtypes[dtype].packedBytes(n, k));
}

function regionOf(kind: LeafKind): number {
  if (kind === "weight") return layout.REGION_CONSTANTS;
  return kind === "state" ? layout.REGION_STATE : layout.REGION_IO;
}

function placeArena({ lifetimes }: Lowered, slots: SlotSizes) {
  const entries = [...lifetimes];
  const { offsets, bytes } = placeByLifetime(
    entries.map(([value, [first, last]]) => ({ bytes: valueBytes(value, slots), first, last })),
  );
  return { offsets: new Map(entries.map(([value], i) => [value, offsets[i]])), bytes };
}

type Place = (value: Value) => { region: number; offset: number };

function placer(
  { storage }: Lowered,
  arena: ReadonlyMap<Value, number>,
  leaves: ReadonlyMap<string, Placement>,
  slots: SlotSizes,
): Place {
  return (value) => {
    const owner = storage(value);
    if (!owner.node.leaf) return { region: layout.REGION_ARENA, offset: arena.get(owner)! };
    const { region, offset, bytes } = leaves.get(owner.node.leaf.name)!;
    if (valueBytes(value, slots) > bytes)
      throw new Error(`compile: the leaf "${owner.node.leaf.name}" cannot hold ${printType(value)}`);
    return { region, offset };
  };
}

function instructionsOf({ calls }: Lowered, place: Place, slots: SlotSizes): Instruction[] {
  const size = (dim: Dim) => sizeOf(dim, slots);
  const plain = calls.map(({ work, accumulate }) => operandsOf(work, accumulate, place));
  const waits = barriers(plain.map((operands) => operands.flatMap((operand) => accessOf(operand, slots))));
  return calls.map(({ work }, i) => ({
    opcode: opcode(work.kernel),
    barrier: waits[i],
    cost: Math.max(1, Math.ceil(work.cost(size))),
    units: work.units,
    operands: plain[i],
  }));
}

function operandsOf({ operands }: Work, accumulate: boolean, place: Place): Operand[] {
  return operands.map((spec): Operand => {
    if (spec.kind === "scalar") return { kind: "scalar", value: spec.value };
    if (spec.kind === "float") return { kind: "float", value: spec.value, slot: spec.slot };
    if (spec.kind === "accumulate") return { kind: "scalar", value: constant(Number(accumulate)) };
    const { region, offset } = place(spec.value);
    const skip = spec.byteOffset ?? 0;
    const bytes = bytesOf(spec.value);
    const access =
      accumulate && spec.access === layout.ACCESS_WRITE
        ? layout.ACCESS_WRITE | layout.ACCESS_READ
        : spec.access;
    return {
      kind: "memory",
      access,
      region,
      offset: constant(offset + skip),
      bytes: { ...bytes, a: bytes.a - skip },
    };
  });
}

function accessOf(operand: Operand, slots: SlotSizes): Access[] {
  if (operand.kind !== "memory") return [];
  const write = (operand.access & layout.ACCESS_WRITE) !== 0;
  // Regions lie apart: far-away addresses stand for them.
  const offset = operand.region * 2 ** 33 + operand.offset.a;
  return [{ offset, bytes: valueAt(operand.bytes, slots), write }];
}

function opcode(kernel: string): number {
  const found = opcodeOf.get(kernel);
  if (found === undefined) throw new Error(`compile: there is no opcode for the kernel "${kernel}"`);
  return found;
}

function scratchOf({ calls }: Lowered, slots: SlotSizes): number {
  const sizes = calls.map(({ work }) => {
    const dims = Object.entries(work.scratch ?? {}).map(([name, dim]) => [name, sizeOf(dim, slots)]);
    return scratchBytes[work.kernel]?.(Object.fromEntries(dims)) ?? 0;
  });
  return Math.max(0, ...sizes);
}

function memoryParts(regions: readonly Region[]): MemoryParts {
  const [control, constantPage, plans, io, constants, state, arena, scratch] = regions.map(
    ({ bytes }) => bytes,
  );
  const { offset, bytes } = regions[layout.REGION_SCRATCH];
  const total = align(offset + bytes, PAGE_BYTES);
  return { control, constantPage, plans, io, constants, state, arena, scratch, total };
}

function regionsOf(sizes: readonly number[]): Region[] {
  const ends = new Cursor(0);
  return sizes.map((bytes) => ({ offset: ends.take(bytes), bytes }));
}
