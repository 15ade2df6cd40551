import { type Dim, sameShape, type Value } from "../graph/graph.ts";
import { primitive, product, type Tensor, tensor } from "./op.ts";

/** y = a·b over the last two axes (a or b transposed as the flags say); leading axes, if any, are equal. */
export const matmulOp = primitive({
  name: "matmul",
  infer: ([a, b], attributes) => {
    const { m, k, n, kb } = matmulDims(a.shape, b.shape, attributes);
    if (k !== kb || !sameShape(a.shape.slice(0, -2), b.shape.slice(0, -2)))
      throw new Error(`matmul: shapes (${a.shape}) and (${b.shape}) do not fit (inner sizes ${k} and ${kb})`);
    return [{ shape: [...a.shape.slice(0, -2), m, n], dtype: "f32" }];
  },
  reference: ([a, b], attributes) => [referenceMatmul(a, b, attributes)],
  gradient: ([a, b], _outputs, [dy], { transposeA, transposeB }, wanted) => [
    !wanted[0]
      ? undefined
      : transposeA
        ? matmul(b, dy!, !!transposeB, true)
        : matmul(dy!, b, false, !transposeB),
    !wanted[1]
      ? undefined
      : transposeB
        ? matmul(dy!, a, true, !!transposeA)
        : matmul(a, dy!, !transposeA, false),
  ],
});
export const matmul = (a: Value, b: Value, transposeA = false, transposeB = false) =>
  a.node.graph.append(matmulOp, [a, b], { transposeA, transposeB })[0];

/** Sizes of a matrix product; kb: the inner size as b has it. */
export function matmulDims(
  a: readonly Dim[],
  b: readonly Dim[],
  { transposeA, transposeB }: Record<string, unknown>,
) {
  const [a0, a1, b0, b1] = [a[a.length - 2], a[a.length - 1], b[b.length - 2], b[b.length - 1]];
  return {
    m: transposeA ? a1 : a0,
    k: transposeA ? a0 : a1,
    kb: transposeB ? b1 : b0,
    n: transposeB ? b0 : b1,
  };
}

function referenceMatmul(a: Tensor, b: Tensor, attributes: Record<string, unknown>): Tensor {
  const { m, k, n } = matmulDims(a.shape, b.shape, attributes) as { m: number; k: number; n: number };
  const batch = product(a.shape.slice(0, -2));
  const y = tensor([...a.shape.slice(0, -2), m, n], () => 0);
  const [aRow, aColumn] = attributes.transposeA ? [1, m] : [k, 1];
  const [bRow, bColumn] = attributes.transposeB ? [1, k] : [n, 1];
  for (let z = 0; z < batch; z++)
    for (let i = 0; i < m; i++)
      for (let l = 0; l < k; l++) {
        const left = a.data[z * m * k + i * aRow + l * aColumn];
        for (let j = 0; j < n; j++)
          y.data[(z * m + i) * n + j] += left * b.data[z * k * n + l * bRow + j * bColumn];
      }
  return y;
}
