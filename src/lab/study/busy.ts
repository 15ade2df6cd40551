/** Times that were measured while the machine had other work. */
import type { Row } from "./row.ts";

/** Cores that others may take from the study's threads: an operating system at rest does a little. */
const REST = 0.25;
/** Quartiles further apart than this share of the median are no time of the work alone. */
const SPREAD_MOST = 0.25;

/** Text if other processes were in the way of this many threads. */
export function busyMessage(pass: {
  readonly threads: number;
  readonly others: number | null;
  readonly cores: number;
}): string | undefined {
  const { threads, others, cores } = pass;
  if (others === null || threads + others <= cores + REST) return undefined;
  return `the machine was busy: other processes kept ${others.toFixed(1)} of its ${cores} cores while ${threads} thread${threads > 1 ? "s were" : " was"} timed`;
}

/** Why the times of these rows are not to be trusted, if so: others at work, or turns of the same work that took very different times. */
export function timeAlarm(rows: readonly Row[]): string | undefined {
  const timed = rows.filter(({ cost }) => cost.timing.repeats > 0);
  const busy = timed.map(({ cost: { timing }, provenance }) =>
    busyMessage({ ...timing, cores: provenance.machine.cores }),
  );
  const worst = Math.max(0, ...timed.map(spreadOf));
  const said = busy.find((message) => message !== undefined);
  const apart =
    worst > SPREAD_MOST
      ? `turns of the same work differ: the quartiles of a cell's seconds are ${Math.round(100 * worst)} % of their median apart`
      : undefined;
  if (!said && !apart) return undefined;
  return [said, apart].filter(Boolean).join("; ");
}

/** Distance of the quartiles over the median, of the larger part of the cell's seconds. */
function spreadOf({ cost }: Row): number {
  const [seconds, [low, high]] =
    cost.training_seconds > cost.evaluation_seconds
      ? [cost.training_seconds, cost.training_seconds_quartiles]
      : [cost.evaluation_seconds, cost.evaluation_seconds_quartiles];
  return seconds > 0 ? (high - low) / seconds : 0;
}
