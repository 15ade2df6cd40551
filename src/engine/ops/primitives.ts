/**
 * The primitives: shape, reference and gradient of each. Binary ops broadcast their second input only: same rank, every dimension equal or 1.
 */
import { type Dim, type Shape, sameShape, type Value } from "../graph/graph.ts";
import { type Gradients, type Op, primitive, product, type Tensor, tensor } from "./op.ts";

// ── Elementwise ─────────────────────────────────────────────────────────────────────────────────────────────────────

export const addOp = binary(
  "add",
  (a, b) => a + b,
  (_inputs, dy) => [dy, dy],
);
export const subOp = binary(
  "sub",
  (a, b) => a - b,
  (_inputs, dy) => [dy, scale(dy, -1)],
);
export const mulOp = binary(
  "mul",
  (a, b) => a * b,
  ([a, b], dy) => [mul(dy, b), mul(dy, a)],
);
export const divOp = binary(
  "div",
  (a, b) => a / b,
  ([a, b], dy) => [div(dy, b), scale(div(div(mul(dy, a), b), b), -1)],
);
/** 1 where a ≤ b, else 0. */
export const lessEqualOp = binary("less_equal", (a, b) => (a <= b ? 1 : 0));
export const equalOp = binary("equal", (a, b) => (a === b ? 1 : 0));

export const add = (a: Value, b: Value) => one(addOp, [a, b]);
export const sub = (a: Value, b: Value) => one(subOp, [a, b]);
export const mul = (a: Value, b: Value) => one(mulOp, [a, b]);
export const div = (a: Value, b: Value) => one(divOp, [a, b]);
export const lessEqual = (a: Value, b: Value) => one(lessEqualOp, [a, b]);
export const equal = (a: Value, b: Value) => one(equalOp, [a, b]);
/** x · c for a number c. */
export const scale = (x: Value, c: number) =>
  mul(
    x,
    fill(
      x,
      x.shape.map(() => 1),
      c,
    ),
  );
/** x + c for a number c. */
export const shift = (x: Value, c: number) =>
  add(
    x,
    fill(
      x,
      x.shape.map(() => 1),
      c,
    ),
  );
export const square = (x: Value) => mul(x, x);
/** 1 / (1 + e⁻ˣ) */
export const sigmoid = (x: Value) => div(fill(x, x.shape, 1), shift(exp(scale(x, -1)), 1));

export const expOp = unary("exp", Math.exp, (_x, y, dy) => mul(dy, y));
export const logOp = unary("log", Math.log, (x, _y, dy) => div(dy, x));
export const rsqrtOp = unary(
  "rsqrt",
  (x) => 1 / Math.sqrt(x),
  (_x, y, dy) => scale(mul(dy, mul(y, square(y))), -0.5),
);
export const exp = (x: Value) => one(expOp, [x]);
export const log = (x: Value) => one(logOp, [x]);
export const rsqrt = (x: Value) => one(rsqrtOp, [x]);

/** a where the condition is not 0, else b; all of one shape. */
export const selectOp = primitive({
  name: "select",
  constants: [0],
  infer: ([condition, a, b]) => {
    if (!sameShape(condition.shape, a.shape) || !sameShape(a.shape, b.shape))
      throw new Error(`select: shapes (${condition.shape}), (${a.shape}) and (${b.shape}) differ`);
    return [{ shape: a.shape, dtype: "f32" }];
  },
  reference: ([condition, a, b]) => [
    tensor(a.shape, (i) => (condition.data[i] !== 0 ? a.data[i] : b.data[i])),
  ],
  gradient: ([condition, a], _outputs, [dy]) => {
    const zero = fill(a, a.shape, 0);
    return [undefined, select(condition, dy!, zero), select(condition, zero, dy!)];
  },
});
export const select = (condition: Value, a: Value, b: Value) => one(selectOp, [condition, a, b]);

// ── Sources ─────────────────────────────────────────────────────────────────────────────────────────────────────────
// They take a value only to know the sizes of the slots, and read nothing of it.

export const fillOp = primitive({
  name: "fill",
  constants: [0],
  infer: (_inputs, { shape }) => [{ shape: shapeOf(shape), dtype: "f32" }],
  reference: ([like], { shape, value, slots }) => [
    tensor(concrete(shape, slots, like), () => value as number),
  ],
});
/** A tensor of one value. Slots in `shape` must occur in `like`'s shape. */
export const fill = (like: Value, shape: Shape, value: number) =>
  one(fillOp, [like], { shape: shape as never, value, slots: like.shape as never });

