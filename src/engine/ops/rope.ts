import type { Value } from "../graph/graph.ts";
import { fused } from "./op.ts";
import { add, broadcast, fill, gather, iota, mul, reshape, sub, sum } from "./primitives.ts";

/**
 * Rotary position embedding with Hugging Face's pairing (i, i + D/2).     Su et al. 2021, arXiv:2104.09864
 *
 * y₁ = x₁·cos − x₂·sin, y₂ = x₂·cos + x₁·sin for the two halves of every head; `inverse` turns back, which is the gradient.
 * x (T, heads·d), position u32 (T), table (context, d) = [cos | sin], y (T, heads·d)
 */
export const ropeOp = fused({
  name: "rope",
  constants: [1, 2],
  decompose: ([x, position, table], attributes) => {
    const [rows] = x.shape;
    const [heads, d] = [attributes.heads as number, attributes.d as number];
    const split = reshape(x, [rows, heads, 2, d / 2]);
    const second = iota(x, [1, 1, 2, 1], 2);
    const first = sub(fill(x, [1, 1, 2, 1], 1), second);
    const half = (value: Value, which: Value) => sum(mul(value, which), 2);
    const [x1, x2] = [half(split, first), half(split, second)];
    const angles = reshape(gather(table, position), [rows, 1, 2, d / 2]);
    const cos = half(angles, first);
    const sin = half(angles, second);
    const [a, b] = [mul(x1, cos), mul(x2, sin)];
    const [c, e] = [mul(x2, cos), mul(x1, sin)];
    const y1 = attributes.inverse ? add(a, b) : sub(a, b);
    const y2 = attributes.inverse ? sub(c, e) : add(c, e);
    const y = add(mul(broadcast(y1, split), first), mul(broadcast(y2, split), second));
    return [reshape(y, [rows, heads * d])];
  },
  gradient: ([, position, table], _outputs, [dy], attributes) => [
    dy!.node.graph.append(ropeOp, [dy!, position, table], { ...attributes, inverse: !attributes.inverse })[0],
    undefined,
    undefined,
  ],
});

export const rope = (x: Value, position: Value, table: Value, heads: number, d: number) =>
  x.node.graph.append(ropeOp, [x, position, table], { heads, d, inverse: false })[0];
