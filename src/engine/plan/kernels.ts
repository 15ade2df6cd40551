/**
 * The kernel table: for every op the kernel that computes it, in which operand order, in how many units of work and at what cost. An op
 * without a row for its dtypes is expanded into its decomposition; a `view` costs nothing.
 */
import * as layout from "../../../kernels/layout.ts";
import type { Dim, Node, Shape, Value } from "../graph/graph.ts";
import type { OpName } from "../ops/index.ts";
import { NORM_PIECE } from "../ops/optimizer.ts";
import { matmulDims } from "../ops/primitives.ts";
import { constant, dimExtent, type Extent, extentOf, times } from "./extent.ts";

export type OperandSpec =
  | { readonly kind: "memory"; readonly value: Value; readonly access: number; readonly byteOffset?: number }
  | { readonly kind: "scalar"; readonly extent: Extent }
  | { readonly kind: "float"; readonly value: number; readonly slot: number }
  /** 1 where the result is added to what the output holds, else 0: decided by the lowering. */
  | { readonly kind: "accumulate" };

export interface Work {
  readonly kernel: string;
  readonly operands: readonly OperandSpec[];
  readonly units: Extent;
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

const VIEW: KernelRow = { work: () => undefined, view: true };
/** Columns of a unit of the linear kernels and of every column-split reduction. */
const COLUMNS = 16;
const ELEMENTS = 1024;

export const kernels: Record<OpName, KernelRow> = {
  reshape: VIEW,
  add: binary("add"),
  sub: binary("sub"),
  mul: binary("mul"),
  div: binary("div"),
  less_equal: binary("less_equal"),
  equal: binary("equal"),
  exp: unary("exp"),
  log: unary("log"),
  rsqrt: unary("rsqrt"),
  select: row((node) => {
    const [condition, a, b] = node.inputs;
    const { r, c } = flat(a.shape);
    return work("select", [read(condition), read(a), read(b), write(node.outputs[0]), int(r), int(c)], r, c);
  }),
  fill: row((node) => {
    const n = extentOf(node.outputs[0].shape);
    const operands = [write(node.outputs[0]), int(n), float(node.attributes.value as number)];
    return { kernel: "fill", operands, units: pieces(n, ELEMENTS), cost: () => ELEMENTS };
  }),
  iota: row((node) => {
    const shape = node.outputs[0].shape;
    const axis = node.attributes.axis as number;
    const flatAxis = shape.slice(axis + 1).every((dim) => dim === 1) ? 1 : 0;
    const [r, c] = flatAxis
      ? [extentOf(shape.slice(0, axis)), dimExtent(shape[axis])]
      : [dimExtent(shape[axis]), extentOf(shape.slice(axis + 1))];
    if (!flatAxis && !shape.slice(0, axis).every((dim) => dim === 1)) return undefined;
    return work("iota", [write(node.outputs[0]), int(r), int(c), int(constant(flatAxis))], r, c);
  }),
  cast: row((node) => {
    const n = extentOf(node.inputs[0].shape);
    const operands = [read(node.inputs[0]), write(node.outputs[0]), int(n)];
    return { kernel: "cast_u32_f32", operands, units: pieces(n, ELEMENTS), cost: () => ELEMENTS };
  }),
  sum: row((node) => {
    const [x] = node.inputs;
    const axis = node.attributes.axis as number;
    const [before, after] = [x.shape.slice(0, axis), x.shape.slice(axis + 1)];
    if (after.every((dim) => dim === 1)) {
      const [r, c] = [extentOf(before), dimExtent(x.shape[axis])];
      return work("sum_columns", [read(x), write(node.outputs[0]), int(r), int(c)], r, c);
    }
    if (!before.every((dim) => dim === 1)) return undefined;
    const [r, c] = [dimExtent(x.shape[axis]), extentOf(after)];
    const operands = [read(x), write(node.outputs[0]), int(r), int(c), ACCUMULATE];
    return { kernel: "sum_rows", operands, units: pieces(c, COLUMNS), cost: costOf(r, COLUMNS) };
  }),
  max: row((node) => {
    const [x] = node.inputs;
    const [r, c] = [extentOf(x.shape.slice(0, -1)), dimExtent(x.shape[x.shape.length - 1])];
    return work("max_columns", [read(x), write(node.outputs[0]), int(r), int(c)], r, c);
  }),
  transpose: row((node) => {
    const from = strides(node.inputs[0].shape);
    const order = node.attributes.order as readonly number[];
    return copy(
      node.inputs[0],
      node.outputs[0],
      order.map((axis) => from[axis]),
    );
  }),
  broadcast: row((node) => {
    const [x] = node.inputs;
    return copy(
      x,
      node.outputs[0],
      strides(x.shape).map((stride, i) => (x.shape[i] === 1 ? constant(0) : stride)),
    );
  }),
  matmul: row(matmul),
  gather: row((node) => {
    const [x, index] = node.inputs;
    const [t, o, c] = [x.shape[0], index.shape[0], x.shape[1]].map(dimExtent);
    return work("gather", [read(x), read(index), write(node.outputs[0]), int(t), int(o), int(c)], o, c);
  }),
  scatter_add: row((node) => {
    const [dy, index, like] = node.inputs;
    const [t, o, c] = [like.shape[0], index.shape[0], like.shape[1]].map(dimExtent);
    const operands = [read(dy), read(index), write(node.outputs[0]), int(t), int(o), int(c), ACCUMULATE];
    return { kernel: "scatter_add", operands, units: pieces(c, COLUMNS), cost: costOf(o, COLUMNS) };
  }),

  store: row((node) => {
    const [target, x] = node.inputs;
    const [r, c] = [dimExtent(x.shape[0]), extentOf(x.shape.slice(1))];
    const rest = [constant(1), constant(1), c, constant(1), constant(0), constant(0), constant(0)];
    return work("copy", [read(x), write(target), ...[r, c, ...rest].map(int)], r, c);
  }),
  accumulate: row((node) => {
    const [state, x] = node.inputs;
    const n = extentOf(x.shape);
    return {
      kernel: "accumulate",
      operands: [both(state), read(x), int(n)],
      units: pieces(n, ELEMENTS),
      cost: () => ELEMENTS,
    };
  }),
  cache_write: row((node) => {
    const [cache, x, position, sequence, sequences] = node.inputs;
    const { context, caches } = node.attributes as Record<string, number>;
    const [t, c, s] = [x.shape[0], x.shape[1], sequences.shape[0]].map(dimExtent);
    const operands = [read(x), both(cache), read(position), read(sequence), read(sequences)];
    return work(
      "cache_write",
      [...operands, ...[t, c, s, constant(context), constant(caches)].map(int)],
      t,
      c,
    );
  }),
  sum_squares: row((node) => {
    const [target, x] = node.inputs;
    const n = extentOf(x.shape);
    const into = { ...write(target), byteOffset: 4 * (node.attributes.first as number) };
    return {
      kernel: "sum_squares",
      operands: [read(x), into, int(n)],
      units: pieces(n, NORM_PIECE),
      cost: () => NORM_PIECE,
    };
  }),
  optimizer_schedule: row((node) => {
    const [schedule, weightSum, parts] = node.inputs;
    const { maxNorm, beta1, beta2 } = node.attributes as Record<string, number>;
    const operands = [
      read(parts),
      both(weightSum),
      both(schedule),
      int(extentOf(parts.shape)),
      float(maxNorm),
      float(beta1),
      float(beta2),
    ];
    return {
      kernel: "optimizer_schedule",
      operands,
      units: constant(1),
      cost: costOf(extentOf(parts.shape), 1),
    };
  }),
  adamw: row((node) => {
    const [parameter, gradient, m, v, schedule] = node.inputs;
    const { beta1, beta2, eps, weightDecay } = node.attributes as Record<string, number>;
    const n = extentOf(parameter.shape);
    const memory = [both(parameter), both(gradient), both(m), both(v), read(schedule)];
    const floats = [floatSlot(layout.SLOT_LEARNING_RATE), ...[beta1, beta2, eps, weightDecay].map(float)];
    return {
      kernel: "adamw",
      operands: [...memory, int(n), ...floats],
      units: pieces(n, ELEMENTS),
      cost: () => 8 * ELEMENTS,
    };
  }),

  quantize: row((node) => {
    const [x] = node.inputs;
    const [t, k] = x.shape.map(dimExtent);
    return work("quantize", [read(x), write(node.outputs[0]), int(t), int(k)], t, k);
  }),
  linear_i8: row((node) => {
    const [x, w] = node.inputs;
    if (w.dtype !== "q8_0_r8" && w.dtype !== "q4_0_r8") return undefined;
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
      units: pieces(dimExtent(bank.shape[2]), COLUMNS),
      cost: (size) => size(x.shape[0]) * n * COLUMNS,
    };
  }),
  embedding: row((node) => {
    const [table, token] = node.inputs;
    const [t, c, v] = [token.shape[0], table.shape[1], table.shape[0]].map(dimExtent);
    return work(
      `embedding_${table.dtype}`,
      [read(token), read(table), write(node.outputs[0]), int(t), int(c), int(v)],
      t,
      c,
    );
  }),
  embedding_grad: row((node) => {
    const [dy, token, table] = node.inputs;
    const [t, c, v] = [token.shape[0], table.shape[1], table.shape[0]].map(dimExtent);
    const operands = [read(token), read(dy), write(node.outputs[0]), int(t), int(c), int(v), ACCUMULATE];
    return { kernel: "embedding_grad", operands, units: pieces(c, COLUMNS), cost: costOf(t, COLUMNS) };
  }),
  rms_norm: row((node) => {
    const [x, w] = node.inputs;
    const [t, c] = x.shape.map(dimExtent);
    const operands = [
      read(x),
      read(w),
      write(node.outputs[0]),
      write(node.outputs[1]),
      int(t),
      int(c),
      float(node.attributes.eps as number),
    ];
    return { ...work("rms_norm", operands, t, c), inPlace: [[0, 0]] };
  }),
  rms_norm_grad_x: row((node) => {
    const [dy, x, w, r] = node.inputs;
    const [t, c] = x.shape.map(dimExtent);
    return work(
      "rms_norm_grad_x",
      [read(dy), read(x), read(w), read(r), write(node.outputs[0]), int(t), int(c), ACCUMULATE],
      t,
      c,
    );
  }),
  rms_norm_grad_w: row((node) => {
    const [dy, x, , r] = node.inputs;
    const [t, c] = x.shape.map(dimExtent);
    const operands = [read(dy), read(x), read(r), write(node.outputs[0]), int(t), int(c), ACCUMULATE];
    return { kernel: "rms_norm_grad_w", operands, units: pieces(c, COLUMNS), cost: costOf(t, COLUMNS) };
  }),
  rope: row((node) => {
    const [x, position, table] = node.inputs;
    const { heads, d, inverse } = node.attributes as Record<string, number>;
    const t = dimExtent(x.shape[0]);
    const scalars = [
      t,
      constant(heads),
      constant(d),
      dimExtent(table.shape[0]),
      constant(Number(inverse)),
    ].map(int);
    const memory = [read(x), read(position), read(table), write(node.outputs[0])];
    return { ...work("rope", [...memory, ...scalars], t, constant(heads * d)), inPlace: [[0, 0]] };
  }),
  attention: row((node) => {
    const [q, k, v, position, sequence, sequences] = node.inputs;
    const { heads, kvHeads, d, context, caches, scale } = node.attributes as Record<string, number>;
    const [t, s] = [q.shape[0], sequences.shape[0]].map(dimExtent);
    const [out, lse] = node.outputs;
    const memory = [q, k, v]
      .map(read)
      .concat([out, lse].map(write), [position, sequence, sequences].map(read));
    const scalars = [t, s, ...[heads, kvHeads, d, context, caches].map(constant)].map(int);
    return {
      kernel: "attention",
      operands: [...memory, ...scalars, float(scale)],
      units: times(t, heads),
      cost: (size) => 2 * d * (context || size(q.shape[0])),
      scratch: { t: q.shape[0], context },
    };
  }),
  attention_grad_q: row((node) => {
    const [dout, q, k, v, , sequence, sequences, out, lse] = node.inputs;
    const [dq, delta] = node.outputs;
    const memory = [q, k, v, out, dout, lse]
      .map(read)
      .concat([dq, delta].map(write), [sequence, sequences].map(read));
    return attentionGradient("attention_grad_q", node, memory, "heads");
  }),
  attention_grad_kv: row((node) => {
    const [dout, q, k, v, , sequence, sequences, lse, delta] = node.inputs;
    const [dk, dv] = node.outputs;
    const memory = [q, k, v, dout, lse, delta]
      .map(read)
      .concat([dk, dv].map(write), [sequence, sequences].map(read));
    return attentionGradient("attention_grad_kv", node, memory, "kvHeads");
  }),
  swiglu: row((node) => {
    const [t, f] = node.inputs[0].shape.map(dimExtent);
    const operands = [...node.inputs.map(read), write(node.outputs[0]), int(t), int(f)];
    return {
      ...work("swiglu", operands, t, times(f, 8)),
      inPlace: [
        [0, 0],
        [0, 1],
      ],
    };
  }),
  swiglu_grad: row((node) => {
    const [t, f] = node.inputs[0].shape.map(dimExtent);
    const operands = [...node.inputs.map(read), ...node.outputs.map(write), int(t), int(f)];
    return {
      ...work("swiglu_grad", operands, t, times(f, 12)),
      inPlace: [
        [0, 1],
        [1, 2],
      ],
    };
  }),
  cross_entropy: row((node) => {
    const [o, v] = node.inputs[0].shape.map(dimExtent);
    return work(
      "cross_entropy",
      [...node.inputs.map(read), ...node.outputs.map(write), int(o), int(v)],
      o,
      times(v, 8),
    );
  }),
  cross_entropy_grad: row((node) => {
    const [dloss, logits, target, weight, lse] = node.inputs;
    const [o, v] = logits.shape.map(dimExtent);
    const memory = [logits, target, weight, lse, dloss].map(read).concat([write(node.outputs[0])]);
    return { ...work("cross_entropy_grad", [...memory, int(o), int(v)], o, times(v, 8)), inPlace: [[0, 1]] };
  }),
  sample: row((node) => {
    const [o, v] = node.inputs[0].shape.map(dimExtent);
    const random = [constant(node.id), slotInt(layout.SLOT_SEED), slotInt(layout.SLOT_STEP)];
    const operands = [
      read(node.inputs[0]),
      write(node.outputs[0]),
      ...[o, v, ...random].map(int),
      floatSlot(layout.SLOT_TEMPERATURE),
    ];
    return work("sample", operands, o, v);
  }),
};

