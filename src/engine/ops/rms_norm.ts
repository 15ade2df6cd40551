import type { Value } from "../graph/graph.ts";
import { fused, gradientOp } from "./op.ts";
import { mean, mul, reshape, rsqrt, shift, square } from "./primitives.ts";

/** y = x · w · r with r = 1/√(mean(x²) + ε)     x (T,C), w (C), y (T,C), r (T,1)     Zhang & Sennrich 2019, arXiv:1910.07467 */
export const rmsNormOp = fused({
  name: "rms_norm",
  decompose: ([x, w], { eps }) => {
    const r = rsqrt(shift(mean(square(x), 1), eps as number));
    return [mul(mul(x, r), reshape(w, [1, w.shape[0]])), r];
  },
  gradient: ([x, w], [, r], [dy], attributes, wanted) => {
    const append = (op: typeof rmsNormGradXOp) => x.node.graph.append(op, [dy!, x, w, r], attributes)[0];
    return [wanted[0] ? append(rmsNormGradXOp) : undefined, wanted[1] ? append(rmsNormGradWOp) : undefined];
  },
});

export const rmsNormGradXOp = gradientOp("rms_norm_grad_x", rmsNormOp, 2, [0]);
export const rmsNormGradWOp = gradientOp("rms_norm_grad_w", rmsNormOp, 2, [1]);

export const rmsNorm = (x: Value, w: Value, eps: number) =>
  x.node.graph.append(rmsNormOp, [x, w], { eps })[0];