/** 0, 1, 2 … along the axis. */
export const iotaOp = primitive({
  name: "iota",
  constants: [0],
  infer: (_inputs, { shape }) => [{ shape: shapeOf(shape), dtype: "f32" }],
  reference: ([like], { shape, axis, slots }) => {
    const sizes = concrete(shape, slots, like);
    const inner = product(sizes.slice((axis as number) + 1));
    return [tensor(sizes, (i) => Math.floor(i / inner) % sizes[axis as number])];
  },
});
export const iota = (like: Value, shape: Shape, axis: number) =>
  one(iotaOp, [like], { shape: shape as never, axis, slots: like.shape as never });

/** u32 → f32. */
export const castOp = primitive({
  name: "cast",
  constants: [0],
  infer: ([x]) => [{ shape: x.shape, dtype: "f32" }],
  reference: ([x]) => [{ shape: x.shape, data: x.data.slice() }],
});
export const cast = (x: Value) => one(castOp, [x]);

// ── Reductions; the reduced axis stays, with size 1 ─────────────────────────────────────────────────────────────────

export const sumOp = primitive({
  name: "sum",
  infer: ([x], { axis }) => [{ shape: x.shape.map((dim, i) => (i === axis ? 1 : dim)), dtype: "f32" }],
  reference: ([x], { axis }) => [reduce(x, axis as number, 0, (a, b) => a + b)],
  gradient: ([x], _outputs, [dy]) => [broadcast(dy!, x)],
});
export const sum = (x: Value, axis: number) => one(sumOp, [x], { axis });
/** Mean over an axis of constant size. */
export const mean = (x: Value, axis: number) => scale(sum(x, axis), 1 / (x.shape[axis] as number));

/** Largest along the last axis. It serves only to make exponents safe, where its gradient cancels: it has none. */
export const maxOp = primitive({
  name: "max",
  constants: [0],
  infer: ([x]) => [{ shape: [...x.shape.slice(0, -1), 1], dtype: "f32" }],
  reference: ([x]) => [reduce(x, x.shape.length - 1, -Infinity, Math.max)],
});
export const max = (x: Value) => one(maxOp, [x]);

// ── Shapes ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The same elements in the same order under another shape. */
export const reshapeOp = primitive({
  name: "reshape",
  infer: ([x], { shape }) => [{ shape: shapeOf(shape), dtype: x.dtype }],
  reference: ([x], { shape, from }) => [{ shape: concrete(shape, from, x), data: x.data }],
  gradient: ([x], _outputs, [dy]) => [reshape(dy!, x.shape)],
});
export const reshape = (x: Value, shape: Shape) =>
  one(reshapeOp, [x], { shape: shape as never, from: x.shape as never });

/** Axis i of the output is axis order[i] of the input. */
export const transposeOp = primitive({
  name: "transpose",
  infer: ([x], { order }) => [{ shape: numbers(order).map((axis) => x.shape[axis]), dtype: x.dtype }],
  reference: ([x], { order }) => {
    const axes = numbers(order);
    const shape = axes.map((axis) => x.shape[axis]);
    const from = strides(x.shape);
    return [
      gatherStrided(
        x,
        shape,
        axes.map((axis) => from[axis]),
        0,
      ),
    ];
  },
  gradient: (_inputs, _outputs, [dy], { order }) => {
    const axes = numbers(order);
    return [
      transpose(
        dy!,
        axes.map((_, i) => axes.indexOf(i)),
      ),
    ];
  },
});
export const transpose = (x: Value, order: readonly number[]) => one(transposeOp, [x], { order });

/** Repeats the axes of size 1 until x has the shape of `like`. */
export const broadcastOp = primitive({
  name: "broadcast",
  constants: [1],
  infer: ([x, like]) => {
    checkBroadcast("broadcast", like, x);
    return [{ shape: like.shape, dtype: x.dtype }];
  },
  reference: ([x, like]) => [gatherStrided(x, like.shape, broadcastStrides(x.shape), 0)],
  gradient: ([x], _outputs, [dy]) => [sumTo(dy!, x.shape), undefined],
});
export const broadcast = (x: Value, like: Value) =>
  sameShape(x.shape, like.shape) ? x : one(broadcastOp, [x, like]);

// ── Rows ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** y[o] = x[index[o]]; x (T, C), index u32 (O). */
export const gatherOp = primitive({
  name: "gather",
  constants: [1],
  infer: ([x, index]) => [{ shape: [index.shape[0], x.shape[1]], dtype: "f32" }],
  reference: ([x, index]) => {
    const columns = x.shape[1];
    return [
      tensor(
        [index.shape[0], columns],
        (i) => x.data[index.data[Math.floor(i / columns)] * columns + (i % columns)],
      ),
    ];
  },
  gradient: ([x, index], _outputs, [dy]) => [scatterAdd(dy!, index, x), undefined],
});
export const gather = (x: Value, index: Value) => one(gatherOp, [x, index]);

