/** One list of op cases, used three ways: reference against finite differences, kernels against the reference, and the passes. */
import { type Attributes, type DtypeName, Graph, type Value } from "../src/engine/graph/graph.ts";
import { ops } from "../src/engine/ops/index.ts";
import { type Op, type Tensor, tensor } from "../src/engine/ops/op.ts";

export interface CaseInput {
  readonly shape: readonly number[];
  readonly dtype?: DtypeName;
  /** Values by index; default: uniform in (−1, 1). */
  readonly values?: (i: number) => number;
  /** Only the shape matters, or indices and tables: not differentiated. */
  readonly constant?: boolean;
}

export interface OpCase {
  readonly op: Op;
  readonly label: string;
  readonly inputs: readonly CaseInput[];
  readonly attributes?: Attributes;
}

/** Deterministic values in (−1, 1) that do not repeat early. */
export function noise(seed: number): (i: number) => number {
  return (i) => {
    let x = Math.imul(i + 1, 0x9e3779b1) ^ Math.imul(seed + 1, 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
    x = Math.imul(x ^ (x >>> 12), 0x297a2d39);
    return ((x ^ (x >>> 15)) >>> 0) / 2 ** 31 - 1;
  };
}

const matrix = (...shape: number[]): CaseInput => ({ shape });
const indices = (count: number, limit: number): CaseInput => ({
  shape: [count],
  dtype: "u32",
  values: (i) => (i * 7 + 3) % limit,
  constant: true,
});

/** Three sequences over `rows` rows with different adapters; the last without one. */
function sequences(rows: number): { table: CaseInput; sequence: CaseInput; position: CaseInput } {
  const first = [0, Math.ceil(rows / 3), Math.ceil((2 * rows) / 3), rows];
  const owner = (row: number) => first.findIndex((_, s) => row < first[s + 1]);
  const entries = [0, 1, 2].flatMap((s) => [
    first[s],
    first[s + 1] - first[s],
    0,
    s,
    s === 2 ? 0xffffffff : 1 - s,
    0.5 + s,
    0,
    0,
  ]);
  const constant = true;
  return {
    table: { shape: [3, 8], dtype: "u32", values: (i) => entries[i], constant },
    sequence: { shape: [rows], dtype: "u32", values: owner, constant },
    position: { shape: [rows], dtype: "u32", values: (i) => i - first[owner(i)], constant },
  };
}

function attentionCase(
  rows: number,
  heads: number,
  kvHeads: number,
  d: number,
  context: number,
  window = 0,
  capacity = context,
): OpCase {
  const { table, sequence, position } = sequences(rows);
  const keys = context ? 3 * capacity : rows;
  return {
    op: ops.attention,
    label: `rows ${rows}, heads ${heads}/${kvHeads}, d ${d}, ${context ? `cache of ${context}` : "own rows"}, window ${window}, capacity ${capacity}`,
    inputs: [
      matrix(rows, heads * d),
      matrix(keys, kvHeads * d),
      matrix(keys, kvHeads * d),
      position,
      sequence,
      table,
    ],
    attributes: { heads, kvHeads, d, scale: d ** -0.5, context, caches: context ? 3 : 0, window, capacity },
  };
}

function adapterCase(rows: number, k: number, n: number, scaled: boolean): OpCase {
  const { table, sequence } = sequences(rows);
  return {
    op: ops.adapter_linear,
    label: `rows ${rows}, ${k} → ${n}${scaled ? ", scaled" : ""}`,
    inputs: [matrix(rows, k), matrix(2, n, k), sequence, table],
    attributes: { scaled },
  };
}

function linearCase(rows: number, k: number, n: number): OpCase {
  return { op: ops.linear, label: `rows ${rows}, ${k} → ${n}`, inputs: [matrix(rows, k), matrix(n, k)] };
}

const rotary = (context: number, d: number): CaseInput => ({ ...matrix(context, d), constant: true });

/** Sizes around every tile (2 rows, 4 lanes, 16 columns) and primes. */
export const cases: readonly OpCase[] = [
  ...[1, 2, 3, 17].flatMap((rows) => [
    linearCase(rows, 7, 5),
    linearCase(rows, 16, 16),
    linearCase(rows, 33, 31),
  ]),
  ...[1, 3, 8].map((rows) => ({
    op: ops.rms_norm,
    label: `${rows} × 19`,
    inputs: [matrix(rows, 19), matrix(19)],
    attributes: { eps: 1e-5, groups: 1 },
  })),
  ...[1, 5].map((rows) => ({
    op: ops.rms_norm,
    label: `${rows} × 3 heads of 10`,
    inputs: [matrix(rows, 30), matrix(10)],
    attributes: { eps: 1e-5, groups: 3 },
  })),
  {
    op: ops.rope,
    label: "5 rows, 3 heads of 8",
    inputs: [matrix(5, 24), indices(5, 9), rotary(9, 8)],
    attributes: { heads: 3, d: 8, inverse: false },
  },
  ...[3, 7, 16, 37].map((rows) => attentionCase(rows, 4, 2, 8, 0)),
  attentionCase(12, 3, 3, 16, 0),
  attentionCase(7, 4, 2, 8, 5),
  attentionCase(23, 2, 1, 20, 9),
  attentionCase(16, 4, 2, 8, 0, 3),
  attentionCase(23, 2, 1, 20, 9, 4),
  attentionCase(23, 2, 1, 20, 30, 3, 25),
  adapterCase(3, 8, 4, false),
  adapterCase(7, 4, 19, true),
  adapterCase(18, 33, 8, true),
  { op: ops.swiglu, label: "5 × 13", inputs: [matrix(5, 13), matrix(5, 13)] },
  { op: ops.geglu, label: "5 × 13", inputs: [matrix(5, 13), matrix(5, 13)] },
  {
    op: ops.cross_entropy,
    label: "6 × 23, two rows without target",
    inputs: [
      matrix(6, 23),
      { shape: [6], dtype: "u32", values: (i) => (i % 3 === 1 ? 0xffffffff : (i * 5) % 23), constant: true },
      { shape: [6], values: (i) => 0.1 + i, constant: true },
    ],
  },
  { op: ops.embedding, label: "9 of 11 × 18", inputs: [matrix(11, 18), indices(9, 11)] },
  { op: ops.gather, label: "4 of 9 × 18", inputs: [matrix(9, 18), indices(4, 9)] },
  {
    op: ops.scatter_add,
    label: "4 into 9 × 18",
    inputs: [matrix(4, 18), indices(4, 9), { ...matrix(9, 18), constant: true }],
  },
  ...[ops.add, ops.sub, ops.mul, ops.div].flatMap((op) =>
    [matrix(5, 9), matrix(1, 9), matrix(5, 1), matrix(1, 1)].map((b) => ({
      op,
      label: `5 × 9 and ${b.shape.join(" × ")}`,
      inputs: [matrix(5, 9), { ...b, values: (i: number) => 1.5 + noise(i)(7) }],
    })),
  ),
  ...[ops.exp, ops.rsqrt, ops.log].map((op) => ({
    op,
    label: "3 × 7",
    inputs: [{ ...matrix(3, 7), values: (i: number) => 1.2 + noise(3)(i) }],
  })),
  ...[0, 1].map((axis) => ({
    op: ops.sum,
    label: `axis ${axis}`,
    inputs: [matrix(6, 21)],
    attributes: { axis },
  })),
  ...[0, 1, 2, 3].map((flags) => ({
    op: ops.matmul,
    label: `batched, transposed ${flags & 1 ? "a" : ""}${flags & 2 ? "b" : ""}`,
    inputs: [flags & 1 ? matrix(2, 6, 5) : matrix(2, 5, 6), flags & 2 ? matrix(2, 7, 6) : matrix(2, 6, 7)],
    attributes: { transposeA: !!(flags & 1), transposeB: !!(flags & 2) },
  })),
  { op: ops.transpose, label: "2 0 1", inputs: [matrix(3, 4, 5)], attributes: { order: [2, 0, 1] } },
  {
    op: ops.broadcast,
    label: "along two axes",
    inputs: [matrix(3, 1, 5, 1), { ...matrix(3, 2, 5, 4), constant: true }],
  },
  {
    op: ops.select,
    label: "4 × 6",
    inputs: [{ ...matrix(4, 6), values: (i) => i % 2, constant: true }, matrix(4, 6), matrix(4, 6)],
  },
];

export const caseName = ({ op, label }: OpCase) => `${op.name}: ${label}`;

export function caseTensors(inputs: readonly CaseInput[], seed = 1): Tensor[] {
  return inputs.map(({ shape, values }, i) => {
    const fallback = noise(seed * 31 + i);
    return tensor(shape, values ?? ((j) => Math.fround(fallback(j))));
  });
}

/** The case as a graph: leaves named x0, x1 …, and the op's outputs. */
export function caseGraph({ op, inputs, attributes }: OpCase): {
  graph: Graph;
  leaves: Value[];
  outputs: readonly Value[];
} {
  const graph = new Graph();
  const leaves = inputs.map(({ shape, dtype }, i) => graph.leaf("input", `x${i}`, shape, dtype ?? "f32"));
  return { graph, leaves, outputs: graph.append(op, leaves, attributes) };
}
