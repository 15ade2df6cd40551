import { cos } from "../../engine/math.ts";

/** Names as in the Trainer of Hugging Face. */
export const schedulers = ["constant", "linear", "cosine"] as const;
export type SchedulerType = (typeof schedulers)[number];

export interface Schedule {
  readonly learningRate: number;
  readonly type: SchedulerType;
  readonly warmupSteps: number;
  /** Where `linear` and `cosine` reach 0. */
  readonly maxSteps: number;
}

/** Learning rate of step 1, 2, …: linear warm-up, then constant or decay. */
export function learningRateAt(
  step: number,
  { learningRate, type, warmupSteps, maxSteps }: Schedule,
): number {
  if (step <= warmupSteps) return (learningRate * step) / warmupSteps;
  const left = Math.max(0, (maxSteps - step) / Math.max(1, maxSteps - warmupSteps));
  if (type === "constant") return learningRate;
  return learningRate * (type === "linear" ? left : (1 + cos(Math.PI * (1 - left))) / 2);
}
