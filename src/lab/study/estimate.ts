/** How long a study will take on this machine: tokens of one person, times people, over the measured rates. */
import { testItems } from "../tasks/types.ts";
import type { Cell } from "./cells.ts";
import { historyOf, type StudyTask } from "./cohort.ts";
import { evaluatedTokens } from "./evaluation.ts";
import { isBaseline, retrieves, trains } from "./settings.ts";
import type { Rates, Workbench } from "./workbench.ts";

export class Estimate {
  private readonly rates: Rates;
  private readonly bench: Workbench;
  private readonly tokens = new Map<string, number>();

  constructor(bench: Workbench, rates: Rates) {
    this.bench = bench;
    this.rates = rates;
  }

  /** Seconds to evaluate one person in this cell. */
  evaluation({ settings }: Cell, { task, people }: StudyTask): number {
    if (isBaseline(settings.method)) return 0;
    const k = retrieves(settings.method) ? settings.k : 0;
    const key = [settings.task, settings.h, k, trains(settings.method)].join();
    let tokens = this.tokens.get(key);
    if (tokens === undefined) {
      const [person] = people;
      const { items } = historyOf(person, { history: "own", h: settings.h });
      const queries = testItems(person.user).map((item) => this.bench.prompter.query(task, items, item, k));
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
export function secondsPerPerson(
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
