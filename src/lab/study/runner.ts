/** Runs the cells of a study that have no row yet: model by model, compression by compression, all people of a cell in shared batches. */
import os from "node:os";
import type { RetrieverName } from "../rag/retrievers.ts";
import { BASELINES } from "../tasks/baselines.ts";
import { type Item, isPassage, testItems } from "../tasks/types.ts";
import { Adaptation, type Checkpoint } from "./adaptation.ts";
import { adapterAudit, handOver } from "./adapters.ts";
import { busyMessage } from "./busy.ts";
import { type Cell, expand, trainingRuns } from "./cells.ts";
import { bayesBounds, cohort, historyOf, type Person, type StudyTask, studyTask } from "./cohort.ts";
import { affordableUsers, Estimate, longestCheckpoints } from "./estimate.ts";
import { evaluate, evaluateBaseline, type Outcome } from "./evaluation.ts";
import { Footprints } from "./footprint.ts";
import type { Query } from "./prompting.ts";
import { provenance } from "./provenance.ts";
import { measureRates } from "./rates.ts";
import type { Results } from "./results.ts";
import { itemDigest, makeRow, type Row } from "./row.ts";
import {
  type Compression,
  cellKey,
  describe,
  isBaseline,
  rowKey,
  type Settings,
  trains,
} from "./settings.ts";
import { declaredDigest, type Study, studyDigest } from "./study_file.ts";
import {
  type Assignment,
  assignments,
  closeSubjects,
  type Job,
  needsOf,
  openSubjects,
  type Subject,
} from "./subjects.ts";
import { type Rate, type Timing, timeCells } from "./timing.ts";
import { usersMissing, usersSince, usersWithin } from "./users.ts";
import { Workbench } from "./workbench.ts";

export interface RunOptions {
  readonly threads: number;
  /** Bytes that the process may take; default: the limit of its control group, if there is one. */
  readonly memoryLimit?: number;
  /** Turns of the timing pass; default 7. */
  readonly repeats?: number;
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

  /** Rows that the results have in the end. */
  get rows(): number {
    return this.cells.reduce((sum, cell) => sum + this.peopleOf(cell).length, 0);
  }

  /** Runs everything that is missing. After an abort what is finished stays in the results. */
  async run(): Promise<void> {
    this.say(usersSince(this.results.rows, this.users, this.options.mostUsers));
    const jobs = this.jobs();
    const subjects = await openSubjects(this.study, jobs, this.options.retriever);
    try {
      await this.runAssigned(assignments(subjects, jobs, this.taskOfCell, this.options));
    } finally {
      await closeSubjects(subjects);
    }
    this.runBaselines();
  }

  private async runAssigned(assigned: readonly Assignment[]): Promise<void> {
    const { threads, onMessage } = this.options;
    const timing = await timeCells(assigned, this.taskOfCell, this.options);
    const busy = busyMessage({ threads, others: timing.others, cores: os.cpus().length });
    if (busy) onMessage?.(`times: ${busy}`);
    for (const one of assigned) await this.runAssignment(one, timing);
  }

  private async runAssignment({ subject, compression, batches, ...all }: Assignment, timing: Timing) {
    const { threads, signal } = this.options;
    const bench = new Workbench(subject.file, compression, { threads, batches });
    try {
      if (!this.estimate) {
        const rates = await measureRates(bench, [...batches.keys()], signal);
        this.plan(new Estimate(subject.materials, rates));
      }
      const keys = new Set(all.jobs.map(({ cell }) => cell.key));
      const jobs = this.jobs().filter(({ cell }) => keys.has(cell.key));
      // No program is open meanwhile: the processes that are measured have the machine's memory.
      await bench.close();
      const memory = await this.footprintsOf(subject, compression, jobs);
      const means = { subject, bench, timing, memory };
      for (const job of jobs.filter(({ cell }) => !trains(cell.settings.method)))
        await this.runUntrained(means, job);
      for (const cells of trainingRuns(jobs.map(({ cell }) => cell)))
        await this.runTraining(
          means,
          cells.map((cell) => jobs.find((job) => job.cell === cell)!),
        );
    } finally {
      await bench.close();
    }
  }

