/** What the arena holds while a plan runs, worked out from the plan's bytes and the graph alone. */
import { ACCESS_READ, ACCESS_WRITE, REGION_ARENA } from "../../kernels/layout.ts";
import type { Value } from "../../src/engine/graph/graph.ts";
import type { Affine } from "../../src/engine/plan/affine.ts";
import { decode, type MemoryOperand } from "../../src/engine/plan/bytes.ts";
import type { CompiledPlan } from "../../src/engine/plan/program.ts";

export interface Touch {
  readonly region: number;
  readonly first: number;
  /** One past the last byte. */
  readonly end: number;
  readonly reads: boolean;
  readonly writes: boolean;
}

/** The memory that each instruction touches, the slots being rows, sequences, outputs by number. */
export function touchesOf(bytes: Uint8Array, slots: readonly number[]): Touch[][] {
  const at = ({ a, slot, b }: Affine) => a + b * slots[slot];
  return decode(bytes).instructions.map(({ operands }) =>
    operands
      .filter((operand): operand is MemoryOperand => operand.kind === "memory")
      .map(({ region, access, offset, bytes: size }) => ({
        region,
        first: at(offset),
        end: at(offset) + at(size),
        reads: (access & ACCESS_READ) !== 0,
        writes: (access & ACCESS_WRITE) !== 0,
      })),
  );
}

function meet(a: Touch, b: Touch): boolean {
  return a.region === b.region && a.first < b.end && b.first < a.end;
}

/** Pairs of instructions [earlier, later] that two threads could be in at the same time although one writes what the other touches. */
export function races(touches: readonly (readonly Touch[])[], waits: readonly boolean[]): [number, number][] {
  const found: [number, number][] = [];
  for (let later = 0; later < touches.length; later++)
    for (let earlier = later - 1; earlier >= 0 && !waits[earlier + 1]; earlier--)
      if (touches[earlier].some((a) => touches[later].some((b) => (a.writes || b.writes) && meet(a, b))))
        found.push([earlier, later]);
  return found;
}

/** Every read of a value from the arena that would find something else there, in words. */
export function spoiledReads(plan: CompiledPlan, slots: readonly number[]): string[] {
  const touches = touchesOf(plan.bytes, slots);
  const content = contentOf(plan);
  const holds = new Map<number, Value>();
  const wrong: string[] = [];
  plan.lowered.calls.forEach(({ work, accumulate }, i) => {
    const values = work.operands.filter((spec) => spec.kind === "memory").map((spec) => spec.value);
    touches[i].forEach((touch, at) => {
      if (touch.region !== REGION_ARENA || !touch.reads || (accumulate && touch.writes)) return;
      for (let byte = touch.first; byte < touch.end; byte += 4)
        if (holds.get(byte) !== content(values[at])) {
          wrong.push(`instruction ${i} reads %${values[at].id} at ${byte}, where %${holds.get(byte)?.id} is`);
          return;
        }
    });
    touches[i].forEach((touch, at) => {
      if (touch.region !== REGION_ARENA || !touch.writes) return;
      for (let byte = touch.first; byte < touch.end; byte += 4) holds.set(byte, content(values[at]));
    });
  });
  return wrong;
}

/** The value that the kernels compute when this one is asked for: views are their inputs, a sum computed onto its base is its last term. */
function contentOf({ lowered: { calls } }: CompiledPlan): (value: Value) => Value {
  const callOf = new Map(calls.map((call, i) => [call.node, { call, i }]));
  const content = (value: Value): Value => {
    const { node } = value;
    if (node.leaf || callOf.has(node)) return value;
    if (node.op!.name !== "add") return content(node.inputs[0]);
    const terms = node.inputs.map(content).filter((term) => callOf.get(term.node)?.call.accumulate);
    return terms.reduce((a, b) => (callOf.get(b.node)!.i > callOf.get(a.node)!.i ? b : a));
  };
  return content;
}

/** Results that are written over an operand of the same call although its kernel does not allow that, in words. */
export function forbiddenOverlaps(plan: CompiledPlan, slots: readonly number[]): string[] {
  const touches = touchesOf(plan.bytes, slots);
  return plan.lowered.calls.flatMap(({ node, work }, i) => {
    const values = work.operands.filter((spec) => spec.kind === "memory").map((spec) => spec.value);
    const allowed = (work.inPlace ?? []).map(([output, input]) => [node.outputs[output], node.inputs[input]]);
    return touches[i].flatMap((result, r) =>
      touches[i].flatMap((other, o) => {
        if (r === o || !result.writes || !meet(result, other)) return [];
        const isSame = result.first === other.first;
        const isAllowed = allowed.some(([a, b]) => values[r] === a && values[o] === b);
        return isSame && (isAllowed || other.writes) ? [] : [`instruction ${i}: operands ${r} and ${o}`];
      }),
    );
  });
}

/** Bytes up to the highest that any instruction touches in the arena. */
export function arenaPeak(plan: CompiledPlan, slots: readonly number[]): number {
  const inArena = touchesOf(plan.bytes, slots)
    .flat()
    .filter(({ region }) => region === REGION_ARENA);
  return inArena.reduce((most, { end }) => Math.max(most, end), 0);
}
