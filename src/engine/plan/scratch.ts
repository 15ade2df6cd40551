/** Dimensions of a linear at the maxima of the plan's slots: T rows, K columns in, N columns out. */
export interface Dimensions {
  readonly t: number;
  readonly k: number;
  readonly n: number;
}

type Scratch = (d: Dimensions) => number;

/** Depth of a decoded panel, and bytes of one step of it: kernels/panels.ts. */
const BLOCK = 256;
const PANEL_ROW = 64;
/** A tile of 2×16 or 4×8 for outputs that hang over the last column. */
const TILE = 128;

/** A panel of one block (depth in whole groups of 8 rows, as packed dtypes decode) and the tile. */
const block = (depth: number) => ((Math.min(depth, BLOCK) + 7) & ~7) * PANEL_ROW + TILE;

const overK: Scratch = ({ k }) => block(k);
const overN: Scratch = ({ n }) => block(n);
const overT: Scratch = ({ t }) => block(t);

/** Bytes of scratch per thread that a kernel uses, exact; kernels that are not listed use none. */
export const scratchBytes: Readonly<Record<string, Scratch>> = {
  // The panel's depth is what the product sums over: K forward, N for dx, T for dW.
  linear_f32: overK,
  linear_f32_r16: () => TILE, // panels are read where they stand
  linear_f16_r16: overK,
  linear_q8_0_r8: overK,
  linear_q4_0_r8: overK,
  linear_i8_q8_0_r8: () => 64, // two rows of 8 outputs, for the edge
  linear_i8_q4_0_r8: () => 64,
  linear_grad_x_f32: overN,
  linear_grad_x_f32_r16: overN,
  linear_grad_x_f16_r16: overN,
  linear_grad_x_q8_0_r8: overN,
  linear_grad_x_q4_0_r8: overN,
  linear_grad_w: overT,
  adapter_linear: overK,
  adapter_linear_grad_x: overN,
  adapter_linear_grad_w: overT,
};
