import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Engine } from "../../src/engine/host/engine.ts";
import { decode, encode } from "../../src/engine/plan/bytes.ts";
import { compile, type Program } from "../../src/engine/plan/program.ts";
import { interpret } from "../../src/engine/transform/reference.ts";
import { llamaPlans } from "./llama_plans.ts";
import { type RandomGraph, randomGraph, slots, steps, tensorsOf } from "./random_graph.ts";
import { arenaPeak, forbiddenOverlaps, races, spoiledReads, touchesOf } from "./shadow.ts";

// fast-check prints seed and path of what fails; EDGEWISE_SEED runs that seed again.
const options = {
  numRuns: 150,
  ...(process.env.EDGEWISE_SEED && { seed: Number(process.env.EDGEWISE_SEED) }),
};

const numbers = (program: Program) => [0, program.slots.rows, program.slots.sequences, program.slots.outputs];

function compiled({ graph }: RandomGraph): Program {
  return compile({ plan: graph }, { slots, threads: 1 });
}

/** Everything that must hold for a plan, whatever its graph. */
function check(program: Program) {
  for (const plan of program.plans.values()) {
    const sizes = numbers(program);
    expect(spoiledReads(plan, sizes)).toEqual([]);
    expect(forbiddenOverlaps(plan, sizes)).toEqual([]);
    expect(encode(decode(plan.bytes))).toEqual(plan.bytes);
    const touches = touchesOf(plan.bytes, sizes);
    const waits = plan.instructions.map(({ barrier }) => barrier);
    expect(races(touches, waits)).toEqual([]);
    waits.forEach((wait, i) => {
      if (wait) expect(races(touches, waits.with(i, false))).not.toEqual([]);
    });
  }
}

test("random graphs: nothing is overwritten before it is read, every barrier is needed and none is missing", () => {
  fc.assert(
    fc.property(steps, (list) => check(compiled(randomGraph(list)))),
    options,
  );
});

test("random graphs: the arena ends where the last instruction's memory does", () => {
  fc.assert(
    fc.property(steps, (list) => {
      const program = compiled(randomGraph(list));
      const peak = arenaPeak(program.plans.get("plan")!, numbers(program));
      expect(program.memory.arena).toBe(Math.ceil(peak / 64) * 64);
    }),
    options,
  );
});

test("random graphs: the wasm computes what the f64 reference does, range by range, each run twice", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (list) => {
      const random = randomGraph(list);
      const program = compiled(random);
      const engine = await Engine.open(program, { inProcess: true });
      const values = tensorsOf(random);
      const isThere = ({ node }: { node: { leaf?: { name: string } } }) => engine.has(node.leaf!.name);
      for (const input of random.inputs)
        if (isThere(input)) engine.f32(input.node.leaf!.name).set(values.get(input)!.data);
      const ranges = Object.keys(program.plans.get("plan")!.ranges).filter((name) => name !== "all");
      for (const range of ranges) for (const _ of [1, 2]) await engine.run("plan", range, { ...slots });
      interpret(random.graph, values, slots);
      for (const [list, runs] of [
        [random.outputs, 1],
        [random.states, 2],
      ] as const)
        for (const value of list) near(engine.f32(value.node.leaf!.name), values.get(value)!.data, runs);
      await engine.close();
    }),
    { ...options, numRuns: 60 },
  );
});

/** Products of products grow: what is compared is relative to the largest element. */
function near(actual: Float32Array, wanted: Float64Array, runs: number) {
  const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  if (largest > 1e30) return; // beyond what f32 holds
  wanted.forEach((value, i) => {
    expect(Math.abs(actual[i] / runs - value)).toBeLessThanOrEqual(1e-4 * largest);
  });
}

describe("the plans of a Llama hold the same rules", () => {
  test.each(llamaPlans())("%s", (_name, program) => check(program));
});

test("the checks find what they are for", () => {
  const program = compiled(
    randomGraph([
      { kind: "mul", a: 0, b: 0, width: 4 },
      { kind: "linear", a: 4, b: 0, width: 8 },
      { kind: "linear", a: 5, b: 0, width: 8 },
    ]),
  );
  const plan = program.plans.get("plan")!;
  const { scratch, instructions } = decode(plan.bytes);
  // Every result of the arena at offset 0.
  const moved = instructions.map((instruction) => ({
    ...instruction,
    operands: instruction.operands.map((operand) =>
      operand.kind === "memory" && operand.region === 6
        ? { ...operand, offset: { a: 0, slot: 0, b: 0 } }
        : operand,
    ),
  }));
  const spoiled = { ...plan, bytes: encode({ scratch, instructions: moved }) };
  expect([
    ...spoiledReads(spoiled, numbers(program)),
    ...forbiddenOverlaps(spoiled, numbers(program)),
  ]).not.toEqual([]);
});
