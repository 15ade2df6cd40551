import type { Graph, Node, Value } from "./graph.ts";

/** One readable line a node: `%7 f32(rows,64) = rms_norm(%5, %6) eps=0.00001`. */
export function printGraph(graph: Graph): string {
  return graph.nodes.map(printNode).join("\n");
}

export function printNode(node: Node): string {
  const outputs = node.outputs.map((value) => `%${value.id} ${printType(value)}`).join(", ");
  const call = node.leaf
    ? `${node.leaf.kind} "${node.leaf.name}"`
    : `${node.op!.name}(${node.inputs.map((value) => `%${value.id}`).join(", ")})`;
  const attributes = Object.entries(node.attributes).map(([name, value]) => ` ${name}=${value}`);
  return `${outputs ? `${outputs} = ` : ""}${call}${attributes.join("")}`;
}

export function printType(value: Value): string {
  return `${value.dtype}(${value.shape.join(",")})`;
}
