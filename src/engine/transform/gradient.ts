/** Reverse-mode differentiation as a pass: it appends nodes, and builds nothing toward values of which nobody wants the gradient. */
import type { Value } from "../graph/graph.ts";
import { printNode } from "../graph/print.ts";
import type { Gradients } from "../ops/op.ts";
import { add } from "../ops/primitives.ts";

/**
 * Gradients of Σ outputs·doutputs with respect to the `targets` for which `wanted` is true (undefined for the others, and where the outputs
 * do not depend on the target). Nodes are appended to the targets' graph.
 */
export function gradientOf(
  outputs: readonly Value[],
  doutputs: Gradients,
  targets: readonly Value[],
  wanted: readonly boolean[] = targets.map(() => true),
): Gradients {
  const goals = new Set(targets.filter((_, i) => wanted[i]));
  const graph = outputs[0].node.graph;
  const nodes = graph.nodes.slice(0, Math.max(...outputs.map((value) => value.node.id)) + 1);
  const needed = dependents(nodes, goals);
  const gradients = new Map<Value, Value>();
  const contribute = (value: Value, gradient: Value) => {
    const sum = gradients.get(value);
    gradients.set(value, sum ? add(sum, gradient) : gradient);
  };
  outputs.forEach((value, i) => {
    if (doutputs[i] && (needed.has(value) || goals.has(value))) contribute(value, doutputs[i]);
  });

  for (const node of nodes.reverse()) {
    const dnode = node.outputs.map((value) => gradients.get(value));
    const flags = node.inputs.map((value, i) => needed.has(value) && !node.op?.constants?.includes(i));
    if (!node.op || !dnode.some(Boolean) || !flags.some(Boolean)) continue;
    if (!node.op.gradient) throw new Error(`gradient: no gradient flows through ${printNode(node)}`);
    const dinputs = node.op.gradient(node.inputs, node.outputs, dnode, node.attributes, flags);
    node.inputs.forEach((value, i) => {
      if (flags[i] && dinputs[i]) contribute(value, dinputs[i]);
    });
  }
  return targets.map((target, i) => (wanted[i] ? gradients.get(target) : undefined));
}

/** The goals and every value that depends on one of them. */
function dependents(
  nodes: readonly { inputs: readonly Value[]; outputs: readonly Value[] }[],
  goals: Set<Value>,
) {
  const reached = new Set(goals);
  for (const node of nodes)
    if (node.inputs.some((value) => reached.has(value))) for (const value of node.outputs) reached.add(value);
  return reached;
}
