/** One instruction after the other, by the clock: the same `run(first, last)` that tracing and debugging use. */
import type { Slots } from "./control.ts";
import type { Engine } from "./engine.ts";

export interface SteppingOptions {
  /** Repeats the range until so much time is spent, 3 to 200 times. */
  readonly seconds: number;
  readonly signal?: AbortSignal;
}

/**
 * Seconds of every instruction of a plan's range, each run by itself: the median over several passes, less what an empty run takes. The
 * range must be one that may run again, and what it reads must be in place.
 */
export async function timeInstructions(
  engine: Engine,
  plan: string,
  [first, last]: readonly [number, number],
  slots: Slots,
  { seconds, signal }: SteppingOptions,
): Promise<number[]> {
  const { offset } = engine.program.plans.get(plan)!;
  const timed = async (from: number, to: number) => {
    const began = performance.now();
    await engine.host.run(offset, from, to, { slots });
    return (performance.now() - began) / 1e3;
  };
  const empty: number[] = [];
  const times = Array.from({ length: last - first }, () => [] as number[]);
  const began = performance.now();
  for (let pass = 0; pass < 3 || (pass < 200 && performance.now() - began < 1e3 * seconds); pass++) {
    signal?.throwIfAborted();
    empty.push(await timed(first, first));
    for (let i = first; i < last; i++) times[i - first].push(await timed(i, i + 1));
  }
  const overhead = median(empty);
  return times.map((list) => Math.max(0, median(list) - overhead));
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}
