/** Runs the cells of a study that have no row yet: model by model, compression by compression, all people of a cell in shared batches. */
import { InputError } from "../../errors.ts";
import { BASELINES } from "../tasks/baselines.ts";
import { type Item, type Task, testItems } from "../tasks/types.ts";
import { Adaptation } from "./adaptation.ts";
import { type Cell, expand, trainingRuns } from "./cells.ts";
import { bayesBounds, cohort, historyOf, type Person, studyTask } from "./cohort.ts";
import { evaluate, evaluateBaseline, type Outcome } from "./evaluation.ts";
import type { Query } from "./prompting.ts";
import { provenance } from "./provenance.ts";
import { measureRates } from "./rates.ts";
import type { Results } from "./results.ts";
import { itemDigest, makeRow, type Row } from "./row.ts";
import { isBaseline, retrieves, rowKey, type Settings, trains } from "./settings.ts";
import { declaredDigest, type Study, studyDigest } from "./study_file.ts";
import { adapterAudit, type Compression, handOver, type Rates, Workbench } from "./workbench.ts";

export interface RunOptions {
  readonly threads: number;
  /** Test users of each task; the study file's, or fewer where time is short. */
  readonly users: number;
  /** For the rows: what the user typed. */
  readonly command: string;
  readonly signal?: AbortSignal;
  /** Rows done and in all, and what is at work now. */
  onProgress?(done: number, total: number, label: string): void;
}

/** A cell with the people who have no row of it yet. */
interface Job {
  readonly cell: Cell;
  readonly people: readonly Person[];
}

export class StudyRunner {
  private readonly study: Study;
  private readonly results: Results;
  private readonly options: RunOptions;
  private readonly tasks: Map<string, { task: Task; people: Person[] }>;
  private readonly total: number;
  private done: number;

  constructor(study: Study, results: Results, options: RunOptions) {
    this.study = study;
    this.results = results;
    this.options = options;
    const [seed] = study.seeds;
    this.tasks = new Map(
      Object.keys(study.tasks).map((name) => {
        const task = studyTask(study, name);
        return [name, { task, people: cohort(study, task, name, seed, options.users) }];
      }),
    );
    const cells = expand(study);
    this.total = cells.reduce((sum, cell) => sum + this.peopleOf(cell).length, 0);
    this.done = this.total - this.jobs(cells).reduce((sum, { people }) => sum + people.length, 0);
  }

  /** Runs everything that is missing. After an abort what is finished stays in the results. */
  async run(): Promise<void> {
    const jobs = this.jobs(expand(this.study));
    this.runBaselines(jobs.filter(({ cell }) => isBaseline(cell.settings.method)));
    for (const [model, path] of Object.entries(this.study.models))
      for (const compression of ["f32", "f16", "q8_0", "q4_0"] as const) {
        const own = jobs.filter(
          ({ cell: { settings } }) => settings.model === model && settings.compression === compression,
        );
        if (own.length) await this.runModel(path, compression, own);
      }
  }

  private async runModel(path: string, compression: Compression, jobs: readonly Job[]): Promise<void> {
    const most = Math.max(...[...this.tasks.values()].map(({ people }) => people.length));
    const bench = await Workbench.open(path, compression, this.options.threads, most);
    try {
      const rates = await measureRates(bench);
      for (const job of jobs.filter(({ cell }) => !trains(cell.settings.method)))
        await this.runUntrained(bench, rates, job);
      const runs = trainingRuns(jobs.map(({ cell }) => cell));
      for (const cells of runs) {
        const run = cells.map((cell) => jobs.find((job) => job.cell === cell)!);
        await this.runTraining(bench, rates, run);
      }
    } finally {
      await bench.close();
    }
  }

  private runBaselines(jobs: readonly Job[]): void {
    for (const { cell, people } of jobs) {
      const name = cell.settings.method.slice("baseline:".length);
      const baseline = BASELINES[name as keyof typeof BASELINES];
      if (!baseline)
        throw new InputError(
          `study: there is no baseline "${name}"; there are ${Object.keys(BASELINES).join(", ")}`,
        );
      this.append(
        people.map((person) => {
          const outcome = evaluateBaseline(
            baseline,
            historyOf(person, cell.settings).items,
            testItems(person.user),
          );
          return this.row(cell.settings, person, outcome, {});
        }),
        cell,
      );
    }
  }

  private async runUntrained(bench: Workbench, rates: Rates, { cell, people }: Job): Promise<void> {
    this.options.signal?.throwIfAborted();
    const { settings } = cell;
    const task = this.taskOf(settings);
    const sittings = people.map((person) => ({ queries: queriesOf(bench, task, settings, person) }));
    const outcomes = await evaluate(bench.scorer, task, sittings);
    const bytes = bench.plannedBytes(0);
    this.append(
      people.map((person, i) =>
        this.row(settings, person, outcomes[i], { bench, rates, bytes, queries: sittings[i].queries }),
      ),
      cell,
    );
  }

