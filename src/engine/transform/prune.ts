import type { Graph, Node, Value } from "../graph/graph.ts";

/** The nodes whose results reach a write; the others are what a pass appended and nobody needed. */
export function liveNodes(graph: Graph): Set<Node> {
  const live = new Set<Node>();
  const visit = (value: Value) => {
    if (live.has(value.node)) return;
    live.add(value.node);
    value.node.inputs.forEach(visit);
  };
  for (const node of graph.nodes)
    if (node.op?.writes) {
      live.add(node);
      node.inputs.forEach(visit);
    }
  return live;
}
