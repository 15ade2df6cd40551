/** The sequences table in the mathematics: a matrix (S, 8) whose columns are named in kernels/layout.ts. */
import { SEQUENCE_BYTES } from "../../../kernels/layout.ts";
import type { Value } from "../graph/graph.ts";
import { matmul } from "./matmul.ts";
import { cast, equal, fill, gather, iota } from "./primitives.ts";

export const SEQUENCE_COLUMNS = SEQUENCE_BYTES / 4;

/** For every row, the entry of its sequence in the column at this byte offset: (T, 1). */
export function perRow(sequences: Value, sequence: Value, offset: number): Value {
  const unit = equal(iota(sequences, [SEQUENCE_COLUMNS, 1], 0), fill(sequences, [1, 1], offset / 4));
  return gather(matmul(cast(sequences), unit), sequence);
}
