import { describe, expect, test } from "vitest";
import { SEQUENCE_SCALE } from "../../kernels/layout.ts";
import type { Value } from "../../src/engine/graph/graph.ts";
import { printGraph } from "../../src/engine/graph/print.ts";
import { Engine } from "../../src/engine/host/engine.ts";
import type { Tensor } from "../../src/engine/ops/op.ts";
import { SEQUENCE_COLUMNS } from "../../src/engine/ops/sequences.ts";
import { store } from "../../src/engine/ops/state.ts";
import { compile } from "../../src/engine/plan/program.ts";
import { expand, hasKernel } from "../../src/engine/transform/expand.ts";
import { gradientOf } from "../../src/engine/transform/gradient.ts";
import { interpret } from "../../src/engine/transform/reference.ts";
import { caseGraph, caseName, cases, caseTensors, noise, type OpCase } from "../cases.ts";

const slots = { rows: 1, sequences: 1, outputs: 1 };

/** The case and, where it has one, its gradient, with every result stored in an output leaf. */
function build(one: OpCase, withGradient: boolean) {
  const { graph, leaves, outputs } = caseGraph(one);
  const results: Value[] = [...outputs];
  if (withGradient && one.op.gradient && !one.attributes?.context) {
    const dy = graph.leaf("input", "dy", outputs[0].shape);
    const wanted = one.inputs.map(({ constant }) => !constant);
    for (const gradient of gradientOf([outputs[0]], [dy], leaves, wanted))
      if (gradient) results.push(gradient);
    leaves.push(dy);
  }
  results.forEach((value, i) => {
    store(graph.leaf("output", `y${i}`, value.shape, value.dtype), value);
  });
  return { graph, leaves, results };
}

async function run(one: OpCase, tensors: readonly Tensor[], threads: number, force = false) {
  const { graph, leaves, results } = build(one, !force);
  const ready = force
    ? expand(graph, (node) => node.op === one.op && node.op.decompose !== undefined)
    : graph;
  const program = compile({ plan: ready }, { slots, threads });
  const engine = await Engine.open(program, { inProcess: threads === 1 });
  leaves.forEach((leaf, i) => {
    const name = leaf.node.leaf!.name;
    if (leaf.dtype === "u32") engine.u32(name).set(tensors[i].data);
    else engine.f32(name).set(tensors[i].data);
    if (leaf.dtype === "u32" && leaf.shape.length === 2) writeScales(engine.f32(name), tensors[i].data);
  });
  await engine.run("plan", "all", {});
  const found = results.map((_, i) => engine.f32(`y${i}`).slice());
  await engine.close();
  return found;
}

/** The sequences table holds its scales as float32. */
function writeScales(table: Float32Array, values: Float64Array) {
  for (let at = SEQUENCE_SCALE / 4; at < table.length; at += SEQUENCE_COLUMNS) table[at] = values[at];
}

function expected(one: OpCase, tensors: readonly Tensor[], withGradient = true) {
  const { graph, leaves, results } = build(one, withGradient);
  const values = new Map<Value, Tensor>(leaves.map((leaf, i) => [leaf, tensors[i]]));
  results.forEach((value, i) => {
    const count = (value.shape as number[]).reduce((a, b) => a * b, 1);
    values.set(graph.find(`y${i}`)!, { shape: value.shape as number[], data: new Float64Array(count) });
  });
  interpret(graph, values, slots);
  return results.map((value) => values.get(value)!.data);
}

function tensorsOf(one: OpCase): Tensor[] {
  const tensors = caseTensors(one.inputs);
  const { outputs } = caseGraph(one);
  const shape = outputs[0].shape as number[];
  const dy = noise(5);
  const count = shape.reduce((a, b) => a * b, 1);
  tensors.push({ shape, data: Float64Array.from({ length: count }, (_, i) => Math.fround(dy(i))) });
  return tensors;
}

/** f32 sums of up to some 50 products of numbers below 1: a few 1e-6 of the largest value. */
const TOLERANCE = 5e-6;

function close(actual: Float32Array, wanted: Float64Array, graph: string) {
  const largest = wanted.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-30);
  actual.forEach((value, i) => {
    if (!(Math.abs(value - wanted[i]) <= TOLERANCE * Math.max(1, largest)))
      expect.fail(`element ${i} is ${value}, the reference ${wanted[i]}\n${graph}`);
  });
}

describe("kernels equal the f64 reference, forward and backward", () => {
  test.each(cases.map((one) => [caseName(one), one] as const))("%s", async (_name, one) => {
    const tensors = tensorsOf(one);
    const actual = await run(one, tensors, 1);
    const wanted = expected(one, tensors);
    actual.forEach((data, i) => {
      close(data, wanted[i], printGraph(build(one, true).graph));
    });
  });
});

describe("two and three threads give the same bits", () => {
  const some = cases.filter((_, i) => i % 3 === 0);
  test.each(some.map((one) => [caseName(one), one] as const))("%s", async (_name, one) => {
    const tensors = tensorsOf(one);
    const single = await run(one, tensors, 1);
    for (const threads of [2, 3]) expect(await run(one, tensors, threads)).toEqual(single);
  });
});

describe("the decomposition, run by the kernels of the primitives, equals the reference", () => {
  // The scale of a sequence is float32 among integers, which only the kernel can read.
  const fused = cases.filter(({ op, attributes }) => op.decompose && !attributes?.scaled);
  test.each(fused.map((one) => [caseName(one), one] as const))("%s", async (_name, one) => {
    const tensors = tensorsOf(one);
    const actual = await run(one, tensors, 1, true);
    const wanted = expected(one, tensors, false);
    actual.forEach((data, i) => {
      close(data, wanted[i], caseName(one));
    });
  });
});

test("every fused op of the cases has a kernel", () => {
  for (const one of cases) {
    const { outputs } = caseGraph(one);
    expect(hasKernel(outputs[0].node), caseName(one)).toBe(true);
  }
});
