/** Runs the cells of a study that have no row yet: model by model, compression by compression, all people of a cell in shared batches. */
import type { RetrieverName } from "../rag/retrievers.ts";
import { BASELINES } from "../tasks/baselines.ts";
import { type Item, isPassage, type Task, testItems } from "../tasks/types.ts";
import { Adaptation, type Checkpoint } from "./adaptation.ts";
import { adapterAudit, handOver } from "./adapters.ts";
import { type Cell, expand, trainingRuns } from "./cells.ts";
import { bayesBounds, cohort, historyOf, type Person, type StudyTask, studyTask } from "./cohort.ts";
import { Estimate, longestCheckpoints, secondsPerPerson } from "./estimate.ts";
import { evaluate, evaluateBaseline, type Outcome } from "./evaluation.ts";
import type { Query } from "./prompting.ts";
import { provenance } from "./provenance.ts";
import { measureRates } from "./rates.ts";
import type { Results } from "./results.ts";
import { itemDigest, makeRow, type Row } from "./row.ts";
import {
  COMPRESSIONS,
  type Compression,
  describe,
  isBaseline,
  retrieves,
  rowKey,
  type Settings,
  trains,
} from "./settings.ts";
import { declaredDigest, modelPaths, type Study, studyDigest } from "./study_file.ts";
import { type Rates, Workbench } from "./workbench.ts";

export interface RunOptions {
  readonly threads: number;
  /** Test users of each task, or, with a time budget, the most that it may allow; default: the study file's number. */
  readonly mostUsers?: number;
  /** default: bm25. Another one is for calibration. */
  readonly retriever?: RetrieverName;
  /** For the rows: what the user typed. */
  readonly command: string;
  readonly signal?: AbortSignal;
  /** Seconds of work done and in all, by the rates of the timing pass, and what is at work now. */
  onProgress?(done: number, total: number, label: string): void;
  onMessage?(message: string): void;
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
  private readonly cells: readonly Cell[];
  private tasks = new Map<string, StudyTask>();
  private users: number;
  private estimate: Estimate | undefined;
  private total = 0;
  private done = 0;

  constructor(study: Study, results: Results, options: RunOptions) {
    this.study = study;
    this.results = results;
    this.options = options;
    this.cells = expand(study);
    const before = results.rows.map(({ planned }) => planned.asked);
    const kept = study.time_budget !== undefined && before.length > 0;
    this.users = kept ? Math.max(...before) : (options.mostUsers ?? study.users);
    this.gather();
  }

  /** Runs everything that is missing. After an abort what is finished stays in the results. */
  async run(): Promise<void> {
    for (const [model, path] of modelPaths(this.study))
      for (const compression of COMPRESSIONS) {
        const own = ({ settings }: Cell) => settings.model === model && settings.compression === compression;
        if (this.jobs().some(({ cell }) => own(cell))) await this.runModel(path, compression, own);
      }
    this.runBaselines();
  }

  private async runModel(
    path: string,
    compression: Compression,
    own: (cell: Cell) => boolean,
  ): Promise<void> {
    const { threads, retriever } = this.options;
    const people = this.users + this.study.dev_users;
    const bench = await Workbench.open(path, compression, { threads, people, retriever });
    try {
      const training = this.cells.some(({ settings }) => trains(settings.method));
      const rates = await measureRates(bench, training, this.options.signal);
      if (!this.estimate) this.plan(new Estimate(bench, rates));
      const jobs = this.jobs().filter(({ cell }) => own(cell));
      for (const job of jobs.filter(({ cell }) => !trains(cell.settings.method)))
        await this.runUntrained(bench, rates, job);
      for (const cells of trainingRuns(jobs.map(({ cell }) => cell)))
        await this.runTraining(
          bench,
          rates,
          cells.map((cell) => jobs.find((job) => job.cell === cell)!),
        );
    } finally {
      await bench.close();
    }
  }

  /** As many users as the time budget allows; a run that goes on keeps the number that it began with. */
  private plan(estimate: Estimate): void {
    const { study, options } = this;
    this.estimate = estimate;
    if (study.time_budget !== undefined && this.results.rows.length === 0) {
      const seconds = (counts: (cell: Cell) => boolean) =>
        secondsPerPerson(
          estimate,
          this.cells,
          trainingRuns(this.cells),
          (cell) => this.taskOf(cell.settings),
          counts,
        );
      const left = BUDGET_SHARE * study.time_budget - study.dev_users * seconds(({ dev }) => dev);
      const affordable = Math.floor(left / seconds(() => true));
      this.users = Math.max(USERS_MIN, Math.min(this.users, affordable));
    }
    this.gather();
    this.total = this.secondsOf(this.jobs());
    options.onMessage?.(
      `${this.users} users × ${study.items_per_user} items, ${study.dev_users} dev users, ${this.cells.length} cells: about ${Math.ceil(this.total)} s`,
    );
  }

