/** What a study would take, before it runs: cells and rows counted, memory planned, time from rates measured for a moment. Writes nothing. */
import { bytesOf } from "./batches.ts";
import { type Cell, expand, trainingRuns } from "./cells.ts";
import { cohort, type StudyTask, studyTask } from "./cohort.ts";
import { affordableUsers, Estimate, longestCheckpoints } from "./estimate.ts";
import { predictedPeak } from "./footprint.ts";
import { measureRates, type Rates } from "./rates.ts";
import { type Compression, isBaseline, trains } from "./settings.ts";
import type { Study } from "./study_file.ts";
import { type Assignment, assignments, closeSubjects, needsOf, openSubjects } from "./subjects.ts";
import { Workbench } from "./workbench.ts";

export interface ForecastOptions {
  readonly threads: number;
  readonly memoryLimit?: number;
  readonly mostUsers?: number;
  readonly signal?: AbortSignal;
}

/** One model at one compression. */
export interface ModelForecast {
  readonly model: string;
  readonly compression: Compression;
  readonly cells: number;
  readonly rows: number;
  readonly seconds: number;
  /** Predicted peak of the study's process while it has this model open. */
  readonly study_bytes: number;
  /** Predicted peak of a process with the larger program of one person alone. */
  readonly person_bytes: number;
  readonly tokens_per_second: Rates;
}

export interface Forecast {
  readonly study: string;
  readonly cells: number;
  /** Cells that need no model. */
  readonly baseline_cells: number;
  readonly rows: number;
  /** Test users of each task. */
  readonly users: Readonly<Record<string, number>>;
  readonly dev_users: number;
  readonly threads: number;
  readonly seconds: number;
  readonly peak_bytes: number;
  readonly results_bytes: number;
  readonly models: readonly ModelForecast[];
}

export async function forecast(study: Study, options: ForecastOptions): Promise<Forecast> {
  const cells = expand(study);
  const gather = (users: number) =>
    new Map(
      Object.keys(study.tasks).map((name): [string, StudyTask] => {
        const task = studyTask(study, name);
        return [name, { task, people: cohort(study, task, name, study.seeds[0], users) }];
      }),
    );
  let users = options.mostUsers ?? study.users;
  let tasks = gather(users);
  const taskOf = ({ settings }: Cell) => tasks.get(settings.task)!;
  const jobsOf = () => cells.map((cell) => ({ cell, people: peopleOf(cell, taskOf(cell)) }));
  const subjects = await openSubjects(study, jobsOf());
  try {
    const assign = () => assignments(subjects, jobsOf(), taskOf, options);
    const models: ModelForecast[] = [];
    for (let i = 0; i < assign().length; i++) {
      const rates = await ratesOf(assign()[i], options);
      if (i === 0 && study.time_budget !== undefined) {
        const estimate = new Estimate(subjects[0].materials, rates);
        users = affordableUsers(study, study.time_budget, estimate, cells, taskOf, users);
        tasks = gather(users);
      }
      models.push(forecastOf(assign()[i], rates, taskOf, options.threads));
    }
    return { ...totals(study, cells, tasks, models), threads: options.threads, models };
  } finally {
    await closeSubjects(subjects);
  }
}

function peopleOf({ dev }: Cell, { people }: StudyTask) {
  return people.filter(({ split }) => split === "test" || dev);
}

async function ratesOf(assigned: Assignment, { threads, signal }: ForecastOptions): Promise<Rates> {
  const { subject, compression, batches } = assigned;
  const bench = new Workbench(subject.file, compression, { threads, batches });
  try {
    return await measureRates(bench, [...batches.keys()], signal);
  } finally {
    await bench.close();
  }
}

function forecastOf(
  { subject, compression, jobs, batches }: Assignment,
  rates: Rates,
  taskOf: (cell: Cell) => StudyTask,
  threads: number,
): ModelForecast {
  const { file, materials } = subject;
  const estimate = new Estimate(materials, rates);
  const peopleIn = new Map(jobs.map(({ cell, people }) => [cell, people.length]));
  const evaluation = jobs.map(({ cell, people }) => people.length * estimate.evaluation(cell, taskOf(cell)));
  const training = longestCheckpoints(trainingRuns(jobs.map(({ cell }) => cell))).map(
    (cell) => peopleIn.get(cell)! * estimate.training(cell.settings.training_tokens),
  );
  const sizes = [...batches].map(([rank, batch]) => {
    const ofRank = jobs.filter(({ cell }) => cell.settings.rank === rank);
    return { choice: { compression, rank, threads }, batch, needs: needsOf(subject, ofRank, taskOf) };
  });
  return {
    model: subject.name,
    compression,
    cells: jobs.length,
    rows: jobs.reduce((sum, { people }) => sum + people.length, 0),
    seconds: [...evaluation, ...training].reduce((a, b) => a + b, 0),
    study_bytes: Math.max(...sizes.map(({ choice, batch }) => bytesOf({ file, ...choice }, batch))),
    person_bytes: Math.max(...sizes.map(({ choice, needs }) => predictedPeak(file, choice, needs))),
    tokens_per_second: rates,
  };
}

function totals(
  study: Study,
  cells: readonly Cell[],
  tasks: ReadonlyMap<string, StudyTask>,
  models: readonly ModelForecast[],
) {
  const counts = cells.map((cell) => ({ cell, rows: peopleOf(cell, tasks.get(cell.settings.task)!).length }));
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const testUsers = ({ people }: StudyTask) => people.filter(({ split }) => split === "test").length;
  return {
    study: study.name,
    cells: cells.length,
    baseline_cells: cells.filter(({ settings }) => isBaseline(settings.method)).length,
    rows: sum(counts.map(({ rows }) => rows)),
    users: Object.fromEntries([...tasks].map(([name, task]) => [name, testUsers(task)])),
    dev_users: study.dev_users,
    seconds: sum(models.map(({ seconds }) => seconds)),
    peak_bytes: Math.max(0, ...models.map(({ study_bytes }) => study_bytes)),
    results_bytes: sum(counts.map(({ cell, rows }) => rows * rowBytes(cell))),
  };
}

/** Bytes of a row beside the digests of its items, and of each digest: of the rows that the demo writes. */
const ROW_BYTES = 2500;
const DIGEST_BYTES = 19;

function rowBytes({ settings: { h, method } }: Cell): number {
  return ROW_BYTES + DIGEST_BYTES * h * (trains(method) ? 2 : 1);
}
