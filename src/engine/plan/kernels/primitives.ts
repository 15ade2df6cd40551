/** Kernels of the primitives. */
import type { Node, Shape, Value } from "../../graph/graph.ts";
import { matmulDims } from "../../ops/matmul.ts";
import { type Affine, constant, countOf, dimOf } from "../affine.ts";
import {
  ACCUMULATE,
  COLUMNS,
  costOf,
  ELEMENTS,
  flat,
  float,
  int,
  type KernelRow,
  pieces,
  read,
  row,
  strides,
  type Work,
  work,
  write,
} from "./work.ts";

const VIEW: KernelRow = { work: () => undefined, view: true };

export const primitiveKernels = {
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
    const n = countOf(node.outputs[0].shape);
    const operands = [write(node.outputs[0]), int(n), float(node.attributes.value as number)];
    return { kernel: "fill", operands, units: pieces(n, ELEMENTS), cost: () => ELEMENTS };
  }),
  iota: row((node) => {
    const shape = node.outputs[0].shape;
    const axis = node.attributes.axis as number;
    const flatAxis = shape.slice(axis + 1).every((dim) => dim === 1) ? 1 : 0;
    const [r, c] = flatAxis
      ? [countOf(shape.slice(0, axis)), dimOf(shape[axis])]
      : [dimOf(shape[axis]), countOf(shape.slice(axis + 1))];
    if (!flatAxis && !shape.slice(0, axis).every((dim) => dim === 1)) return undefined;
    return work("iota", [write(node.outputs[0]), int(r), int(c), int(constant(flatAxis))], r, c);
  }),
  cast: row((node) => {
    const n = countOf(node.inputs[0].shape);
    const operands = [read(node.inputs[0]), write(node.outputs[0]), int(n)];
    return { kernel: "cast_u32_f32", operands, units: pieces(n, ELEMENTS), cost: () => ELEMENTS };
  }),
  sum: row((node) => {
    const [x] = node.inputs;
    const axis = node.attributes.axis as number;
    const [before, after] = [x.shape.slice(0, axis), x.shape.slice(axis + 1)];
    if (after.every((dim) => dim === 1)) {
      const [r, c] = [countOf(before), dimOf(x.shape[axis])];
      return work("sum_columns", [read(x), write(node.outputs[0]), int(r), int(c)], r, c);
    }
    if (!before.every((dim) => dim === 1)) return undefined;
    const [r, c] = [dimOf(x.shape[axis]), countOf(after)];
    const operands = [read(x), write(node.outputs[0]), int(r), int(c), ACCUMULATE];
    return { kernel: "sum_rows", operands, units: pieces(c, COLUMNS), cost: costOf(r, COLUMNS) };
  }),
  max: row((node) => {
    const [x] = node.inputs;
    const [r, c] = [countOf(x.shape.slice(0, -1)), dimOf(x.shape[x.shape.length - 1])];
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
    const [t, o, c] = [x.shape[0], index.shape[0], x.shape[1]].map(dimOf);
    return work("gather", [read(x), read(index), write(node.outputs[0]), int(t), int(o), int(c)], o, c);
  }),
  scatter_add: row((node) => {
    const [dy, index, like] = node.inputs;
    const [t, o, c] = [like.shape[0], index.shape[0], like.shape[1]].map(dimOf);
    const operands = [read(dy), read(index), write(node.outputs[0]), int(t), int(o), int(c), ACCUMULATE];
    return { kernel: "scatter_add", operands, units: pieces(c, COLUMNS), cost: costOf(o, COLUMNS) };
  }),
} satisfies Record<string, KernelRow>;

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
      const [r, c] = [countOf(rows), countOf(columns)];
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

function copy(x: Value, y: Value, from: readonly Affine[]): Work | undefined {
  const dims = y.shape.map(dimOf);
  if (dims.length > 4) return undefined;
  const missing = 4 - dims.length;
  const extents = [...dims, ...Array<Affine>(missing).fill(constant(1))];
  const steps = [...from, ...Array<Affine>(missing).fill(constant(0))];
  const operands = [read(x), write(y), ...[...extents, ...steps, constant(0)].map(int)];
  return { kernel: "copy", operands, units: dims[0], cost: costOf(countOf(y.shape.slice(1)), 1) };
}

function matmul(node: Node): Work {
  const [a, b] = node.inputs;
  const { m, k, n } = matmulDims(a.shape, b.shape, node.attributes);
  const leading = a.shape.slice(0, -2);
  const [mm, kk, nn, batch] = [dimOf(m), dimOf(k), dimOf(n), countOf(leading)];
  const one = constant(1);
  const aSteps = [countOf([m, k]), ...(node.attributes.transposeA ? [one, mm] : [kk, one])];
  const bSteps = [countOf([k, n]), ...(node.attributes.transposeB ? [one, kk] : [nn, one])];
  const scalars = [batch, mm, nn, kk, ...aSteps, ...bSteps].map(int);
  return {
    kernel: "matmul",
    operands: [read(a), read(b), write(node.outputs[0]), ...scalars, ACCUMULATE],
    units: countOf([...leading, m]),
    cost: costOf(countOf([k, n]), 1),
  };
}