// ── How rows are made ───────────────────────────────────────────────────────────────────────────────────────────────

const ACCUMULATE: OperandSpec = { kind: "accumulate" };

function row(work: KernelRow["work"]): KernelRow {
  return { work };
}

function memory(access: number) {
  return (value: Value) => ({ kind: "memory" as const, value, access });
}

function read(value: Value) {
  return memory(layout.ACCESS_READ)(value);
}
function write(value: Value) {
  return memory(layout.ACCESS_WRITE)(value);
}
function both(value: Value) {
  return memory(layout.ACCESS_READ | layout.ACCESS_WRITE)(value);
}
function int(extent: Extent): OperandSpec {
  return { kind: "scalar", extent };
}
function slotInt(slot: number): Extent {
  return { a: 0, slot, b: 1 };
}
function float(value: number): OperandSpec {
  return { kind: "float", value, slot: layout.SLOT_NONE };
}
function floatSlot(slot: number): OperandSpec {
  return { kind: "float", value: 0, slot };
}

/** ⌈n / size⌉ units; for a run-time n the whole number of pieces that surely covers it. */
function pieces(n: Extent, size: number): Extent {
  if (!n.b) return constant(Math.ceil(n.a / size));
  return { a: n.a, slot: n.slot, b: Math.ceil(n.b / size) };
}

