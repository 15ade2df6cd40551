/** Scratch of the kernels that are no linears: bytes per thread at the maxima of their dimensions. Kernels without a line take none. */

/** Bytes of a row of `count` f32 scores: kernels store scores four at a time. */
function scores(count: number): number {
  return Math.ceil(count / 4) * 16;
}

export const otherScratchBytes: Readonly<Record<string, (d: Record<string, number>) => number>> = {
  // scores of two query rows over all keys they can see: those of the cache, or without one (context 0) the batch's own rows
  attention: ({ t, context }) => 2 * scores(context || t),
  // probabilities and their gradients of two query rows over the batch's own rows
  attention_grad_q: ({ t }) => 4 * scores(t),
  // the same of two key rows over the queries after them, and the queries' lse and delta of one head
  attention_grad_kv: ({ t }) => 6 * scores(t),
};
