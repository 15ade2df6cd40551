import type { Value } from "../graph/graph.ts";
import { fused, gradientOp } from "./op.ts";
import { mul, sigmoid } from "./primitives.ts";

/** y = gate · σ(gate) · up     all (T,F)     Shazeer 2020, arXiv:2002.05202 */
export const swigluOp = fused({
  name: "swiglu",
  decompose: ([gate, up]) => [mul(mul(gate, sigmoid(gate)), up)],
  gradient: ([gate, up], _outputs, [dy]) => gate.node.graph.append(swigluGradOp, [dy!, gate, up]),
});

export const swigluGradOp = gradientOp("swiglu_grad", swigluOp, 2, [0, 1]);

export const swiglu = (gate: Value, up: Value) => gate.node.graph.append(swigluOp, [gate, up])[0];
