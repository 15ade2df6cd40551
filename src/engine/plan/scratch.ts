/** How much scratch every kernel takes. */
import { blockDtypes } from "../dtypes/index.ts";

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

/** Two rows of 8 outputs, for the last columns; bytes of unpacked weights, 8 rows × 32 k, where rows share them. */
const integers =
  (unpacked: number) =>
  ({ t, k }: Dimensions) =>
    64 + (t > 1 ? (k / 32) * unpacked : 0);

const named = (kernel: string, dtypes: readonly string[], bytes: (d: Dimensions) => number) =>
  Object.fromEntries(dtypes.map((dtype) => [`${kernel}_${dtype}`, bytes]));

const halves = {
  ...named("linear", ["f16_r16", "bf16_r16"], overK),
  ...named("linear_grad_x", ["f16_r16", "bf16_r16"], overGroupsOfN(4)),
};
const blockNames = Object.keys(blockDtypes);
const blocks = {
  ...named("linear", blockNames, overK),
  ...named("linear_grad_x", blockNames, overGroupsOfN(8)),
  linear_i8_q8_0_r8: integers(0), // read where it stands
  ...named("linear_i8", ["q4_0_r8", "q5_0_r8"], integers(288)),
  ...named("linear_i8", ["q4_1_r8", "q5_1_r8", "q4_k_r8", "q5_k_r8"], integers(320)), // and mins
  linear_i8_q6_k_r8: integers(352), // and factors
};
const attentionScratch = ({ t, context, window }: Dimensions) =>
  16 * (32 + scores(Math.min(window || Number.POSITIVE_INFINITY, context || t)));
/** Whole vectors of keys, of 4096 values if they fit: kernels/attention.ts. */
const attentionTile = ({ d }: Dimensions) => 4 * d * Math.max(4, Math.floor(4096 / d / 4) * 4);

/** Bytes of scratch per thread that a kernel uses, exact; kernels that are not listed use none. */
export const scratchBytes: Readonly<Record<string, (d: Dimensions) => number>> = {
  // Linears of t rows, k columns in, n columns out. The panel's depth is what the product sums over: k forward, n for dx, t for dW.
  linear_f32: overK,
  linear_f32_r16: () => TILE, // panels are read where they stand
  linear_grad_x_f32: overN,
  linear_grad_x_f32_r16: overGroupsOfN(4),
  ...halves,
  ...blocks,
  linear_grad_w: overT,
  adapter_linear: overK,
  adapter_linear_grad_x: overN,
  adapter_linear_grad_w: overT,
  // Records of sixteen units and their scores over all keys that they can see: those of the cache, or without one (context 0) the batch's
  // own rows. Keys of a cache in another dtype are decoded in tiles.
  attention: attentionScratch,
  attention_f16: (d) => attentionScratch(d) + attentionTile(d),
  attention_q8_0: (d) => attentionScratch(d) + attentionTile(d),
  // Probabilities and their gradients of two query rows over the batch's own rows.
  attention_grad_q: ({ t }) => 4 * scores(t),
  // A row of logits on its way to the draw, and 2048 bins of u64.
  sample: ({ v }) => scores(v) + 2048 * 8,
  // The same of two key rows over the queries after them, and the queries' lse and delta of one head.
  attention_grad_kv: ({ t }) => 6 * scores(t),
};