/** A kernel that works row by row. */
function work(kernel: string, operands: readonly OperandSpec[], rows: Extent, columns: Extent): Work {
  return { kernel, operands, units: rows, cost: costOf(columns, 1) };
}

function costOf(extent: Extent, factor: number): Work["cost"] {
  return (size) => factor * (extent.a + (extent.b ? extent.b * size(slotDim(extent)) : 0));
}

function slotDim({ slot }: Extent): Dim {
  return slot === layout.SLOT_ROWS ? "rows" : slot === layout.SLOT_SEQUENCES ? "sequences" : "outputs";
}

/** (R, C): all leading dimensions, and the last. */
function flat(shape: Shape): { r: Extent; c: Extent } {
  return { r: extentOf(shape.slice(0, -1)), c: dimExtent(shape[shape.length - 1]) };
}

function unary(kernel: string): KernelRow {
  return row((node) => {
    const { r, c } = flat(node.inputs[0].shape);
    const operands = [read(node.inputs[0]), write(node.outputs[0]), int(r), int(c)];
    return { ...work(kernel, operands, r, c), inPlace: [[0, 0]] };
  });
}

/** Splits the axes into (R, C) so that b is either whole or single along each part; there is no kernel for other broadcasts. */
function binary(kernel: string): KernelRow {
  return row((node) => {
    const [a, b] = node.inputs;
    for (let split = 0; split <= a.shape.length; split++) {
      const [rows, columns] = [a.shape.slice(0, split), a.shape.slice(split)];
      const whole = (part: Shape, from: number) => part.every((dim, i) => b.shape[from + i] === dim);
      const single = (part: Shape, from: number) => part.every((_, i) => b.shape[from + i] === 1);
      const [wholeRows, wholeColumns] = [whole(rows, 0), whole(columns, split)];
      if ((!wholeRows && !single(rows, 0)) || (!wholeColumns && !single(columns, split))) continue;
      const [r, c] = [extentOf(rows), extentOf(columns)];
      const rowStride = wholeRows ? (wholeColumns ? c : constant(1)) : constant(0);
      const scalars = [r, c, rowStride, constant(wholeColumns ? 1 : 0)].map(int);
      return {
        ...work(kernel, [read(a), read(b), write(node.outputs[0]), ...scalars], r, c),
        inPlace: [[0, 0]],
      };
    }
    return undefined;
  });
}

