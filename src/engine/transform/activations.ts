import { blockDtypes } from "../dtypes/index.ts";
import type { Graph, Value } from "../graph/graph.ts";
import { linearOp } from "../ops/linear.ts";
import { linearI8, quantize } from "../ops/quantize.ts";
import { rewrite } from "./rewrite.ts";

/**
 * For inference: linears over weights in blocks of integers take int8 activations, and linears that share an x share its record. Training keeps
 * f32, so that its gradients are those of the function that it computes.
 */
export function quantizeActivations(graph: Graph): Graph {
  const records = new Map<Value, Value>();
  return rewrite(graph, (node, [x, w]) => {
    if (node.op !== linearOp || !(w.dtype in blockDtypes)) return undefined;
    const record = records.get(x) ?? quantize(x);
    records.set(x, record);
    return [linearI8(record, w)];
  });
}