  /** By key of the cell, for the longest of all its people. */
  private async footprintsOf(
    subject: Subject,
    compression: Compression,
    jobs: readonly Job[],
  ): Promise<ReadonlyMap<string, Row["memory"]>> {
    const { threads } = this.options;
    const footprints = new Footprints(subject.file, this.options.signal);
    const memory = new Map<string, Row["memory"]>();
    for (const { cell } of jobs) {
      const { rank } = cell.settings;
      const needs = needsOf(subject, [{ cell, people: this.peopleOf(cell) }], this.taskOfCell);
      memory.set(cell.key, await footprints.of({ compression, rank, threads }, needs));
    }
    return memory;
  }

  /** As many users as the time budget allows; a run that goes on keeps the number that it began with. */
  private plan(estimate: Estimate): void {
    const { study, options } = this;
    this.estimate = estimate;
    if (study.time_budget !== undefined && this.results.rows.length === 0) {
      const users = affordableUsers(
        study,
        study.time_budget,
        estimate,
        this.cells,
        this.taskOfCell,
        this.users,
      );
      this.say(usersWithin(study.time_budget, users, this.users));
      this.users = users;
    }
    this.gather();
    this.say(usersMissing(this.tasks, this.users));
    this.total = this.secondsOf(this.jobs());
    options.onMessage?.(
      `${this.users} users × ${study.items_per_user} items, ${study.dev_users} dev users, ${this.cells.length} cells: about ${Math.ceil(this.total)} s`,
    );
  }

  private say(message: string | undefined): void {
    if (message) this.options.onMessage?.(message);
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
          return this.row(cell.settings, person, outcome);
        }),
        cell,
      );
    }
  }

  private async runUntrained(means: Means, { cell, people }: Job): Promise<void> {
    const { settings } = cell;
    const task = this.taskOf(settings);
    const { materials } = means.subject;
    const sittings = people.map((person) => ({ queries: materials.queriesOf(task, settings, person) }));
    const scorer = await means.bench.scorer();
    const outcomes = await evaluate(scorer, task.task, sittings, this.options.signal);
    this.append(
      people.map((person, i) =>
        this.row(settings, person, outcomes[i], { ...means, queries: sittings[i].queries }),
      ),
      cell,
    );
  }

  /** Training runs with their checkpoints, as many people at once as the bank holds; the jobs differ in training tokens only. */
  private async runTraining(means: Means, jobs: readonly Job[]): Promise<void> {
    const [{ settings }] = jobs.map(({ cell }) => cell);
    const people = this.peopleOf(jobs[0].cell).filter((person) =>
      jobs.some((job) => job.people.includes(person)),
    );
    const { adapters } = means.bench.bank(settings.rank);
    for (let first = 0; first < people.length; first += adapters)
      await this.trainTogether(means, jobs, people.slice(first, first + adapters));
  }

  private async trainTogether(means: Means, jobs: readonly Job[], people: readonly Person[]): Promise<void> {
    const { subject, bench } = means;
    const [{ settings }] = jobs.map(({ cell }) => cell);
    const { rank, alpha, seed } = settings;
    const task = this.taskOf(settings);
    const { materials } = subject;
    const { trainer, scorer } = await bench.adapters(rank);
    const bank = bench.bank(rank);
    const { layers } = subject.file.config;
    const lessons = people.map((person) => materials.lessonsOf(task, settings, person));
    const levels = jobs.map(({ cell }) => cell.settings.training_tokens);
    const run = new Adaptation(trainer, { bank, alpha, layers, seed }, lessons, levels);
    const { engine } = scorer;
    for (const [level, { cell, people: waiting }] of jobs.entries()) {
      const onStep = (tokens: number) => this.advance(cell, this.estimate!.training(tokens));
      const checkpoints = await run.until(level, onStep, this.options.signal);
      const sittings = checkpoints
        .map((checkpoint) => ({ checkpoint, person: people[checkpoint.adapter] }))
        .filter(({ person }) => waiting.includes(person))
        .map(({ checkpoint, person }) => {
          handOver(engine, checkpoint.adapter, checkpoint.values);
          const queries = materials.queriesOf(task, cell.settings, person);
          return { person, checkpoint, queries, adapter: checkpoint.adapter, scale: alpha / rank };
        });
      const outcomes = await evaluate(scorer, task.task, sittings, this.options.signal);
      const rows = sittings.map(({ person, checkpoint, queries }, i) => {
        const adapted = adapterAudit(engine, bank, layers, checkpoint.adapter);
        return this.row(cell.settings, person, outcomes[i], {
          ...means,
          queries,
          trained: { checkpoint, adapted },
        });
      });
      this.append(rows, cell);
    }
  }

  private row(settings: Settings, person: Person, outcome: Outcome, done?: Done): Row {
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
      cost: costOf(settings, outcome, done),
      memory: done?.memory.get(cellKey(settings)) ?? NO_MEMORY,
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

  private readonly taskOfCell = ({ settings }: Cell) => this.taskOf(settings);

  private taskOf(settings: Settings): StudyTask {
    return this.tasks.get(settings.task)!;
  }
}

