/** One instruction after the other, by the clock: the same `run(first, last)` that tracing and debugging use. */
import type { Slots } from "./control.ts";
import type { Engine } from "./engine.ts";
import { InProcessHost } from "./in_process.ts";
import type { Reading, Readings } from "./timing.ts";

export interface SteppingOptions {
  /** Repeats the range until so much time is spent, `PASSES_LEAST` to `PASSES_MOST` times. */
  readonly seconds: number;
  readonly signal?: AbortSignal;
}

const PASSES_LEAST = 5;
const PASSES_MOST = 200;
/** Between two looks at what else the process has to do, such as Ctrl-C. */
const TURN_MS = 50;

/** What is timed: a plan of an engine. */
export interface Stepper {
  /** Runs instructions [first, last), at once or by a promise. */
  run(first: number, last: number): Promise<void> | void;
  /** Milliseconds. */
  now(): number;
}

/** One thread is called directly: a promise takes longer than many an instruction. */
export function stepperOf({ host, program }: Engine, plan: string, slots: Slots): Stepper {
  const { offset } = program.plans.get(plan)!;
  const now = () => performance.now();
  if (host instanceof InProcessHost)
    return { now, run: (first, last) => host.runSync(offset, first, last, slots) };
  return { now, run: (first, last) => host.run(offset, first, last, { slots }) };
}

/**
 * Times a plan's range, whole and instruction by instruction, in several passes. Beside every instruction stands an empty run at its own
 * place, because finding the place takes the longer the further behind it is. The range must be one that may run again, and what it reads
 * must be in place. The first pass only warms up.
 */
export async function timeInstructions(
  { run, now }: Stepper,
  [first, last]: readonly [number, number],
  { seconds, signal }: SteppingOptions,
): Promise<Readings> {
  const timed = async (from: number, to: number) => {
    const began = now();
    const running = run(from, to);
    if (running) await running;
    return (now() - began) / 1e3;
  };
  const pairOf = async (from: number, to: number): Promise<Reading> => {
    const empty = await timed(from, from);
    return { empty, full: await timed(from, to) };
  };
  const whole: Reading[] = [];
  const instructions = Array.from({ length: last - first }, () => [] as Reading[]);
  await run(first, last);
  const began = now();
  let turn = began;
  const enough = () => whole.length >= PASSES_MOST || now() - began >= 1e3 * seconds;
  while (whole.length < PASSES_LEAST || !enough()) {
    whole.push(await pairOf(first, last));
    for (let i = first; i < last; i++) {
      if (now() - turn > TURN_MS) {
        await new Promise((resolve) => setImmediate(resolve));
        turn = now();
      }
      signal?.throwIfAborted();
      instructions[i - first].push(await pairOf(i, i + 1));
    }
  }
  return { whole, instructions };
}
