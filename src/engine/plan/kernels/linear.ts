/** Kernels that read weights: linears, adapters, embeddings. */
import { blockDtypes } from "../../dtypes/index.ts";
import type { Dim, Node, Value } from "../../graph/graph.ts";
import { constant, dimOf } from "../affine.ts";
import {
  ACCUMULATE,
  COLUMNS,
  costOf,
  int,
  type KernelRow,
  type OperandSpec,
  pieces,
  read,
  row,
  type Work,
  work,
  write,
} from "./work.ts";

export const linearKernels = {
  quantize: row((node) => {
    const [x] = node.inputs;
    const [t, k] = x.shape.map(dimOf);
    return work("quantize", [read(x), write(node.outputs[0]), int(t), int(k)], t, k);
  }),
  linear_i8: row((node) => {
    const [x, w] = node.inputs;
    if (!(w.dtype in blockDtypes)) return undefined;
    return product(
      `linear_i8_${w.dtype}`,
      [read(x), read(w), write(node.outputs[0])],
      x.shape[0],
      x.shape[1],
      w.shape[0],
      w.shape[0],
    );
  }),
  linear: row((node) => {
    const [x, w] = node.inputs;
    return product(
      `linear_${w.dtype}`,
      [read(x), read(w), write(node.outputs[0])],
      x.shape[0],
      x.shape[1],
      w.shape[0],
      w.shape[0],
    );
  }),
  linear_grad_x: row((node) => {
    const [dy, w] = node.inputs;
    return product(
      `linear_grad_x_${w.dtype}`,
      [read(dy), read(w), write(node.outputs[0])],
      dy.shape[0],
      w.shape[1],
      w.shape[0],
      w.shape[1],
    );
  }),
  linear_grad_w: row((node) => {
    const [dy, x] = node.inputs;
    return product(
      "linear_grad_w",
      [read(dy), read(x), write(node.outputs[0])],
      dy.shape[0],
      x.shape[1],
      dy.shape[1],
      x.shape[1],
    );
  }),
  adapter_linear: row((node) => {
    const [x, bank, , sequences] = node.inputs;
    return adapter(
      "adapter_linear",
      node,
      [read(x), read(bank), write(node.outputs[0]), read(sequences)],
      x.shape[0],
      bank,
    );
  }),
  adapter_linear_grad_x: row((node) => {
    const [dy, x, bank, , sequences] = node.inputs;
    return adapter(
      "adapter_linear_grad_x",
      node,
      [read(dy), read(bank), write(node.outputs[0]), read(sequences)],
      x.shape[0],
      bank,
    );
  }),
  adapter_linear_grad_w: row((node) => {
    const [dy, x, bank, , sequences] = node.inputs;
    const rows = adapter(
      "adapter_linear_grad_w",
      node,
      [read(dy), read(x), write(node.outputs[0]), read(sequences)],
      x.shape[0],
      bank,
    );
    const n = bank.shape[1] as number;
    return {
      ...rows,
      units: pieces(dimOf(bank.shape[2]), COLUMNS),
      cost: (size) => size(x.shape[0]) * n * COLUMNS,
    };
  }),
  embedding: row((node) => {
    const [table, token] = node.inputs;
    const [t, c, v] = [token.shape[0], table.shape[1], table.shape[0]].map(dimOf);
    return work(
      `embedding_${table.dtype}`,
      [read(token), read(table), write(node.outputs[0]), int(t), int(c), int(v)],
      t,
      c,
    );
  }),
  embedding_grad: row((node) => {
    const [dy, token, table] = node.inputs;
    const [t, c, v] = [token.shape[0], table.shape[1], table.shape[0]].map(dimOf);
    const operands = [read(token), read(dy), write(node.outputs[0]), int(t), int(c), int(v), ACCUMULATE];
    return { kernel: "embedding_grad", operands, units: pieces(c, COLUMNS), cost: costOf(t, COLUMNS) };
  }),
} satisfies Record<string, KernelRow>;

/** Linear kernels: t rows, k columns in, n columns out, split in units of 16 of `split`. */
function product(
  kernel: string,
  memoryOperands: readonly OperandSpec[],
  t: Dim,
  k: Dim,
  n: Dim,
  split: Dim,
): Work {
  const [kk, nn] = [k as number, n as number];
  return {
    kernel,
    operands: [...memoryOperands, ...[t, k, n].map((dim) => int(dimOf(dim))), ACCUMULATE],
    units: pieces(dimOf(split), COLUMNS),
    cost: (size) => (size(t) * kk * nn) / Math.ceil((split as number) / COLUMNS),
    scratch: { t, k, n },
  };
}

function adapter(
  kernel: string,
  node: Node,
  memoryOperands: readonly OperandSpec[],
  t: Dim,
  bank: Value,
): Work {
  const [adapters, n, k] = bank.shape as readonly number[];
  const sequences = memoryOperands[3] as Extract<OperandSpec, { kind: "memory" }>;
  const scalars = [dimOf(t), dimOf(sequences.value.shape[0]), constant(k), constant(n), constant(adapters)];
  return {
    kernel,
    operands: [
      ...memoryOperands,
      ...scalars.map(int),
      ACCUMULATE,
      int(constant(Number(node.attributes.scaled))),
    ],
    units: dimOf(t),
    cost: () => n * k,
    scratch: { t, k, n },
  };
}
