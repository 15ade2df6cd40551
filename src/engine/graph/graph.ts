/**
 * The graph: an ordered list of nodes. The order is the order of execution; nothing is lazy and nothing is reordered, so a `write` to a
 * state is seen by every node after it and by none before it.
 */
import type { PackedDtypeName } from "../dtypes/index.ts";
import type { Op } from "../ops/op.ts";

/** A size known only when a plan runs; memory is planned at its maximum. */
export type Slot = "rows" | "sequences" | "outputs";
export type Dim = number | Slot;
export type Shape = readonly Dim[];
/**
 * f32 and u32 are row-major; f16_rows and q8_0_rows are KV caches (dtypes/cache.ts); the rest are the packed forms of frozen weights and
 * `quantized`, the record of int8 activations.
 */
export type DtypeName = "f32" | "u32" | PackedDtypeName | "quantized" | "f16_rows" | "q8_0_rows";
export type Attributes = Readonly<Record<string, number | boolean | string | readonly number[]>>;

/**
 * Where a leaf lives: `input` and `output` in io, `weight` among the frozen constants, `state` is kept from run to run and may be written.
 */
export type LeafKind = "input" | "output" | "weight" | "state";

export interface Value {
  readonly id: number;
  readonly shape: Shape;
  readonly dtype: DtypeName;
  readonly node: Node;
}

export interface Node {
  readonly id: number;
  readonly graph: Graph;
  /** undefined: a leaf. */
  readonly op: Op | undefined;
  readonly inputs: readonly Value[];
  readonly attributes: Attributes;
  readonly outputs: readonly Value[];
  readonly leaf: Leaf | undefined;
}

export interface Leaf {
  readonly kind: LeafKind;
  readonly name: string;
}

export interface TensorType {
  readonly shape: Shape;
  readonly dtype: DtypeName;
}

/** A part of a plan that can be run by itself, and again: its inputs from earlier ranges stay untouched until it ends. */
export interface Range {
  readonly name: string;
  /** Id of its first node. */
  readonly first: number;
}

export class Graph {
  readonly nodes: Node[] = [];
  readonly ranges: Range[] = [];
  private values = 0;

  leaf(kind: LeafKind, name: string, shape: Shape, dtype: DtypeName = "f32"): Value {
    if (this.find(name)) throw new Error(`graph: two leaves are named "${name}"`);
    return this.node(undefined, [], {}, [{ shape, dtype }], { kind, name }).outputs[0];
  }

  /** What is appended from here on belongs to a range of this name. */
  range(name: string): void {
    this.ranges.push({ name, first: this.nodes.length });
  }

  /** Appends a node; the op checks its inputs and says what comes out. */
  append(op: Op, inputs: readonly Value[], attributes: Attributes = {}): readonly Value[] {
    for (const input of inputs)
      if (input.node.graph !== this)
        throw new Error(`graph: an input of "${op.name}" belongs to another graph`);
    return this.node(op, [...inputs], attributes, op.infer(inputs, attributes), undefined).outputs;
  }

  /** The leaf with this name. */
  find(name: string): Value | undefined {
    return this.nodes.find((node) => node.leaf?.name === name)?.outputs[0];
  }

  leaves(): Node[] {
    return this.nodes.filter((node) => node.leaf);
  }

  private node(
    op: Op | undefined,
    inputs: readonly Value[],
    attributes: Attributes,
    types: readonly TensorType[],
    leaf: Leaf | undefined,
  ): Node {
    const outputs: Value[] = [];
    const node: Node = { id: this.nodes.length, graph: this, op, inputs, attributes, outputs, leaf };
    for (const type of types) outputs.push({ id: this.values++, node, ...type });
    this.nodes.push(node);
    return node;
  }
}

/** Sizes of the slots: in a run, or at their maxima. */
export type SlotSizes = Readonly<Record<Slot, number>>;

export function sizeOf(dim: Dim, slots: SlotSizes): number {
  return typeof dim === "number" ? dim : slots[dim];
}

/** Number of elements of a shape for given slots. */
export function elements(shape: Shape, slots: SlotSizes): number {
  return shape.reduce<number>((product, dim) => product * sizeOf(dim, slots), 1);
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}