/** dx[index[o]] += dy[o], from zero; `like` gives the shape (T, C). */
export const scatterAddOp = primitive({
  name: "scatter_add",
  constants: [1, 2],
  infer: ([, , like]) => [{ shape: like.shape, dtype: "f32" }],
  reference: ([dy, index, like]) => {
    const columns = like.shape[1];
    const dx = tensor(like.shape, () => 0);
    dy.data.forEach((value, i) => {
      dx.data[index.data[Math.floor(i / columns)] * columns + (i % columns)] += value;
    });
    return [dx];
  },
  gradient: ([, index], _outputs, [dy]) => [gather(dy!, index), undefined, undefined],
});
export const scatterAdd = (dy: Value, index: Value, like: Value) => one(scatterAddOp, [dy, index, like]);

// ── How they are made ───────────────────────────────────────────────────────────────────────────────────────────────

function one(op: Op, inputs: readonly Value[], attributes = {}): Value {
  return inputs[0].node.graph.append(op, inputs, attributes)[0];
}

function binary(
  name: string,
  f: (a: number, b: number) => number,
  gradient?: (inputs: readonly Value[], dy: Value) => readonly [Value, Value],
): Op {
  return primitive({
    name,
    constants: gradient ? undefined : [0, 1],
    broadcasts: true,
    infer: ([a, b]) => {
      checkBroadcast(name, a, b);
      return [{ shape: a.shape, dtype: "f32" }];
    },
    reference: ([a, b]) => {
      const wide = gatherStrided(b, a.shape, broadcastStrides(b.shape), 0);
      return [tensor(a.shape, (i) => f(a.data[i], wide.data[i]))];
    },
    gradient:
      gradient &&
      ((inputs, _outputs, [dy], _attributes, wanted): Gradients => {
        const [da, db] = gradient(inputs, dy!);
        return [wanted[0] ? da : undefined, wanted[1] ? sumTo(db, inputs[1].shape) : undefined];
      }),
  });
}

function unary(
  name: string,
  f: (x: number) => number,
  gradient: (x: Value, y: Value, dy: Value) => Value,
): Op {
  return primitive({
    name,
    infer: ([x]) => [{ shape: x.shape, dtype: "f32" }],
    reference: ([x]) => [tensor(x.shape, (i) => f(x.data[i]))],
    gradient: ([x], [y], [dy]) => [gradient(x, y, dy!)],
  });
}

/** Sums the axes along which `shape` has size 1. */
function sumTo(x: Value, shape: Shape): Value {
  return shape.reduce<Value>(
    (sums, dim, axis) => (dim === 1 && sums.shape[axis] !== 1 ? sum(sums, axis) : sums),
    x,
  );
}

function checkBroadcast(name: string, a: Value, b: Value) {
  if (a.shape.length !== b.shape.length || !a.shape.every((dim, i) => b.shape[i] === dim || b.shape[i] === 1))
    throw new Error(`${name}: (${b.shape}) does not broadcast to (${a.shape})`);
}

function numbers(attribute: unknown): readonly number[] {
  return attribute as readonly number[];
}

function shapeOf(attribute: unknown): Shape {
  return attribute as Shape;
}

/** Sizes of a declared shape, with the slots read off a tensor whose declared shape is `declared`. */
function concrete(shape: unknown, declared: unknown, like: Tensor): number[] {
  const known = new Map<Dim, number>(shapeOf(declared).map((dim, i) => [dim, like.shape[i]]));
  return shapeOf(shape).map((dim) => (typeof dim === "number" ? dim : known.get(dim)!));
}

function strides(shape: readonly number[]): number[] {
  return shape.map((_, i) => product(shape.slice(i + 1)));
}

function broadcastStrides(shape: readonly number[]): number[] {
  return strides(shape).map((stride, i) => (shape[i] === 1 ? 0 : stride));
}

/** A dense tensor of `shape` whose element at index (i₀, i₁, …) is x.data[offset + Σ iₐ·strideₐ]. */
function gatherStrided(x: Tensor, shape: readonly number[], from: readonly number[], offset: number): Tensor {
  const to = strides(shape);
  return tensor(shape, (i) => {
    let at = offset;
    for (let axis = 0; axis < shape.length; axis++)
      at += (Math.floor(i / to[axis]) % shape[axis]) * from[axis];
    return x.data[at];
  });
}

function reduce(x: Tensor, axis: number, start: number, f: (a: number, b: number) => number): Tensor {
  const [outer, size, inner] = [
    product(x.shape.slice(0, axis)),
    x.shape[axis],
    product(x.shape.slice(axis + 1)),
  ];
  const y = tensor(
    x.shape.map((dim, i) => (i === axis ? 1 : dim)),
    () => start,
  );
  for (let o = 0; o < outer; o++)
    for (let s = 0; s < size; s++)
      for (let i = 0; i < inner; i++)
        y.data[o * inner + i] = f(y.data[o * inner + i], x.data[(o * size + s) * inner + i]);
  return y;
}