  /** Everybody of every task. */
  private gather(): void {
    const [seed] = this.study.seeds;
    this.tasks = new Map(
      Object.keys(this.study.tasks).map((name) => {
        const task = studyTask(this.study, name);
        return [name, { task, people: cohort(this.study, task, name, seed, this.users) }];
      }),
    );
  }

  private secondsOf(jobs: readonly Job[]): number {
    const { estimate } = this;
    if (!estimate) return 0;
    const evaluation = jobs.map(
      ({ cell, people }) => people.length * estimate.evaluation(cell, this.taskOf(cell.settings)),
    );
    const training = longestCheckpoints(trainingRuns(jobs.map(({ cell }) => cell))).map(
      (cell) =>
        jobs.find((job) => job.cell === cell)!.people.length *
        estimate.training(cell.settings.training_tokens),
    );
    return [...evaluation, ...training].reduce((a, b) => a + b, 0);
  }

  private runBaselines(): void {
    for (const { cell, people } of this.jobs()) {
      if (!isBaseline(cell.settings.method)) continue;
      const name = cell.settings.method.slice("baseline:".length);
      const baseline = BASELINES[name as keyof typeof BASELINES];
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
    const { settings } = cell;
    const { task } = this.taskOf(settings);
    const sittings = people.map((person) => ({ queries: queriesOf(bench, task, settings, person) }));
    const outcomes = await evaluate(bench.scorer, task, sittings, this.options.signal);
    const memory = await bench.memory(0);
    this.append(
      people.map((person, i) =>
        this.row(settings, person, outcomes[i], { bench, rates, memory, queries: sittings[i].queries }),
      ),
      cell,
    );
  }

  /** One training run with its checkpoints; the jobs differ in training tokens only. */
  private async runTraining(bench: Workbench, rates: Rates, jobs: readonly Job[]): Promise<void> {
    const [{ settings }] = jobs.map(({ cell }) => cell);
    const { task } = this.taskOf(settings);
    const people = this.peopleOf(jobs[0].cell).filter((person) =>
      jobs.some((job) => job.people.includes(person)),
    );
    const { method, rank, alpha, k, seed } = settings;
    const adapters = await bench.adapters(rank);
    const bank = bench.bank(rank);
    const { layers } = bench.file.config;
    const lessons = people.map((person) => ({
      history: historyOf(person, settings).items,
      k: method === "rag+lora-trained" ? k : 0,
    }));
    const levels = jobs.map(({ cell }) => cell.settings.training_tokens);
    const setup = { bank, alpha, layers, seed };
    const run = new Adaptation(adapters.trainer, bench.prompter, task, setup, lessons, levels);
    const memory = await bench.memory(rank);
    const { engine } = adapters.scorer;
    for (const [level, { cell, people: waiting }] of jobs.entries()) {
      const onStep = (tokens: number) => this.advance(cell, this.estimate!.training(tokens));
      const checkpoints = await run.until(level, onStep, this.options.signal);
      const sittings = checkpoints
        .map((checkpoint) => ({ checkpoint, person: people[checkpoint.adapter] }))
        .filter(({ person }) => waiting.includes(person))
        .map(({ checkpoint, person }) => {
          handOver(engine, checkpoint.adapter, checkpoint.values);
          const queries = queriesOf(bench, task, cell.settings, person);
          return { person, checkpoint, queries, adapter: checkpoint.adapter, scale: alpha / rank };
        });
      const outcomes = await evaluate(adapters.scorer, task, sittings, this.options.signal);
      const rows = sittings.map(({ person, checkpoint, queries }, i) => {
        const adapted = adapterAudit(engine, bank, layers, checkpoint.adapter);
        const trained = { checkpoint, adapted };
        return this.row(cell.settings, person, outcomes[i], { bench, rates, memory, queries, trained });
      });
      this.append(rows, cell);
      if (level === jobs.length - 1) this.sayWhatWasCut(cell, checkpoints, bench);
    }
  }

  private sayWhatWasCut({ settings }: Cell, checkpoints: readonly Checkpoint[], bench: Workbench): void {
    const sum = (of: (checkpoint: Checkpoint) => number) => checkpoints.reduce((n, each) => n + of(each), 0);
    const cut = sum((checkpoint) => checkpoint.cut);
    if (cut > 0)
      this.options.onMessage?.(
        `${describe(settings)}: ${cut} of ${sum(({ items }) => items.length)} items to learn from are longer than the model's trained context of ${bench.prompter.context} tokens; their questions and answers were cut`,
      );
  }

  private row(settings: Settings, person: Person, outcome: Outcome, done: Done): Row {
    const { task, people } = this.taskOf(settings);
    const { study } = this;
    const counted = (split: Person["split"]) => people.filter((other) => other.split === split).length;
    return makeRow({
      study: studyDigest(study),
      declared: declaredDigest(study),
      planned: {
        asked: this.users,
        users: counted("test"),
        dev_users: counted("dev"),
        items: testItems(person.user).length,
      },
      settings,
      lineage: this.results.lineage(settings),
      user: person.user.id,
      split: person.split,
      quality: outcome.quality,
      bayes: bayesBounds(task, person.user, settings.h),
      cost: costOf(outcome, done),
      memory: done.memory ?? NO_MEMORY,
      audit: auditOf(settings, person, outcome, done),
      provenance: provenance(this.options.command),
    });
  }

  private append(rows: readonly Row[], cell: Cell): void {
    this.results.append(...rows);
    this.advance(cell, rows.length * (this.estimate?.evaluation(cell, this.taskOf(cell.settings)) ?? 0));
  }

  private advance({ settings }: Cell, seconds: number): void {
    this.done += seconds;
    this.options.onProgress?.(this.done, this.total, describe(settings));
  }

  /** Cells with the people who have no row of them yet. */
  private jobs(): Job[] {
    const finished = this.results.finishedKeys();
    return this.cells
      .map((cell) => ({
        cell,
        people: this.peopleOf(cell).filter(
          ({ user }) => !finished.has(rowKey(cell.settings, user.id, this.results.lineage(cell.settings))),
        ),
      }))
      .filter(({ people }) => people.length > 0);
  }

  private peopleOf({ settings, dev }: Cell): Person[] {
    return this.taskOf(settings).people.filter(({ split }) => split === "test" || dev);
  }

  private taskOf(settings: Settings): StudyTask {
    return this.tasks.get(settings.task)!;
  }
}

/** Part of the time budget that is planned for: the rest is for starting, reading and the report. */
const BUDGET_SHARE = 0.85;
/** Fewer users than this say nothing. */
const USERS_MIN = 4;

/** A baseline runs no program. */
const NO_MEMORY = { model_bytes: 0, predicted_peak_bytes: 0, measured_peak_bytes: null };

/** What was used to get an outcome; nothing for a baseline. */
interface Done {
  readonly bench?: Workbench;
  readonly rates?: Rates;
  readonly memory?: Row["memory"];
  readonly queries?: readonly Query[];
  readonly trained?: {
    readonly checkpoint: Checkpoint;
    readonly adapted: NonNullable<Row["audit"]["adapter"]>;
  };
}

function queriesOf(bench: Workbench, task: Task, settings: Settings, person: Person): Query[] {
  const { items } = historyOf(person, settings);
  const k = retrieves(settings.method) ? settings.k : 0;
  return testItems(person.user).map((item) => bench.prompter.query(task, items, item, k));
}

function costOf(outcome: Outcome, { rates, trained }: Done): Row["cost"] {
  const tokens = trained?.checkpoint.tokens ?? 0;
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
  const digestOf = (item: Item) => {
    const of = tests.some(({ id }) => id === item.id) ? person.user.id : owner.id;
    return itemDigest(settings.data, of, item);
  };
  const shown = queries.filter((query) => query.shown.length);
  const testDigests = tests.map(digestOf);
  // Texts to choose from, the wrong ones too: whoever has learned one of them knows it again.
  const passages = new Set(tests.filter(isPassage).flatMap(({ options }) => options ?? []));
  const trainedOn = trained?.checkpoint.items ?? [];
  return {
    model: bench?.digest ?? null,
    history_user: items.length ? owner.id : null,
    history_items: items.map(digestOf),
    test_items: testDigests,
    trained_items: trainedOn.map(digestOf),
    items_cut: trained?.checkpoint.cut ?? 0,
    step_tokens: trained?.checkpoint.stepTokens ?? 0,
    items_shown: Math.max(0, ...queries.map((query) => query.shown.length)),
    shown_gaps: shown.map(({ item, shown: list }) => item.time - Math.max(...list.map(({ time }) => time))),
    training_gap: trained?.checkpoint.gap ?? null,
    adapter: trained?.adapted ?? null,
    scores: outcome.scores,
    longest_prompt: Math.max(
      0,
      ...queries.map(
        ({ prompt, options }) => prompt.length + Math.max(...options.map(({ length }) => length)),
      ),
    ),
    context: bench?.prompter.context ?? 0,
    canary_hits:
      items.filter(({ output }) => passages.has(output)).length +
      [...shown.flatMap((query) => query.shown), ...trainedOn].filter((item) =>
        testDigests.includes(digestOf(item)),
      ).length,
  };
}
