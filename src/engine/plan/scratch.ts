/** How much scratch every kernel takes. */

/** Dimensions of a call at the maxima of the plan's slots, by the names of `Work.scratch`. */
export type Dimensions = Readonly<Record<string, number>>;

/** Depth of a decoded panel, and bytes of one step of it: kernels/panels.ts. */
const BLOCK = 256;
const PANEL_ROW = 64;
/** A tile of 2×16 or 4×8 for outputs that hang over the last column. */
const TILE = 128;

/** The tile and a panel of one block, its depth in whole groups of rows where a packed dtype decodes those. */
const block = (depth: number, group = 1) =>
  TILE + Math.ceil(Math.min(depth, BLOCK) / group) * group * PANEL_ROW;

const overK = ({ k }: Dimensions) => block(k);
const overN = ({ n }: Dimensions) => block(n);
const overGroupsOfN =
  (group: number) =>
  ({ n }: Dimensions) =>
    block(n, group);
const overT = ({ t }: Dimensions) => block(t);

/** Bytes of a row of `count` f32 scores: kernels store scores four at a time. */
const scores = (count: number) => Math.ceil(count / 4) * 16;

/** Bytes of scratch per thread that a kernel uses, exact; kernels that are not listed use none. */
export const scratchBytes: Readonly<Record<string, (d: Dimensions) => number>> = {
  // Linears of t rows, k columns in, n columns out. The panel's depth is what the product sums over: k forward, n for dx, t for dW.
  linear_f32: overK,
  linear_f32_r16: () => TILE, // panels are read where they stand
  linear_f16_r16: overK,
  linear_q8_0_r8: overK,
  linear_q4_0_r8: overK,
  linear_i8_q8_0_r8: () => 64, // two rows of 8 outputs, for the edge
  linear_i8_q4_0_r8: () => 64,
  linear_grad_x_f32: overN,
  linear_grad_x_f32_r16: overGroupsOfN(4),
  linear_grad_x_f16_r16: overGroupsOfN(4),
  linear_grad_x_q8_0_r8: overGroupsOfN(8),
  linear_grad_x_q4_0_r8: overGroupsOfN(8),
  linear_grad_w: overT,
  adapter_linear: overK,
  adapter_linear_grad_x: overN,
  adapter_linear_grad_w: overT,
  // Scores of two query rows over all keys they can see: those of the cache, or without one (context 0) the batch's own rows.
  attention: ({ t, context }) => 2 * scores(context || t),
  // Probabilities and their gradients of two query rows over the batch's own rows.
  attention_grad_q: ({ t }) => 4 * scores(t),
  // The same of two key rows over the queries after them, and the queries' lse and delta of one head.
  attention_grad_kv: ({ t }) => 6 * scores(t),
};
