import type { Value } from "../graph/graph.ts";
import { primitive, tensor } from "./op.ts";

/**
 * The next token of every output row. At temperature 0 (a slot) the largest logit, the lowest index on ties; else a sample of
 * softmax(logits / temperature), by the Gumbel-max trick with counter-based random numbers (Gumbel 1954; Maddison et al. 2014, arXiv:1411.0030).
 * logits (O,V), token u32 (O). The reference knows temperature 0 only.
 */
export const sampleOp = primitive({
  name: "sample",
  infer: ([logits]) => [{ shape: [logits.shape[0]], dtype: "u32" }],
  reference: ([logits]) => {
    const vocabulary = logits.shape[1];
    return [
      tensor([logits.shape[0]], (row) => {
        const values = logits.data.subarray(row * vocabulary, (row + 1) * vocabulary);
        return values.reduce((best, value, i) => (value > values[best] ? i : best), 0);
      }),
    ];
  },
});

export const sample = (logits: Value) => logits.node.graph.append(sampleOp, [logits])[0];
