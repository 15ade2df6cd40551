import type { Value } from "../graph/graph.ts";
import { matmul } from "./matmul.ts";
import { fused } from "./op.ts";

/** y = x·Wᵀ     x (T,K), w (N,K) in any weight dtype, y (T,N) */
export const linearOp = fused({
  name: "linear",
  decompose: ([x, w]) => [matmul(x, w, false, true)],
  gradient: ([x, w], _outputs, [dy], _attributes, wanted) => [
    wanted[0] ? linearGradX(dy!, w) : undefined,
    wanted[1] ? linearGradW(dy!, x) : undefined,
  ],
});

/** dx = dy·W     dy (T,N), w (N,K), dx (T,K) */
export const linearGradXOp = fused({ name: "linear_grad_x", decompose: ([dy, w]) => [matmul(dy, w)] });

/** dW = dyᵀ·x     dy (T,N), x (T,K), dw (N,K) */
export const linearGradWOp = fused({ name: "linear_grad_w", decompose: ([dy, x]) => [matmul(dy, x, true)] });

export const linear = (x: Value, w: Value) => x.node.graph.append(linearOp, [x, w])[0];
const linearGradX = (dy: Value, w: Value) => dy.node.graph.append(linearGradXOp, [dy, w])[0];
const linearGradW = (dy: Value, x: Value) => dy.node.graph.append(linearGradWOp, [dy, x])[0];
