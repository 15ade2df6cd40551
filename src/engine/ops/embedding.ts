import type { Value } from "../graph/graph.ts";
import { fused } from "./op.ts";
import { gather, scatterAdd } from "./primitives.ts";

/** y[t] = table[token[t]]     table (V,C) in any weight dtype, token u32 (T), y (T,C) */
export const embeddingOp = fused({
  name: "embedding",
  constants: [1],
  decompose: ([table, token]) => [gather(table, token)],
  gradient: ([table, token], _outputs, [dy]) => [
    table.node.graph.append(embeddingGradOp, [dy!, token, table])[0],
    undefined,
  ],
});

/** dtable[token[t]] += dy[t]     dy (T,C), token u32 (T), table only for its shape */
export const embeddingGradOp = fused({
  name: "embedding_grad",
  decompose: ([dy, token, table]) => [scatterAdd(dy, token, table)],
});

export const embedding = (table: Value, token: Value) =>
  table.node.graph.append(embeddingOp, [table, token])[0];