function copy(x: Value, y: Value, from: readonly Extent[]): Work | undefined {
  const dims = y.shape.map(dimExtent);
  if (dims.length > 4) return undefined;
  const missing = 4 - dims.length;
  const extents = [...dims, ...Array<Extent>(missing).fill(constant(1))];
  const steps = [...from, ...Array<Extent>(missing).fill(constant(0))];
  const operands = [read(x), write(y), ...[...extents, ...steps, constant(0)].map(int)];
  return { kernel: "copy", operands, units: dims[0], cost: costOf(extentOf(y.shape.slice(1)), 1) };
}

function strides(shape: Shape): Extent[] {
  return shape.map((_, i) => extentOf(shape.slice(i + 1)));
}

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
    operands: [...memoryOperands, ...[t, k, n].map((dim) => int(dimExtent(dim))), ACCUMULATE],
    units: pieces(dimExtent(split), COLUMNS),
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
  const scalars = [
    dimExtent(t),
    dimExtent(sequences.value.shape[0]),
    constant(k),
    constant(n),
    constant(adapters),
  ];
  return {
    kernel,
    operands: [
      ...memoryOperands,
      ...scalars.map(int),
      ACCUMULATE,
      int(constant(Number(node.attributes.scaled))),
    ],
    units: dimExtent(t),
    cost: () => n * k,
    scratch: { t, k, n },
  };
}

