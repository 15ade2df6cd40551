import type { Blocks } from "../dtypes/packed/blocks.ts";
import type { Value } from "../graph/graph.ts";
import { primitive, type Tensor, tensor } from "./op.ts";

/** Values that share one scale, in activations as in the GGUF block formats. */
export const BLOCK = 32;

/**
 * Rows of int8 in blocks of 32: scale = max|x|/127, q = round-half-even(x · (127/max|x|)), each step in f32. x (T,K), K a multiple of 32.
 * Its gradient is none: the pass `activations` puts it only where nothing is trained.
 */
export const quantizeOp = primitive({
  name: "quantize",
  infer: ([x]) => {
    if ((x.shape[1] as number) % BLOCK)
      throw new Error(`quantize: ${x.shape[1]} columns are no multiple of ${BLOCK}`);
    return [{ shape: x.shape, dtype: "quantized" }];
  },
  reference: ([x]) => [quantized(x)],
});

/**
 * y = x·Wᵀ over int8 activations and weights of 4 to 8 bits, in exact steps: per output and per block in ascending order
 *   acc = acc + w_scale · (x_scale · Σ w·x), and where there are mins, then
 *   acc = acc + w_min · (x_scale · Σ x), or where every 16 columns have a factor,
 *   acc = acc + w_scale · (x_scale · (factor₀ · Σ₀ w·x + factor₁ · Σ₁ w·x))
 * the sums of integers exact, the products and sums of scales in f32.
 * x quantized (T,K), w (N,K), y (T,N)
 */
export const linearI8Op = primitive({
  name: "linear_i8",
  infer: ([x, w]) => {
    if (x.dtype !== "quantized" || x.shape[1] !== w.shape[1])
      throw new Error(
        `linear_i8: needs quantized x (T,K) and w (N,K), not ${x.dtype} (${x.shape}) and (${w.shape})`,
      );
    return [{ shape: [x.shape[0], w.shape[0]], dtype: "f32" }];
  },
  reference: ([x, w]) => [exactProduct(x, w)],
});

export const quantize = (x: Value) => x.node.graph.append(quantizeOp, [x])[0];
export const linearI8 = (x: Value, w: Value) => x.node.graph.append(linearI8Op, [x, w])[0];

function quantized(x: Tensor): Tensor {
  const integers = new Int8Array(x.data.length);
  const scales = new Float32Array(x.data.length / BLOCK);
  for (let block = 0; block < scales.length; block++) {
    const values = Float32Array.from(x.data.subarray(block * BLOCK, (block + 1) * BLOCK));
    const top = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    scales[block] = top / 127;
    const inverse = top === 0 ? 0 : Math.fround(127 / top);
    values.forEach((value, i) => {
      integers[block * BLOCK + i] = roundHalfEven(Math.fround(value * inverse));
    });
  }
  const data = Float64Array.from(integers, (q, i) => q * scales[Math.floor(i / BLOCK)]);
  return { shape: x.shape, data, blocks: { integers, scales } };
}

function exactProduct(x: Tensor, w: Tensor): Tensor {
  if (!x.blocks || !w.blocks)
    throw new Error("linear_i8: the reference needs the integers and scales of both inputs");
  const [left, right] = [x.blocks, w.blocks];
  const [n, k] = w.shape;
  const f = Math.fround;
  return tensor([x.shape[0], n], (i) => {
    const [row, column] = [Math.floor(i / n), i % n];
    let y = 0;
    for (let block = 0; block < k / BLOCK; block++) {
      const [a, b] = [row * k + block * BLOCK, column * k + block * BLOCK];
      const x_scale = left.scales[a / BLOCK];
      y = f(y + f(right.scales[b / BLOCK] * f(x_scale * blockProduct(left.integers, a, right, b))));
      if (!right.mins) continue;
      const sum = left.integers.subarray(a, a + BLOCK).reduce((total, integer) => total + integer, 0);
      y = f(y + f(right.mins[b / BLOCK] * f(x_scale * sum)));
    }
    return y;
  });
}

/** Σ w·x of a block, each half of it times its factor where it has one. */
function blockProduct(x: Int8Array, at: number, { integers, factors }: Blocks, from: number): number {
  let [sum, half] = [0, 0];
  for (let i = 0; i < BLOCK; i++) {
    half += x[at + i] * integers[from + i];
    if (i % 16 !== 15) continue;
    sum += half * (factors ? factors[(from + i) >> 4] : 1);
    half = 0;
  }
  return sum;
}

function roundHalfEven(x: number): number {
  const rounded = Math.round(x);
  return rounded - x === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
