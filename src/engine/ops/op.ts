/**
 * What an op is. A *primitive* gives its shape rule, its reference in f64 and its gradient; a *fused* op gives its decomposition into
 * primitives, from which all three follow. A hand-written gradient is an optimisation and is tested against the derived one.
 */
import type { Blocks } from "../dtypes/packed/blocks.ts";
import { type Attributes, Graph, type TensorType, type Value } from "../graph/graph.ts";
import { gradientOf } from "../transform/gradient.ts";
import { interpret } from "../transform/reference.ts";

/** A tensor of the reference: concrete sizes, f64. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
  /** Present where the tensor stands for blocks of integers: what is exactly behind `data`. */
  readonly blocks?: Blocks;
}

/** A tensor of the reference whose i-th element (row-major) is f(i). */
export function tensor(shape: readonly number[], f: (i: number) => number): Tensor {
  const data = new Float64Array(product(shape));
  for (let i = 0; i < data.length; i++) data[i] = f(i);
  return { shape: [...shape], data };
}

export function product(sizes: readonly number[]): number {
  return sizes.reduce((a, b) => a * b, 1);
}

export type Gradients = readonly (Value | undefined)[];

export interface Op {
  readonly name: string;
  infer(inputs: readonly Value[], attributes: Attributes): readonly TensorType[];
  /** Outputs for given inputs; an op that writes changes the data of its state inputs. */
  reference(inputs: readonly Tensor[], attributes: Attributes): Tensor[];
  /** Appends nodes that give d(loss)/d(input) for every input of which `wanted` is true. Absent: there is none. */
  gradient?(
    inputs: readonly Value[],
    outputs: readonly Value[],
    doutputs: Gradients,
    attributes: Attributes,
    wanted: readonly boolean[],
  ): Gradients;
  /** Appends the equivalent primitives. Absent: the op is one. */
  decompose?(inputs: readonly Value[], attributes: Attributes): readonly Value[];
  /** The second input is repeated along its axes of size 1. */
  readonly broadcasts?: boolean;
  /** Indices of the inputs that the op writes (states). */
  readonly writes?: readonly number[];
  /** Inputs that hold indices, tables or frozen data: no gradient flows to them, and it is no error to ask an op without a gradient for theirs. */
  readonly constants?: readonly number[];
}

export function primitive(op: Omit<Op, "decompose">): Op {
  return op;
}

export function fused(
  op: Pick<Op, "name" | "gradient" | "constants"> & { decompose: NonNullable<Op["decompose"]> },
): Op {
  return {
    ...op,
    infer: (inputs, attributes) =>
      standIn(inputs, (leaves) => op.decompose(leaves, attributes)).outputs.map(({ shape, dtype }) => ({
        shape,
        dtype,
      })),
    reference: (inputs, attributes) => {
      const { graph, leaves, outputs } = standIn(tensorTypes(inputs), (leaves) =>
        op.decompose(leaves, attributes),
      );
      const values = new Map(leaves.map((leaf, i) => [leaf, inputs[i]]));
      interpret(graph, values, { rows: 0, sequences: 0, outputs: 0 });
      return outputs.map((value) => values.get(value)!);
    },
    gradient:
      op.gradient ??
      ((inputs, _outputs, doutputs, attributes, wanted) => {
        const recomputed = op.decompose(inputs, attributes);
        return gradientOf(recomputed, doutputs, inputs, wanted);
      }),
  };
}

/**
 * The gradient of another op as an op of its own: inputs are the gradients of the base's first output, then the base's inputs (then
 * anything that its kernel saved, which the mathematics does not need); outputs are d/d(base input i) for i in `wanted`.
 */
export function gradientOp(
  name: string,
  base: Op,
  baseInputs: number,
  wanted: readonly number[],
  constants?: readonly number[],
): Op {
  return fused({
    name,
    constants,
    decompose: ([dy, ...rest], attributes) => {
      const inputs = rest.slice(0, baseInputs);
      const outputs = base.decompose!(inputs, attributes);
      const flags = inputs.map((_, i) => wanted.includes(i));
      const gradients = gradientOf(outputs, [dy], inputs, flags);
      return wanted.map((i) => gradients[i]!);
    },
  });
}

function standIn(types: readonly TensorType[], build: (leaves: Value[]) => readonly Value[]) {
  const graph = new Graph();
  const leaves = types.map(({ shape, dtype }, i) => graph.leaf("input", `${i}`, shape, dtype));
  return { graph, leaves, outputs: build(leaves) };
}

function tensorTypes(tensors: readonly Tensor[]): TensorType[] {
  return tensors.map(({ shape }) => ({ shape, dtype: "f32" }));
}
