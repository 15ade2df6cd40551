/** Runs a graph in f64, node after node, with each op's own reference: slow, plain and the yardstick of everything else. */
import { elements, type Graph, type Node, type SlotSizes, sizeOf, type Value } from "../graph/graph.ts";
import { printNode } from "../graph/print.ts";
import type { Tensor } from "../ops/op.ts";

/**
 * Executes every node of `graph`, or those given; `values` must hold a tensor for each leaf and receives one for each value. States are
 * changed in place. Tensors are checked against the declared shapes at these slot sizes.
 */
export function interpret(
  graph: Graph,
  values: Map<Value, Tensor>,
  slots: SlotSizes,
  nodes: readonly Node[] = graph.nodes,
): void {
  for (const node of nodes) {
    if (node.leaf) {
      const tensor = values.get(node.outputs[0]);
      if (!tensor) throw new Error(`reference: no tensor was given for ${printNode(node)}`);
      check(node.outputs[0], tensor, slots);
      continue;
    }
    const outputs = node.op!.reference(
      node.inputs.map((value) => values.get(value)!),
      node.attributes,
    );
    node.outputs.forEach((value, i) => {
      check(value, outputs[i], slots);
      values.set(value, outputs[i]);
    });
  }
}

function check(value: Value, tensor: Tensor, slots: SlotSizes) {
  const wanted = value.shape.map((dim) => sizeOf(dim, slots));
  const count = elements(value.shape, slots);
  if (wanted.join() !== tensor.shape.join() || tensor.data.length !== count)
    throw new Error(
      `reference: ${printNode(value.node)} needs shape (${wanted}) but the tensor has (${tensor.shape}), ${tensor.data.length} elements`,
    );
}
