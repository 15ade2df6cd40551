import { SEQUENCE_ADAPTER, SEQUENCE_SCALE } from "../../../kernels/layout.ts";
import type { Value } from "../graph/graph.ts";
import { matmul } from "./matmul.ts";
import { fused, gradientOp } from "./op.ts";
import { broadcast, equal, fill, iota, mul, reshape, sum } from "./primitives.ts";
import { perRow } from "./sequences.ts";

/**
 * One half of a low-rank adapter, each row with the adapter of its own sequence; rows without one give 0.
 *
 * y[t] = s·B[a]·x[t]     x (T,K), bank B (A,N,K), sequence u32 (T), sequences (S,8), y (T,N);
 * a is the sequence's adapter, s its scale where `scaled`, else 1.     Hu et al. 2021, arXiv:2106.09685
 */
export const adapterLinearOp = fused({
  name: "adapter_linear",
  constants: [2, 3],
  decompose: ([x, bank, sequence, sequences], { scaled }) => {
    const [rows] = x.shape;
    const [adapters, n, k] = bank.shape as readonly number[];
    const all = reshape(matmul(x, reshape(bank, [adapters * n, k]), false, true), [rows, adapters, n]);
    const wide = fill(x, [rows, adapters], 0);
    let chosen = equal(
      broadcast(perRow(sequences, sequence, SEQUENCE_ADAPTER), wide),
      iota(x, [1, adapters], 1),
    );
    if (scaled) chosen = mul(chosen, perRow(sequences, sequence, SEQUENCE_SCALE));
    return [reshape(sum(mul(all, reshape(chosen, [rows, adapters, 1])), 1), [rows, n])];
  },
  gradient: ([x, bank, sequence, sequences], _outputs, [dy], attributes, wanted) => {
    const append = (op: typeof adapterLinearGradXOp) =>
      x.node.graph.append(op, [dy!, x, bank, sequence, sequences], attributes)[0];
    return [
      wanted[0] ? append(adapterLinearGradXOp) : undefined,
      wanted[1] ? append(adapterLinearGradWOp) : undefined,
      undefined,
      undefined,
    ];
  },
});

export const adapterLinearGradXOp = gradientOp("adapter_linear_grad_x", adapterLinearOp, 4, [0]);
export const adapterLinearGradWOp = gradientOp("adapter_linear_grad_w", adapterLinearOp, 4, [1]);

export const adapterLinear = (x: Value, bank: Value, sequence: Value, sequences: Value, scaled: boolean) =>
  x.node.graph.append(adapterLinearOp, [x, bank, sequence, sequences], { scaled })[0];
