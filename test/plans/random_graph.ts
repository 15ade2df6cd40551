/** Random graphs: a list of choices becomes ops over a pool of values, so that fast-check can shrink what fails. */
import fc from "fast-check";
import { Graph, type SlotSizes, type Value } from "../../src/engine/graph/graph.ts";
import { linear } from "../../src/engine/ops/linear.ts";
import { type Tensor, tensor } from "../../src/engine/ops/op.ts";
import { add, mul, reshape, sub } from "../../src/engine/ops/primitives.ts";
import { rmsNorm } from "../../src/engine/ops/rms_norm.ts";
import { accumulate, store } from "../../src/engine/ops/state.ts";
import { swiglu } from "../../src/engine/ops/swiglu.ts";
import { noise } from "../cases.ts";

export const slots: SlotSizes = { rows: 7, sequences: 1, outputs: 1 };

const WIDTHS = [4, 8, 20, 33];
const KINDS = ["add", "sub", "mul", "linear", "norm", "swiglu", "reshape", "accumulate", "range"] as const;

interface Step {
  readonly kind: (typeof KINDS)[number];
  /** Which values of the pool it takes, and how wide its result is. */
  readonly a: number;
  readonly b: number;
  readonly width: number;
}

export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    kind: fc.constantFrom(...KINDS),
    a: fc.nat(99),
    b: fc.nat(99),
    width: fc.constantFrom(...WIDTHS),
  }),
  { minLength: 1, maxLength: 40 },
);

export interface RandomGraph {
  readonly graph: Graph;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  /** Sums: every run adds to them. */
  readonly states: readonly Value[];
}

/** Every value that nothing else takes is stored in an output; the first range begins with the first step. */
export function randomGraph(list: readonly Step[]): RandomGraph {
  const graph = new Graph();
  const leaf = (kind: "input" | "weight" | "output" | "state", shape: Value["shape"]) =>
    graph.leaf(kind, `${kind}${graph.nodes.length}`, shape);
  const inputs = WIDTHS.map((width) => leaf("input", ["rows", width]));
  const weights: Value[] = [];
  const states: Value[] = [];
  const pool = [...inputs];
  const weight = (shape: number[]) => {
    weights.push(leaf("weight", shape));
    return weights[weights.length - 1];
  };
  graph.range("range0");
  for (const { kind, a, b, width } of list) {
    const x = pool[a % pool.length];
    const columns = x.shape[1] as number;
    const same = pool.filter(({ shape }) => shape[1] === columns);
    const y = same[b % same.length];
    if (kind === "add") pool.push(add(x, y));
    else if (kind === "sub") pool.push(sub(x, y));
    else if (kind === "mul") pool.push(mul(x, y));
    else if (kind === "linear") pool.push(linear(x, weight([width, columns])));
    else if (kind === "norm") pool.push(rmsNorm(x, weight([columns]), 1e-3));
    else if (kind === "swiglu") pool.push(swiglu(x, y));
    else if (kind === "reshape") pool.push(reshape(reshape(x, ["rows", 1, columns]), ["rows", columns]));
    else if (kind === "range") graph.range(`range${graph.nodes.length}`);
    else {
      states.push(leaf("state", x.shape));
      accumulate(states[states.length - 1], x);
    }
  }
  const used = new Set(graph.nodes.flatMap((node) => node.inputs));
  const results = pool.filter((value) => !used.has(value) || value === pool[pool.length - 1]);
  const outputs = results.map((value) => {
    const output = leaf("output", value.shape);
    store(output, value);
    return output;
  });
  return { graph, inputs: [...inputs, ...weights], outputs, states };
}

/** Small values for what is given, zeros for what is written. */
export function tensorsOf({ inputs, outputs, states }: RandomGraph): Map<Value, Tensor> {
  const shapeOf = (value: Value) => value.shape.map((dim) => (typeof dim === "number" ? dim : slots[dim]));
  const given = inputs.map((value, i) => {
    const random = noise(i);
    return [value, tensor(shapeOf(value), (j) => Math.fround(random(j) / 2))] as const;
  });
  const written = [...outputs, ...states].map((value) => [value, tensor(shapeOf(value), () => 0)] as const);
  return new Map([...given, ...written]);
}
