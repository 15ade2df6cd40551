import { SEQUENCE_CACHE } from "../../../kernels/layout.ts";
import type { Value } from "../graph/graph.ts";
import { primitive, tensor } from "./op.ts";
import { SEQUENCE_COLUMNS } from "./sequences.ts";

type Rows = Record<"token" | "position" | "sequence" | "sequences", Value>;
/** Sizes of the history, as those of the KV caches. */
type CacheSizes = { context: number; caches: number };

/**
 * The next token of every output row. At temperature 0 (a slot) the largest logit, the lowest index on ties; else a sample of
 * softmax(logits / temperature), by the Gumbel-max trick with counter-based random numbers (Gumbel 1954; Maddison et al. 2014, arXiv:1411.0030).
 * The slots repetition_penalty, top_k, top_p and min_p change what it chooses from; kernels/sample.ts says how.
 * logits (O,V), output_row u32 (O), sequence u32 (T), sequences (S,8), history u32 (caches·context), token u32 (O). The reference knows
 * temperature 0 without a penalty only.
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

/**
 * The token of row t becomes the entry cache·context + position[t] of the history, cache being that of the row's sequence.
 * history u32 (caches·context) written, token, position, sequence u32 (T), sequences (S,8)
 */
export const historyWriteOp = primitive({
  name: "history_write",
  writes: [0],
  infer: () => [],
  reference: ([history, token, position, sequence, sequences], { context }) => {
    token.data.forEach((value, row) => {
      const cache = sequences.data[sequence.data[row] * SEQUENCE_COLUMNS + SEQUENCE_CACHE / 4];
      history.data[cache * (context as number) + position.data[row]] = value;
    });
    return [];
  },
});

export function sample(
  inputs: Omit<Rows, "token" | "position"> & { logits: Value; output_row: Value; history: Value },
  sizes: CacheSizes,
): Value {
  const { logits, output_row, sequence, sequences, history } = inputs;
  return logits.node.graph.append(sampleOp, [logits, output_row, sequence, sequences, history], sizes)[0];
}

export function historyWrite(history: Value, rows: Rows, sizes: CacheSizes): void {
  const { token, position, sequence, sequences } = rows;
  history.node.graph.append(historyWriteOp, [history, token, position, sequence, sequences], sizes);
}
