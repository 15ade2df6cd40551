import type { Graph, Node, Value } from "../graph/graph.ts";
import { printNode } from "../graph/print.ts";
import type { OpName } from "../ops/index.ts";
import { broadcast, reshape, sum, sumOp, transpose } from "../ops/primitives.ts";
import { kernels } from "../plan/kernels.ts";
import { rewrite } from "./rewrite.ts";

/** Whether the kernel table computes this node as it is. */
export function hasKernel(node: Node): boolean {
  const row = kernels[node.op!.name as OpName];
  return row !== undefined && (row.view === true || row.work(node) !== undefined);
}

/**
 * Puts the decomposition in the place of every op that has no kernel (or of those that `force` names). Packed weights are never
 * expanded: their dense form could be hundreds of MB.
 */
export function expand(graph: Graph, force: (node: Node) => boolean = () => false): Graph {
  let expanded = false;
  const result = rewrite(graph, (node, inputs) => {
    if (hasKernel(node) && !force(node)) return undefined;
    expanded = true;
    const copied = throughCopies(node, inputs);
    if (copied) return copied;
    if (!node.op!.decompose) throw new Error(`expand: no kernel computes ${printNode(node)}`);
    const packed = node.inputs.find((value) => value.dtype.includes("_r"));
    if (packed)
      throw new Error(`expand: ${printNode(node)} would need a dense copy of ${packed.dtype} weights`);
    return node.op!.decompose(inputs, node.attributes);
  });
  return expanded ? expand(result, force) : result;
}

/** Kernels of primitives take matrices: what does not fold into one is laid out by a visible copy first. */
function throughCopies(node: Node, inputs: readonly Value[]): readonly Value[] | undefined {
  const [a, b] = inputs;
  if (node.op!.broadcasts) return a.node.graph.append(node.op!, [a, broadcast(b, a)]);
  if (node.op !== sumOp) return undefined;
  const axis = node.attributes.axis as number;
  const order = [...a.shape.keys()].filter((other) => other !== axis);
  const sums = sum(transpose(a, [...order, axis]), order.length);
  return [reshape(sums, node.outputs[0].shape)];
}
