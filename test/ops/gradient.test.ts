import { describe, expect, test } from "vitest";
import type { Value } from "../../src/engine/graph/graph.ts";
import type { Tensor } from "../../src/engine/ops/op.ts";
import { gradientOf } from "../../src/engine/transform/gradient.ts";
import { interpret } from "../../src/engine/transform/reference.ts";
import { caseGraph, caseName, cases, caseTensors, noise, type OpCase } from "../cases.ts";

const slots = { rows: 0, sequences: 0, outputs: 0 };

/** Σ output₀ · weights for the case's tensors, and the gradient that the passes build for it. */
function analytic(one: OpCase, tensors: readonly Tensor[], derived: boolean) {
  const { graph, leaves, outputs } = caseGraph(one);
  const dy = graph.leaf("input", "dy", outputs[0].shape);
  const wanted = one.inputs.map(({ constant }) => !constant);
  const results = derived ? one.op.decompose!(leaves, one.attributes ?? {}) : outputs;
  const gradients = gradientOf([results[0]], [dy], leaves, wanted);
  const values = new Map<Value, Tensor>(leaves.map((leaf, i) => [leaf, tensors[i]]));
  const weights = noise(99);
  const count = (outputs[0].shape as number[]).reduce((a, b) => a * b, 1);
  values.set(dy, {
    shape: outputs[0].shape as number[],
    data: Float64Array.from({ length: count }, (_, i) => weights(i)),
  });
  interpret(graph, values, slots);
  return gradients.map((value) => value && values.get(value)!.data);
}

function objective(one: OpCase, tensors: readonly Tensor[]): number {
  const weights = noise(99);
  return one.op
    .reference(tensors, one.attributes ?? {})[0]
    .data.reduce((sum, y, i) => sum + y * weights(i), 0);
}

const differentiable = cases.filter(({ op, attributes }) => op.gradient && !attributes?.context);

describe("the gradient equals finite differences in f64", () => {
  test.each(differentiable.map((one) => [caseName(one), one] as const))("%s", (_name, one) => {
    const tensors = caseTensors(one.inputs);
    const gradients = analytic(one, tensors, false);
    one.inputs.forEach((input, i) => {
      if (input.constant) return;
      const { data } = tensors[i];
      const stride = Math.max(1, Math.floor(data.length / 40));
      const largest = Math.max(...gradients[i]!.map(Math.abs));
      for (let j = 0; j < data.length; j += stride) {
        const [x, step] = [data[j], 1e-5];
        data[j] = x + step;
        const above = objective(one, tensors);
        data[j] = x - step;
        const below = objective(one, tensors);
        data[j] = x;
        expect(Math.abs((above - below) / (2 * step) - gradients[i]![j])).toBeLessThan(
          1e-7 * Math.max(1, largest),
        );
      }
    });
  });
});

describe("a hand-written gradient equals the derived one", () => {
  const fused = differentiable.filter(({ op }) => op.decompose);
  test.each(fused.map((one) => [caseName(one), one] as const))("%s", (_name, one) => {
    const tensors = caseTensors(one.inputs, 2);
    const [hand, derived] = [analytic(one, tensors, false), analytic(one, tensors, true)];
    hand.forEach((gradient, i) => {
      if (one.inputs[i].constant) return;
      gradient!.forEach((value, j) => {
        expect(Math.abs(value - derived[i]![j])).toBeLessThan(1e-12 * Math.max(1, Math.abs(value)));
      });
    });
  });
});
