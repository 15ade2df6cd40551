/** Kernels between the linears: norms, positions, attention, activation, loss, sampling. */
import * as layout from "../../../../kernels/layout.ts";
import type { DtypeName, Node } from "../../graph/graph.ts";
import { type Affine, constant, dimOf, times } from "../affine.ts";
import {
  ACCUMULATE,
  both,
  COLUMNS,
  costOf,
  float,
  floatSlot,
  int,
  type KernelRow,
  type OperandSpec,
  pieces,
  read,
  row,
  slotInt,
  type Work,
  work,
  write,
} from "./work.ts";

export const layerKernels = {
  rms_norm: row((node) => {
    const [x, w] = node.inputs;
    const { t, c } = parts(node);
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
    const { t, c } = parts(node);
    return work(
      "rms_norm_grad_x",
      [read(dy), read(x), read(w), read(r), write(node.outputs[0]), int(t), int(c), ACCUMULATE],
      t,
      c,
    );
  }),
  rms_norm_grad_w: row((node) => {
    const [dy, x, , r] = node.inputs;
    const { t, c } = parts(node);
    const operands = [read(dy), read(x), read(r), write(node.outputs[0]), int(t), int(c), ACCUMULATE];
    return { kernel: "rms_norm_grad_w", operands, units: pieces(c, COLUMNS), cost: costOf(t, COLUMNS) };
  }),
  rope: row((node) => {
    const [x, position, table] = node.inputs;
    const { heads, d, inverse } = node.attributes as Record<string, number>;
    const t = dimOf(x.shape[0]);
    const scalars = [t, constant(heads), constant(d), dimOf(table.shape[0]), constant(Number(inverse))].map(
      int,
    );
    const memory = [read(x), read(position), read(table), write(node.outputs[0])];
    return { ...work("rope", [...memory, ...scalars], t, constant(heads * d)), inPlace: [[0, 0]] };
  }),
  attention: row((node) => {
    const [q, k, v, position, sequence, sequences] = node.inputs;
    const { heads, kvHeads, d, context, caches, window, capacity, scale } = node.attributes as Record<
      string,
      number
    >;
    const [t, s] = [q.shape[0], sequences.shape[0]].map(dimOf);
    const [out, lse] = node.outputs;
    const memory = [q, k, v]
      .map(read)
      .concat([out, lse].map(write), [position, sequence, sequences].map(read));
    const scalars = [t, s, ...[heads, kvHeads, d, context, caches, window, capacity].map(constant)].map(int);
    return {
      kernel: cacheKernel("attention", k.dtype),
      operands: [...memory, ...scalars, float(scale)],
      units: times(t, heads),
      cost: (size) => 2 * d * visible(window, context || size(q.shape[0])),
      scratch: { t: q.shape[0], d, context, window },
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
  swiglu: gated("swiglu", 8),
  swiglu_grad: gatedGradient("swiglu_grad", 12),
  geglu: gated("geglu", 10),
  geglu_grad: gatedGradient("geglu_grad", 16),
  cross_entropy: row((node) => {
    const [o, v] = node.inputs[0].shape.map(dimOf);
    return work(
      "cross_entropy",
      [...node.inputs.map(read), ...node.outputs.map(write), int(o), int(v)],
      o,
      times(v, 8),
    );
  }),
  cross_entropy_grad: row((node) => {
    const [dloss, logits, target, weight, lse] = node.inputs;
    const [o, v] = logits.shape.map(dimOf);
    const memory = [logits, target, weight, lse, dloss].map(read).concat([write(node.outputs[0])]);
    return { ...work("cross_entropy_grad", [...memory, int(o), int(v)], o, times(v, 8)), inPlace: [[0, 1]] };
  }),
  sample: row((node) => {
    const [o, v] = node.inputs[0].shape.map(dimOf);
    const [logits, outputRow, sequence, sequences, history] = node.inputs;
    const { context, caches } = node.attributes as Record<string, number>;
    const random = [constant(layout.STREAM_SAMPLE), slotInt(layout.SLOT_SEED), slotInt(layout.SLOT_STEP)];
    const sizes = [dimOf(sequence.shape[0]), dimOf(sequences.shape[0]), constant(context), constant(caches)];
    const operands = [
      read(logits),
      write(node.outputs[0]),
      ...[outputRow, sequence, sequences, history].map(read),
      ...[o, v, ...random, ...sizes, slotInt(layout.SLOT_TOP_K)].map(int),
      floatSlot(layout.SLOT_TEMPERATURE),
      floatSlot(layout.SLOT_REPETITION_PENALTY),
      floatSlot(layout.SLOT_TOP_P),
      floatSlot(layout.SLOT_MIN_P),
    ];
    return { ...work("sample", operands, o, v), scratch: { v: logits.shape[1] } };
  }),
  history_write: row((node) => {
    const [history, token, position, sequence, sequences] = node.inputs;
    const { context, caches } = node.attributes as Record<string, number>;
    const [t, s] = [token.shape[0], sequences.shape[0]].map(dimOf);
    const operands = [read(token), both(history), read(position), read(sequence), read(sequences)];
    return work(
      "history_write",
      [...operands, ...[t, s, constant(context), constant(caches)].map(int)],
      t,
      constant(1),
    );
  }),
} satisfies Record<string, KernelRow>;

/** The kernel for a cache of this dtype. */
export const cacheKernel = (kernel: string, dtype: DtypeName) =>
  dtype === "f32" ? kernel : `${kernel}_${dtype.replace("_rows", "")}`;

/** Keys that a row sees at most. */
const visible = (window: number, keys: number) => (window ? Math.min(window, keys) : keys);

/** The norm's rows for the kernel: the groups of a row lie side by side, so each is a row of its own. */
function parts(node: Node): { t: Affine; c: Affine } {
  const x = node.op!.name === "rms_norm" ? node.inputs[0] : node.inputs[1];
  const { groups } = node.attributes as Record<string, number>;
  return { t: times(dimOf(x.shape[0]), groups), c: constant((x.shape[1] as number) / groups) };
}

/** y of gate and up, element by element, at `cost` operations each. */
function gated(kernel: string, cost: number): KernelRow {
  return row((node) => {
    const [t, f] = node.inputs[0].shape.map(dimOf);
    const operands = [...node.inputs.map(read), write(node.outputs[0]), int(t), int(f)];
    return {
      ...work(kernel, operands, t, times(f, cost)),
      inPlace: [
        [0, 0],
        [0, 1],
      ],
    };
  });
}

/** dgate and dup of dy, gate and up. */
function gatedGradient(kernel: string, cost: number): KernelRow {
  return row((node) => {
    const [t, f] = node.inputs[0].shape.map(dimOf);
    const operands = [...node.inputs.map(read), ...node.outputs.map(write), int(t), int(f)];
    return {
      ...work(kernel, operands, t, times(f, cost)),
      inPlace: [
        [0, 1],
        [1, 2],
      ],
    };
  });
}

function attentionGradient(
  kernel: string,
  node: Node,
  memoryOperands: readonly OperandSpec[],
  by: "heads" | "kvHeads",
): Work {
  const [dout, , , , , , sequences] = node.inputs;
  const { heads, kvHeads, d, window, scale } = node.attributes as Record<string, number>;
  const [t, s] = [dout.shape[0], sequences.shape[0]].map(dimOf);
  return {
    kernel,
    operands: [
      ...memoryOperands,
      ...[t, s, ...[heads, kvHeads, d, window].map(constant)].map(int),
      float(scale),
    ],
    units: times(t, by === "heads" ? heads : kvHeads),
    cost: (size) =>
      (3 * d * visible(window, size(dout.shape[0])) * heads) / (by === "heads" ? heads : kvHeads),
    scratch: { t: dout.shape[0] },
  };
}
