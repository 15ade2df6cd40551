import type { Value } from "../graph/graph.ts";
import { fused, gradientOp } from "./op.ts";
import { mean, mul, reshape, rsqrt, shift, square } from "./primitives.ts";

/**
 * y = x · w · r with r = 1/√(mean(x²) + ε), the mean over each of the `groups` equal parts of a row, such as its heads.
 * x (T,G·C), w (C), y (T,G·C), r (T,G)     Zhang & Sennrich 2019, arXiv:1910.07467
 */
export const rmsNormOp = fused({
  name: "rms_norm",
  decompose: ([x, w], { eps, groups }) => {
    const [rows, c] = [x.shape[0], w.shape[0]];
    const parts = reshape(x, [rows, groups as number, c]);
    const r = rsqrt(shift(mean(square(parts), 2), eps as number));
    const y = mul(mul(parts, r), reshape(w, [1, 1, c]));
    return [reshape(y, x.shape), reshape(r, [rows, groups as number])];
  },
  gradient: ([x, w], [, r], [dy], attributes, wanted) => {
    const append = (op: typeof rmsNormGradXOp) => x.node.graph.append(op, [dy!, x, w, r], attributes)[0];
    return [wanted[0] ? append(rmsNormGradXOp) : undefined, wanted[1] ? append(rmsNormGradWOp) : undefined];
  },
});

export const rmsNormGradXOp = gradientOp("rms_norm_grad_x", rmsNormOp, 2, [0]);
export const rmsNormGradWOp = gradientOp("rms_norm_grad_w", rmsNormOp, 2, [1]);

export const rmsNorm = (x: Value, w: Value, eps: number, groups = 1) =>
  x.node.graph.append(rmsNormOp, [x, w], { eps, groups })[0];