  /** One training run with its checkpoints; the jobs differ in training tokens only. */
  private async runTraining(bench: Workbench, rates: Rates, jobs: readonly Job[]): Promise<void> {
    const [{ settings }] = jobs.map(({ cell }) => cell);
    const task = this.taskOf(settings);
    const people = this.peopleOf(jobs[0].cell).filter((person) =>
      jobs.some((job) => job.people.includes(person)),
    );
    const { method, rank, alpha, k, seed } = settings;
    const adapters = await bench.adapters(rank);
    const bank = bench.bank(rank);
    const { layers } = bench.file.config;
    const learners = people.map((person) => ({
      history: historyOf(person, settings).items,
      k: method === "rag+lora-trained" ? k : 0,
    }));
    const run = new Adaptation(
      adapters.trainer,
      bench.prompter,
      task,
      { bank, alpha, layers, seed },
      learners,
    );
    const bytes = bench.plannedBytes(rank);
    for (const { cell, people: waiting } of jobs) {
      await run.until(cell.settings.training_tokens, () => this.report(cell), this.options.signal);
      handOver(adapters);
      const chosen = people
        .map((person, adapter) => ({ person, adapter }))
        .filter(({ person }) => waiting.includes(person));
      const sittings = chosen.map(({ person, adapter }) => ({
        queries: queriesOf(bench, task, cell.settings, person),
        adapter,
        scale: alpha / rank,
      }));
      const outcomes = await evaluate(adapters.scorer, task, sittings);
      this.append(
        chosen.map(({ person, adapter }, i) => {
          const { tokens, gap } = run.learners[adapter];
          const adapted = adapterAudit(adapters.scorer, bank, layers, adapter);
          const { queries } = sittings[i];
          return this.row(cell.settings, person, outcomes[i], {
            bench,
            rates,
            bytes,
            queries,
            trained: { tokens, gap, adapted },
          });
        }),
        cell,
      );
    }
  }

  private row(settings: Settings, person: Person, outcome: Outcome, done: Done): Row {
    const { task } = this.tasks.get(settings.task)!;
    const { study } = this;
    return makeRow({
      study: studyDigest(study),
      declared: declaredDigest(study),
      planned: { users: this.options.users, dev_users: study.dev_users, items: study.items_per_user },
      settings,
      user: person.user.id,
      split: person.split,
      quality: outcome.quality,
      bayes: bayesBounds(task, person.user, settings.h),
      cost: costOf(outcome, done),
      memory: {
        model_bytes: done.bench?.modelBytes ?? 0,
        predicted_peak_bytes: done.bytes ?? 0,
        measured_peak_bytes: null,
      },
      audit: auditOf(settings, person, outcome, done),
      provenance: provenance(this.options.command),
    });
  }

  private append(rows: readonly Row[], cell: Cell): void {
    this.results.append(...rows);
    this.done += rows.length;
    this.report(cell);
  }

  private report({ settings }: Cell): void {
    const { task, method, history, compression, h } = settings;
    const label = `${task} ${method}${history === "placebo" ? " placebo" : ""} ${compression} h ${h}`;
    this.options.onProgress?.(this.done, this.total, label);
  }

  private jobs(cells: readonly Cell[]): Job[] {
    const finished = this.results.finishedKeys();
    return cells
      .map((cell) => ({
        cell,
        people: this.peopleOf(cell).filter(({ user }) => !finished.has(rowKey(cell.settings, user.id))),
      }))
      .filter(({ people }) => people.length > 0);
  }

  private peopleOf({ settings, dev }: Cell): Person[] {
    return this.tasks.get(settings.task)!.people.filter(({ split }) => split === "test" || dev);
  }

  private taskOf(settings: Settings): Task {
    return this.tasks.get(settings.task)!.task;
  }
}

/** What was used to get an outcome; nothing for a baseline. */
interface Done {
  readonly bench?: Workbench;
  readonly rates?: Rates;
  readonly bytes?: number;
  readonly queries?: readonly Query[];
  readonly trained?: {
    readonly tokens: number;
    readonly gap: number | null;
    readonly adapted: NonNullable<Row["audit"]["adapter"]>;
  };
}

function queriesOf(bench: Workbench, task: Task, settings: Settings, person: Person): Query[] {
  const { items } = historyOf(person, settings);
  const k = retrieves(settings.method) ? settings.k : 0;
  return testItems(person.user).map((item) => bench.prompter.query(task, items, item, k));
}

function costOf(outcome: Outcome, { rates, trained }: Done): Row["cost"] {
  const tokens = trained?.tokens ?? 0;
  return {
    trained_tokens: tokens,
    evaluated_tokens: outcome.tokens,
    training_seconds: rates && tokens ? tokens / rates.training : 0,
    evaluation_seconds: rates ? outcome.tokens / rates.evaluation : 0,
    training_tokens_per_second: rates && tokens ? rates.training : 0,
    evaluation_tokens_per_second: rates?.evaluation ?? 0,
  };
}

function auditOf(
  settings: Settings,
  person: Person,
  outcome: Outcome,
  { bench, queries = [], trained }: Done,
): Row["audit"] {
  const { owner, items } = historyOf(person, settings);
  const tests = testItems(person.user);
  const digestOf = (of: string) => (item: Item) =>
    itemDigest(settings.data, of, item.id, `${item.input}\n${item.output}`);
  const shown = queries.filter((query) => query.shown.length);
  return {
    model: bench?.digest ?? null,
    history_user: items.length ? owner.id : null,
    history_items: items.map(digestOf(owner.id)),
    test_items: tests.map(digestOf(person.user.id)),
    trained_items: trained ? items.map(digestOf(owner.id)) : [],
    items_shown: Math.max(0, ...queries.map((query) => query.shown.length)),
    shown_gaps: shown.map(({ item, shown: list }) => item.time - Math.max(...list.map(({ time }) => time))),
    training_gap: trained?.gap ?? null,
    adapter: trained?.adapted ?? null,
    scores: outcome.scores,
    longest_prompt: Math.max(
      0,
      ...queries.map(
        ({ prompt, options }) => prompt.length + Math.max(...options.map(({ length }) => length)),
      ),
    ),
    context: bench?.prompter.context ?? 0,
    canary_hits: shown.filter((query) => query.shown.some((item) => tests.includes(item))).length,
  };
}
