/** Copies a graph node by node, letting a rule put other nodes in the place of one. */
import { Graph, type Node, type Value } from "../graph/graph.ts";

/**
 * `rule` gets a node and its inputs in the new graph and returns the values that stand for its outputs there, or undefined to copy the
 * node as it is. Ranges are kept.
 */
export function rewrite(
  graph: Graph,
  rule: (node: Node, inputs: readonly Value[], to: Graph) => readonly Value[] | undefined,
): Graph {
  const to = new Graph();
  const values = new Map<Value, Value>();
  for (const node of graph.nodes) {
    const range = graph.ranges.find(({ first }) => first === node.id);
    if (range) to.range(range.name);
    const inputs = node.inputs.map((value) => values.get(value)!);
    const outputs =
      copyLeaf(node, to) ?? rule(node, inputs, to) ?? to.append(node.op!, inputs, node.attributes);
    node.outputs.forEach((value, i) => {
      values.set(value, outputs[i]);
    });
  }
  return to;
}

function copyLeaf({ leaf, outputs }: Node, to: Graph): readonly Value[] | undefined {
  return leaf && [to.leaf(leaf.kind, leaf.name, outputs[0].shape, outputs[0].dtype)];
}