/** A baseline runs no program. */
const NO_MEMORY = { model_bytes: 0, program_bytes: 0, predicted_peak_bytes: 0, measured_peak_bytes: null };

/** What a model's rows are made with. */
interface Means {
  readonly subject: Subject;
  readonly bench: Workbench;
  readonly timing: Timing;
  /** By key of the cell. */
  readonly memory: ReadonlyMap<string, Row["memory"]>;
}

/** What was used to get an outcome. */
interface Done extends Means {
  readonly queries: readonly Query[];
  readonly trained?: {
    readonly checkpoint: Checkpoint;
    readonly adapted: NonNullable<Row["audit"]["adapter"]>;
  };
}

function costOf(settings: Settings, outcome: Outcome, done: Done | undefined): Row["cost"] {
  const trained = done?.trained?.checkpoint.tokens ?? 0;
  const rates = done?.timing.ratesOf(settings);
  const { seconds: training, quartiles: trainingQuartiles } = secondsFor(trained, rates?.training);
  const { seconds: evaluation, quartiles: evaluationQuartiles } = secondsFor(
    outcome.tokens,
    rates?.evaluation,
  );
  return {
    trained_tokens: trained,
    evaluated_tokens: outcome.tokens,
    training_seconds: training,
    training_seconds_quartiles: trainingQuartiles,
    evaluation_seconds: evaluation,
    evaluation_seconds_quartiles: evaluationQuartiles,
    training_tokens_per_second: rates?.training?.median ?? 0,
    evaluation_tokens_per_second: rates?.evaluation.median ?? 0,
    timing: {
      threads: done?.timing.threads ?? 0,
      repeats: done?.timing.repeats ?? 0,
      others: done?.timing.others ?? null,
    },
  };
}

function secondsFor(tokens: number, rate: Rate | undefined) {
  if (!rate || !tokens) return { seconds: 0, quartiles: [0, 0] as [number, number] };
  const { median, low, high } = rate;
  return { seconds: tokens / median, quartiles: [tokens / high, tokens / low] as [number, number] };
}

function auditOf(settings: Settings, person: Person, outcome: Outcome, done: Done | undefined): Row["audit"] {
  const { queries = [], trained } = done ?? {};
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
    model: done?.bench.digest ?? null,
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
    context: done?.subject.materials.prompter.context ?? 0,
    canary_hits:
      items.filter(({ output }) => passages.has(output)).length +
      [...shown.flatMap((query) => query.shown), ...trainedOn].filter((item) =>
        testDigests.includes(digestOf(item)),
      ).length,
  };
}
