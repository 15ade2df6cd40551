import type { Value } from "../graph/graph.ts";
import { fused, gradientOp } from "./op.ts";
import { add, mul, scale, sigmoid, square } from "./primitives.ts";

/** 2·√(2/π): tanh(u) = 2·σ(2u) − 1 takes the factor 2. */
const SLOPE = 1.5957691216057308;
const CUBIC = 0.044715;

/**
 * y = gelu(gate) · up with gelu(x) = x·½(1 + tanh(√(2/π)·(x + 0.044715·x³))) = x·σ(2·√(2/π)·(x + 0.044715·x³))     all (T,F)
 * Hendrycks & Gimpel 2016, arXiv:1606.08415; Shazeer 2020, arXiv:2002.05202
 */
export const gegluOp = fused({
  name: "geglu",
  decompose: ([gate, up]) => {
    const argument = scale(add(gate, scale(mul(square(gate), gate), CUBIC)), SLOPE);
    return [mul(mul(gate, sigmoid(argument)), up)];
  },
  gradient: ([gate, up], _outputs, [dy]) => gate.node.graph.append(gegluGradOp, [dy!, gate, up]),
});

export const gegluGradOp = gradientOp("geglu_grad", gegluOp, 2, [0, 1]);

export const geglu = (gate: Value, up: Value) => gate.node.graph.append(gegluOp, [gate, up])[0];
