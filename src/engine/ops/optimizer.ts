/** The `apply` range of a training step: gradient norm, clipping, AdamW. The learning rate is a slot. */
import type { Value } from "../graph/graph.ts";
import { primitive, type Tensor, tensor } from "./op.ts";

/** Elements of which one piece of the gradient norm is made; pieces are added in order, so the norm does not depend on the threads. */
export const NORM_PIECE = 4096;
/** Words of the schedule state: β₁ᵗ, β₂ᵗ, factor of the gradients, gradient norm, Σ weights, 3 spare. β powers start at 1. */
export const SCHEDULE_WORDS = 8;
const [BETA1_POWER, BETA2_POWER, FACTOR, NORM, WEIGHT] = [0, 1, 2, 3, 4];

/** Σ x² of every piece of 4096 elements: x any shape → (⌈n/4096⌉) into pieces[first…]. */
export const sumSquaresOp = primitive({
  name: "sum_squares",
  writes: [0],
  infer: () => [],
  reference: ([pieces, x], { first }) => {
    for (let start = 0, piece = first as number; start < x.data.length; start += NORM_PIECE, piece++)
      pieces.data[piece] = x.data
        .subarray(start, start + NORM_PIECE)
        .reduce((sum, value) => sum + value * value, 0);
    return [];
  },
});

/**
 * β₁ᵗ, β₂ᵗ ← one step further; norm = √(Σ pieces) / Σ weights; factor = min(1, max_norm/norm) / Σ weights (max_norm 0: no clipping); then
 * weight_sum ← 0. schedule (8) and weight_sum (1,1) written, pieces (P)
 */
export const optimizerScheduleOp = primitive({
  name: "optimizer_schedule",
  writes: [0, 1],
  infer: () => [],
  reference: ([schedule, weightSum, pieces], { maxNorm, beta1, beta2 }) => {
    const state = schedule.data;
    const weight = weightSum.data[0];
    state[BETA1_POWER] *= beta1 as number;
    state[BETA2_POWER] *= beta2 as number;
    const inverse = weight === 0 ? 0 : 1 / weight;
    state[NORM] = Math.sqrt(pieces.data.reduce((a, b) => a + b, 0)) * inverse;
    const clip =
      (maxNorm as number) > 0 && state[NORM] > (maxNorm as number) ? (maxNorm as number) / state[NORM] : 1;
    state[FACTOR] = inverse * clip;
    state[WEIGHT] = weight;
    weightSum.data[0] = 0;
    return [];
  },
});

/**
 * AdamW with decoupled weight decay, as torch.optim.AdamW; clears the gradient for the next step.     Loshchilov & Hutter 2019, arXiv:1711.05101
 *
 * parameter, gradient, m, v (n) and all written; schedule (8). Its learning rate is a slot of the run; the reference takes it as an attribute.
 */
export const adamwOp = primitive({
  name: "adamw",
  writes: [0, 1, 2, 3],
  infer: () => [],
  reference: ([parameter, gradient, m, v, schedule], attributes) => {
    const { beta1, beta2, eps, weightDecay, learningRate = 0 } = attributes as Record<string, number>;
    const state = schedule.data;
    const [c1, c2] = [1 - state[BETA1_POWER], Math.sqrt(1 - state[BETA2_POWER])];
    for (let i = 0; i < parameter.data.length; i++) {
      const g = gradient.data[i] * state[FACTOR];
      m.data[i] = beta1 * m.data[i] + (1 - beta1) * g;
      v.data[i] = beta2 * v.data[i] + (1 - beta2) * g * g;
      parameter.data[i] -= learningRate * weightDecay * parameter.data[i];
      parameter.data[i] -= ((learningRate / c1) * m.data[i]) / (Math.sqrt(v.data[i]) / c2 + eps);
      gradient.data[i] = 0;
    }
    return [];
  },
});

export interface AdamW {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
}

export interface TrainedState {
  readonly parameter: Value;
  readonly gradient: Value;
  readonly m: Value;
  readonly v: Value;
}

export const sumSquares = (pieces: Value, x: Value, first: number) =>
  void x.node.graph.append(sumSquaresOp, [pieces, x], { first });

export const optimizerSchedule = (
  schedule: Value,
  weightSum: Value,
  pieces: Value,
  attributes: { maxNorm: number; beta1: number; beta2: number },
) => void schedule.node.graph.append(optimizerScheduleOp, [schedule, weightSum, pieces], attributes);

export const adamw = ({ parameter, gradient, m, v }: TrainedState, schedule: Value, attributes: AdamW) =>
  void parameter.node.graph.append(adamwOp, [parameter, gradient, m, v, schedule], { ...attributes });

/** A schedule state before the first step. */
export function initialSchedule(): Tensor {
  return tensor([SCHEDULE_WORDS], (i) => (i <= BETA2_POWER ? 1 : 0));
}
