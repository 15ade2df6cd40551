/** From the grid of a study file to its cells, and from a contrast's selector to the one cell it means. */
import { cellKey, isBaseline, neutral, retrieves, SETTINGS, type Settings, trains } from "./settings.ts";
import type { Block, Selector, Study } from "./study_file.ts";

export interface Cell {
  settings: Settings;
  key: string;
  /** Whether dev users run it too: what admits tasks and finds plateaus. */
  dev: boolean;
}

/** What decides which cells a study has. */
type Crossed = Pick<Study, "grid" | "tasks" | "models" | "seeds" | "data" | "dev_users" | "contrasts">;

/** All cells of a study, each once, however many blocks ask for it. Test users run every one. */
export function expand(study: Crossed): Cell[] {
  const cells = new Map<string, Cell>();
  const regret = study.contrasts.some((contrast) => contrast.limits);
  const plainest = study.grid[0].compression[0];
  for (const block of study.grid) {
    for (const settings of crossing(study, block)) {
      const key = cellKey(settings);
      const { method, history, compression } = settings;
      // Where one of several k is to be chosen, it is chosen on dev users with these very weights.
      const choosing = retrieves(method) && block.k.length > 1;
      const dev =
        history === "own" && !isBaseline(method) && (regret || choosing || compression === plainest);
      cells.set(key, { settings, key, dev: dev && study.dev_users > 0 });
    }
  }
  return [...cells.values()];
}

function crossing(study: Crossed, block: Block): Settings[] {
  let partial: Partial<Settings>[] = [{}];
  const cross = <K extends keyof Settings>(name: K, values: readonly Settings[K][]) => {
    partial = partial.flatMap((settings) => values.map((value) => ({ ...settings, [name]: value })));
  };
  cross("task", block.task ?? Object.keys(study.tasks));
  cross("model", block.model ?? Object.keys(study.models));
  cross("compression", block.compression);
  cross("method", block.method);
  cross("history", block.history);
  cross("h", block.h ?? [0]);
  cross("k", block.k);
  cross("training_tokens", block.training_tokens ?? [0]);
  cross("rank", block.rank);
  cross("seed", study.seeds);
  return partial.flatMap((settings) =>
    (block.alpha ?? [2 * settings.rank!]).map((alpha) =>
      neutral({ ...settings, alpha, data: study.data[settings.task!] } as Settings),
    ),
  );
}

/** Cells that are checkpoints of one training run: they differ in training_tokens only. Ascending. */
export function trainingRuns(cells: readonly Cell[]): Cell[][] {
  const runs = new Map<string, Cell[]>();
  for (const cell of cells) {
    if (!trains(cell.settings.method)) continue;
    const run = cellKey({ ...cell.settings, training_tokens: 0 });
    runs.set(run, [...(runs.get(run) ?? []), cell]);
  }
  return [...runs.values()].map((run) =>
    run.sort((a, b) => a.settings.training_tokens - b.settings.training_tokens),
  );
}

/**
 * Cells that fit a selector on a task, seeds aside. History is the user's own unless the selector says otherwise;
 * training_tokens and k given as a word are left open here.
 */
export function matching(selector: Selector, task: string, cells: readonly Settings[]): Settings[] {
  const { training_tokens, k, ...rest } = selector;
  const numbers = {
    ...(typeof training_tokens === "number" && { training_tokens }),
    ...(typeof k === "number" && { k }),
  };
  const wanted = Object.entries(neutral({ history: "own" as const, ...rest, ...numbers, task }));
  return cells.filter((cell) =>
    wanted.every(([name, value]) => value === undefined || cell[name as keyof Settings] === value),
  );
}

/** Factors in which cells differ, with their values: what a selector has to name. Seeds do not count. */
export function differences(cells: readonly Settings[]): string[] {
  return SETTINGS.filter((name) => name !== "seed").flatMap((name) => {
    const values = [...new Set(cells.map((cell) => cell[name]))];
    return values.length > 1 ? [`${name} (${values.join(", ")})`] : [];
  });
}
