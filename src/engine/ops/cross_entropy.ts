import type { Value } from "../graph/graph.ts";
import { fused, gradientOp } from "./op.ts";
import { add, broadcast, cast, equal, exp, iota, log, max, mul, reshape, sub, sum } from "./primitives.ts";

/**
 * loss = weight · (lse − logits[target]), lse = log Σ exp(logits); both 0 where the target is NO_TARGET. In nats.
 * logits (O,V), target u32 (O), weight (O), loss (O,1), lse (O,1)
 */
export const crossEntropyOp = fused({
  name: "cross_entropy",
  constants: [1, 2],
  decompose: ([logits, target, weight]) => {
    const [rows, vocabulary] = logits.shape;
    const top = max(logits);
    const lse = add(log(sum(exp(sub(logits, top)), 1)), top);
    const wanted = broadcast(reshape(cast(target), [rows, 1]), logits);
    const hit = equal(wanted, iota(logits, [1, vocabulary], 1));
    const picked = sum(mul(hit, logits), 1);
    const counted = sum(hit, 1);
    return [mul(mul(sub(lse, picked), counted), reshape(weight, [rows, 1])), mul(lse, counted)];
  },
  gradient: ([logits, target, weight], [, lse], [dloss]) => [
    logits.node.graph.append(crossEntropyGradOp, [dloss!, logits, target, weight, lse])[0],
    undefined,
    undefined,
  ],
});

export const crossEntropyGradOp = gradientOp("cross_entropy_grad", crossEntropyOp, 3, [0]);

/** [loss, lse] */
export const crossEntropy = (logits: Value, target: Value, weight: Value) =>
  logits.node.graph.append(crossEntropyOp, [logits, target, weight]);