function attentionGradient(
  kernel: string,
  node: Node,
  memoryOperands: readonly OperandSpec[],
  by: "heads" | "kvHeads",
): Work {
  const [dout, , , , , , sequences] = node.inputs;
  const { heads, kvHeads, d, scale } = node.attributes as Record<string, number>;
  const [t, s] = [dout.shape[0], sequences.shape[0]].map(dimExtent);
  return {
    kernel,
    operands: [...memoryOperands, ...[t, s, ...[heads, kvHeads, d].map(constant)].map(int), float(scale)],
    units: times(t, by === "heads" ? heads : kvHeads),
    cost: (size) => (3 * d * size(dout.shape[0]) * heads) / (by === "heads" ? heads : kvHeads),
    scratch: { t: dout.shape[0] },
  };
}

function matmul(node: Node): Work {
  const [a, b] = node.inputs;
  const { m, k, n } = matmulDims(a.shape, b.shape, node.attributes);
  const leading = a.shape.slice(0, -2);
  const [mm, kk, nn, batch] = [dimExtent(m), dimExtent(k), dimExtent(n), extentOf(leading)];
  const one = constant(1);
  const aSteps = [extentOf([m, k]), ...(node.attributes.transposeA ? [one, mm] : [kk, one])];
  const bSteps = [extentOf([k, n]), ...(node.attributes.transposeB ? [one, kk] : [nn, one])];
  const scalars = [batch, mm, nn, kk, ...aSteps, ...bSteps].map(int);
  return {
    kernel: "matmul",
    operands: [read(a), read(b), write(node.outputs[0]), ...scalars, ACCUMULATE],
    units: extentOf([...leading, m]),
    cost: costOf(extentOf([k, n]), 1),
  };
}
