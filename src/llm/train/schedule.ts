import { cos } from "../../engine/math.ts";

/** Names as in the Trainer of Hugging Face. */
export const schedulers = ["constant", "linear", "cosine"] as const;
export type SchedulerType = (typeof schedulers)[number];

export interface Schedule {
  readonly learningRate: number;
  readonly type: SchedulerType;
  readonly warmupSteps: number;
  /** Steps of the run. `linear` and `cosine` would reach 0 at the one after the last, so that every step learns. */
  readonly maxSteps: number;
}

/**
 * Learning rate of step 1, 2, …: linear warm-up, then constant or decay. After the warm-up the rates are those of `get_scheduler` in
 * transformers 5.24; the warm-up is a step ahead of it, because its first step has the rate 0 and learns nothing.
 */
export function learningRateAt(
  step: number,
  { learningRate, type, warmupSteps, maxSteps }: Schedule,
): number {
  if (step <= warmupSteps) return (learningRate * step) / warmupSteps;
  if (type === "constant") return learningRate;
  const left = Math.max(0, (maxSteps + 1 - step) / Math.max(1, maxSteps - warmupSteps));
  return learningRate * (type === "linear" ? left : (1 + cos(Math.PI * (1 - left))) / 2);
}
