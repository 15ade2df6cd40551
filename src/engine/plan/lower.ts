/**
 * From a graph to a list of kernel calls over storages: which nodes are instructions, which results share storage, and when each storage
 * is alive. Where things are put in memory comes after (memory.ts).
 */
import type { Dim, Graph, Node, Value } from "../graph/graph.ts";
import type { OpName } from "../ops/index.ts";
import { addOp } from "../ops/primitives.ts";
import { accumulateOp, storeOp } from "../ops/state.ts";
import { liveNodes } from "../transform/prune.ts";
import type { Work } from "./kernels/work.ts";
import { kernels } from "./kernels.ts";

export interface Call {
  readonly node: Node;
  readonly work: Work;
  /** The kernel adds to what its output holds. */
  accumulate: boolean;
}

export interface Lowered {
  readonly calls: readonly Call[];
  /** Ranges as [first, last) calls. */
  readonly ranges: Readonly<Record<string, readonly [number, number]>>;
  /** The value whose storage holds this one: a leaf, or the first value of its storage in the arena. */
  storage(value: Value): Value;
  /** For every storage in the arena: first and last call that touch it. */
  readonly lifetimes: ReadonlyMap<Value, readonly [number, number]>;
}

export function lower(graph: Graph): Lowered {
  const live = liveNodes(graph);
  const nodes = graph.nodes.filter((node) => live.has(node));
  const sharing = new Sharing(nodes);
  const calls: Call[] = [];
  const callOf = new Map<Node, Call>();
  for (const node of nodes) {
    if (node.leaf) continue;
    const row = kernels[node.op!.name as OpName];
    if (row.view) {
      sharing.alias(node.outputs[0], node.inputs[0]);
      continue;
    }
    if (sharing.merge(node, callOf)) continue;
    const work = row.work(node);
    if (!work) throw new Error(`lower: no kernel computes "${node.op!.name}"; expand the graph first`);
    sharing.reuse(node, work);
    const call = { node, work, accumulate: false };
    calls.push(call);
    callOf.set(node, call);
  }
  const ranges = rangesOf(graph, calls);
  return {
    calls,
    ranges,
    storage: (value) => sharing.find(value),
    lifetimes: lifetimes(calls, ranges, sharing),
  };
}

/** Which values share a storage: views, results computed in place, and results added straight onto their sum. */
class Sharing {
  private readonly parent = new Map<Value, Value>();
  private readonly uses = new Map<Value, Node[]>();

  constructor(nodes: readonly Node[]) {
    for (const node of nodes) for (const value of node.inputs) this.usesOf(value).push(node);
  }

  find(value: Value): Value {
    const up = this.parent.get(value);
    return up ? this.find(up) : value;
  }

  /** `value` from now on lives in the storage of `owner`. */
  alias(value: Value, owner: Value): void {
    const [from, to] = [this.find(value), this.find(owner)];
    if (from === to) return;
    this.parent.set(from, to);
    this.usesOf(to).push(...this.usesOf(from));
  }

  /** Whether the node needs no instruction of its own because its second half is computed straight onto its first, or into its target. */
  merge(node: Node, callOf: ReadonlyMap<Node, Call>): boolean {
    if (node.op === storeOp) return this.mergeStore(node, callOf);
    if (node.op !== addOp && node.op !== accumulateOp) return false;
    const [first, second] = node.inputs;
    return (
      this.mergeSum(node, first, second, callOf) ||
      (node.op === addOp && this.mergeSum(node, second, first, callOf))
    );
  }

  /** sum = base + term: the term's kernel starts from the base, if nothing else needs either by itself. */
  private mergeSum(node: Node, base: Value, term: Value, callOf: ReadonlyMap<Node, Call>): boolean {
    const producer = callOf.get(term.node);
    const [target, part] = [this.find(base), this.find(term)];
    if (!producer || producer.accumulate || part !== term || !sameSizes(base, term)) return false;
    if (!producer.work.operands.some(({ kind }) => kind === "accumulate")) return false;
    if (this.usesOf(part).some((use) => use !== node)) return false;
    if (node.op === addOp && (target.node.leaf || crossesRange(target.node, node))) return false;
    const between = this.usesOf(target).filter((use) => use !== node && use.id >= producer.node.id);
    if (between.length || target.node.id >= producer.node.id) return false;
    producer.accumulate = true;
    this.alias(part, target);
    if (node.op === addOp) this.alias(node.outputs[0], target);
    return true;
  }

  /** Results that only leave the plan are computed where they are read. */
  private mergeStore(node: Node, callOf: ReadonlyMap<Node, Call>): boolean {
    const [target, x] = node.inputs;
    const value = this.find(x);
    const producer = callOf.get(value.node);
    if (!producer || target.node.leaf?.kind !== "output" || producer.accumulate) return false;
    if (this.usesOf(target).some((use) => use !== node)) return false;
    this.alias(value, target);
    return true;
  }

  /** Lets an output take the storage of an input that nobody needs any more. */
  reuse(node: Node, { inPlace }: Work): void {
    const taken = new Set<Value>();
    for (const [output, input] of inPlace ?? []) {
      const from = this.find(node.inputs[input]);
      const to = node.outputs[output];
      if (from.node.leaf || taken.has(from) || this.find(to) !== to || !sameSizes(from, to)) continue;
      if (this.usesOf(from).some((use) => use.id > node.id)) continue;
      if (node.inputs.filter((value) => this.find(value) === from).length > 1) continue;
      if (crossesRange(from.node, node)) continue;
      taken.add(from);
      this.alias(to, from);
    }
  }

  private usesOf(value: Value): Node[] {
    let list = this.uses.get(value);
    if (!list) this.uses.set(value, (list = []));
    return list;
  }
}

/** Whether a range begins between two nodes: it may be run again, so it must not spoil what it reads. */
function crossesRange(from: Node, to: Node): boolean {
  return from.graph.ranges.some(({ first }) => from.id < first && first <= to.id);
}

function sameSizes(a: Value, b: Value): boolean {
  const size = (shape: readonly Dim[]) => shape.filter((dim) => dim !== 1).join();
  return a.dtype === b.dtype && size(a.shape) === size(b.shape);
}

function rangesOf(graph: Graph, calls: readonly Call[]): Record<string, readonly [number, number]> {
  const starts = graph.ranges.map(({ first }) => {
    const at = calls.findIndex(({ node }) => node.id >= first);
    return at < 0 ? calls.length : at;
  });
  const ranges: Record<string, readonly [number, number]> = { all: [0, calls.length] };
  graph.ranges.forEach(({ name }, i) => {
    ranges[name] = [starts[i], starts[i + 1] ?? calls.length];
  });
  return ranges;
}

function lifetimes(calls: readonly Call[], ranges: Lowered["ranges"], sharing: Sharing) {
  const parts = Object.entries(ranges).filter(([name]) => name !== "all");
  const rangeOf = (call: number) => parts.findIndex(([, [first, last]]) => first <= call && call < last);
  const found = new Map<Value, [number, number]>();
  calls.forEach(({ work }, at) => {
    for (const operand of work.operands) {
      if (operand.kind !== "memory") continue;
      const storage = sharing.find(operand.value);
      if (storage.node.leaf) continue;
      const span = found.get(storage);
      if (!span) found.set(storage, [at, at]);
      else {
        // A range may be run again: what comes from an earlier one stays until it ends.
        const range = rangeOf(at);
        span[1] = rangeOf(span[0]) === range ? at : parts[range][1][1] - 1;
      }
    }
  });
  return found;
}
