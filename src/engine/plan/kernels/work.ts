/** How the rows of the kernel table are written: operands, units of work and cost of one kernel call. */
import * as layout from "../../../../kernels/layout.ts";
import type { Dim, Node, Shape, Value } from "../../graph/graph.ts";
import { type Affine, constant, countOf, dimOf, slotOf } from "../affine.ts";

export type OperandSpec =
  | { readonly kind: "memory"; readonly value: Value; readonly access: number; readonly byteOffset?: number }
  | { readonly kind: "scalar"; readonly value: Affine }
  | { readonly kind: "float"; readonly value: number; readonly slot: number }
  /** 1 where the result is added to what the output holds, else 0: decided by the lowering. */
  | { readonly kind: "accumulate" };

/** One kernel call: what it reads and writes, how it may be cut, and what it takes. */
export interface Work {
  readonly kernel: string;
  readonly operands: readonly OperandSpec[];
  readonly units: Affine;
  /** Multiply-adds (or elements moved) of one unit, the slots at their maxima. */
  readonly cost: (size: (dim: Dim) => number) => number;
  /** Sizes by which the scratch table is asked. */
  readonly scratch?: Readonly<Record<string, Dim>>;
  /** [output, input] pairs that may share storage. */
  readonly inPlace?: readonly (readonly [number, number])[];
}

export interface KernelRow {
  /** undefined: no kernel for these dtypes. */
  readonly work: (node: Node) => Work | undefined;
  readonly view?: boolean;
}

/** Columns of a unit of the linear kernels and of every column-split reduction. */
export const COLUMNS = 16;
/** Elements of a unit of the kernels that work on flat arrays. */
export const ELEMENTS = 1024;

/** The operand by which a kernel learns whether to add to its output. */
export const ACCUMULATE: OperandSpec = { kind: "accumulate" };

export function row(work: KernelRow["work"]): KernelRow {
  return { work };
}

function memory(access: number) {
  return (value: Value) => ({ kind: "memory" as const, value, access });
}

export function read(value: Value) {
  return memory(layout.ACCESS_READ)(value);
}

export function write(value: Value) {
  return memory(layout.ACCESS_WRITE)(value);
}

export function both(value: Value) {
  return memory(layout.ACCESS_READ | layout.ACCESS_WRITE)(value);
}

export function int(value: Affine): OperandSpec {
  return { kind: "scalar", value };
}

/** What a slot holds. */
export function slotInt(slot: number): Affine {
  return { a: 0, slot, b: 1 };
}

export function float(value: number): OperandSpec {
  return { kind: "float", value, slot: layout.SLOT_NONE };
}

export function floatSlot(slot: number): OperandSpec {
  return { kind: "float", value: 0, slot };
}

/** ⌈n / size⌉ units; for a run-time n the whole number of pieces that surely covers it. */
export function pieces(n: Affine, size: number): Affine {
  if (!n.b) return constant(Math.ceil(n.a / size));
  return { a: n.a, slot: n.slot, b: Math.ceil(n.b / size) };
}

/** A kernel that works row by row. */
export function work(kernel: string, operands: readonly OperandSpec[], rows: Affine, columns: Affine): Work {
  return { kernel, operands, units: rows, cost: costOf(columns, 1) };
}

/** `factor` for each of so many elements. */
export function costOf({ a, slot, b }: Affine, factor: number): Work["cost"] {
  return (size) => factor * (a + (b ? b * size(slotOf(slot)) : 0));
}

/** (R, C): all leading dimensions, and the last. */
export function flat(shape: Shape): { r: Affine; c: Affine } {
  return { r: countOf(shape.slice(0, -1)), c: dimOf(shape[shape.length - 1]) };
}

export function strides(shape: Shape): Affine[] {
  return shape.map((_, i) => countOf(shape.slice(i + 1)));
}
