/** How long a study will take on this machine: tokens of one person, times people, over the measured rates. */
import { type Cell, trainingRuns } from "./cells.ts";
import type { StudyTask } from "./cohort.ts";
import { evaluatedTokens } from "./evaluation.ts";
import type { Materials } from "./materials.ts";
import type { Rates } from "./rates.ts";
import { isBaseline, retrieves, trains } from "./settings.ts";

export class Estimate {
  private readonly rates: Rates;
  private readonly materials: Materials;
  private readonly tokens = new Map<string, number>();

  constructor(materials: Materials, rates: Rates) {
    this.materials = materials;
    this.rates = rates;
  }

  /** Seconds to evaluate one person in this cell. */
  evaluation({ settings }: Cell, task: StudyTask): number {
    if (isBaseline(settings.method)) return 0;
    const k = retrieves(settings.method) ? settings.k : 0;
    const key = [settings.task, settings.h, k, trains(settings.method)].join();
    let tokens = this.tokens.get(key);
    if (tokens === undefined) {
      const queries = this.materials.queriesOf(task, { ...settings, history: "own" }, task.people[0]);
      tokens = queries.reduce((sum, query) => sum + evaluatedTokens(query, trains(settings.method)), 0);
      this.tokens.set(key, tokens);
    }
    return tokens / this.rates.evaluation;
  }

  /** Seconds to train one adapter for this long. */
  training(tokens: number): number {
    return tokens / this.rates.training;
  }
}

/** Cells of which each is the longest checkpoint of its training run: what training costs. */
export function longestCheckpoints(runs: readonly (readonly Cell[])[]): Cell[] {
  return runs.map((run) => run[run.length - 1]);
}

/** Seconds for everybody of one split: each cell evaluated, each training run to its end. */
function secondsPerPerson(
  estimate: Estimate,
  cells: readonly Cell[],
  runs: readonly (readonly Cell[])[],
  taskOf: (cell: Cell) => StudyTask,
  counts: (cell: Cell) => boolean,
): number {
  const evaluation = cells.filter(counts).map((cell) => estimate.evaluation(cell, taskOf(cell)));
  const training = longestCheckpoints(runs)
    .filter(counts)
    .map(({ settings }) => (trains(settings.method) ? estimate.training(settings.training_tokens) : 0));
  return [...evaluation, ...training].reduce((a, b) => a + b, 0);
}

/** Part of the time budget that is planned for: the rest is for starting, reading and the report. */
const BUDGET_SHARE = 0.85;
/** Fewer users than this say nothing. */
const USERS_MIN = 4;

/** As many of the users as a time budget (seconds) is enough for. */
export function affordableUsers(
  { dev_users }: { readonly dev_users: number },
  budget: number,
  estimate: Estimate,
  cells: readonly Cell[],
  taskOf: (cell: Cell) => StudyTask,
  users: number,
): number {
  const seconds = (counts: (cell: Cell) => boolean) =>
    secondsPerPerson(estimate, cells, trainingRuns(cells), taskOf, counts);
  const left = BUDGET_SHARE * budget - dev_users * seconds(({ dev }) => dev);
  return Math.max(USERS_MIN, Math.min(users, Math.floor(left / seconds(() => true))));
}
