/**
 * The timing pass: how long one person's own machine takes, with one adapter and steps of that person's size. Cells are timed in turns, so
 * that whatever slows the machine for a while slows all of them alike.
 */

import { loadWeights } from "../../llm/models/load.ts";
import { compileScoring, Scorer } from "../../llm/score.ts";
import { compileTraining, Trainer } from "../../llm/train/trainer.ts";
import { Adaptation } from "./adaptation.ts";
import { ADAPTED_ROLES } from "./adapters.ts";
import type { Cell } from "./cells.ts";
import type { StudyTask } from "./cohort.ts";
import { evaluate, evaluatedTokens } from "./evaluation.ts";
import type { Needs } from "./footprint.ts";
import { shownInTraining } from "./materials.ts";
import { Neighbours } from "./neighbours.ts";
import { type ProgramChoice, scoring, training } from "./programs.ts";
import { retrieves, type Settings, trains } from "./settings.ts";
import { type Assignment, type Job, needsOf, type Subject } from "./subjects.ts";

/** Turns of every kind of work, unless told otherwise. */
const REPEATS = 7;
/** A turn lasts at least so long, or the clock and the calls would be in it. */
const TURN_SECONDS = 0.01;
const STEPS_MOST = 50;
/** Programs stay open between turns as long as all of them take no more than this; else each is opened anew for its turn. */
const KEPT_BYTES = 512 * 2 ** 20;

/** Tokens per second: median and quartiles of the turns. */
export interface Rate {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

export interface CellRates {
  readonly evaluation: Rate;
  /** Where something is trained. */
  readonly training?: Rate;
}

export interface Timing {
  readonly threads: number;
  readonly repeats: number;
  /** Mean number of cores that other processes kept busy meanwhile; null where the operating system does not tell. */
  readonly others: number | null;
  ratesOf(settings: Settings): CellRates;
}

/** Times every kind of work that the assignments have, on the first person of each. */
export async function timeCells(
  assigned: readonly Assignment[],
  taskOf: (cell: Cell) => StudyTask,
  { threads, repeats = REPEATS, signal }: { threads: number; repeats?: number; signal?: AbortSignal },
): Promise<Timing> {
  const stations = assigned.flatMap((one) => stationsOf(one, taskOf, threads));
  const kept = stations.reduce((sum, station) => sum + station.bytes, 0) <= KEPT_BYTES;
  const neighbours = new Neighbours();
  try {
    for (let repeat = 0; repeat < repeats; repeat++)
      for (const station of stations) {
        await station.turn(signal);
        if (!kept) await station.close();
      }
  } finally {
    for (const station of stations) await station.close();
  }
  const rates = new Map(stations.flatMap((station) => [...station.rates()]));
  return {
    threads,
    repeats,
    others: neighbours.cores,
    ratesOf: (settings) => rates.get(kindOf(settings))!,
  };
}

/** Cells of one kind do the same work: whose history it is, and how large, changes the text and not the work. */
function kindOf(settings: Settings): string {
  const { model, compression, task, method, k, rank } = settings;
  const shown = retrieves(method) ? k : 0;
  return JSON.stringify([model, compression, rank, task, shown, shownInTraining(settings)]);
}

function stationsOf(assigned: Assignment, taskOf: (cell: Cell) => StudyTask, threads: number): Station[] {
  const ranks = [...assigned.batches.keys()];
  return ranks.map((rank) => {
    const jobs = new Map<string, Job>();
    for (const job of assigned.jobs.filter(({ cell }) => cell.settings.rank === rank)) {
      const kind = kindOf(job.cell.settings);
      const known = jobs.get(kind);
      // The most that is stored is what a history grows to.
      if (!known || job.cell.settings.h > known.cell.settings.h) jobs.set(kind, job);
    }
    const first = [...jobs].map(([kind, { cell, people }]): [string, Job] => [
      kind,
      { cell, people: people.slice(0, 1) },
    ]);
    const choice = { compression: assigned.compression, rank, threads, people: 1 };
    return new Station(assigned.subject, choice, first, taskOf);
  });
}

/** A person's programs of one model, compression and rank, and the kinds of work they do. */
class Station {
  readonly bytes: number;
  private readonly subject: Subject;
  private readonly choice: ProgramChoice;
  private readonly works: readonly Work[];
  private readonly needs: Needs;
  private programs: { scorer: Scorer; trainer?: Trainer } | undefined;

  constructor(
    subject: Subject,
    choice: ProgramChoice,
    jobs: readonly (readonly [string, Job])[],
    taskOf: (cell: Cell) => StudyTask,
  ) {
    this.subject = subject;
    this.choice = choice;
    this.needs = needsOf(
      subject,
      jobs.map(([, job]) => job),
      taskOf,
    );
    this.works = jobs.map(([kind, job]) => new Work(kind, subject, job, taskOf(job.cell)));
    const { answering, learning } = this.needs;
    const { file } = subject;
    this.bytes =
      compileScoring(scoring(file, choice, answering)).memory.total +
      (learning ? compileTraining(training(file, choice, learning)).memory.total : 0);
  }

  async turn(signal?: AbortSignal): Promise<void> {
    const fresh = !this.programs;
    const { scorer, trainer } = await this.open();
    for (const work of this.works) {
      await work.answer(scorer, fresh, signal);
      if (trainer) await work.train(trainer, fresh, signal);
    }
  }

  async close(): Promise<void> {
    await this.programs?.trainer?.close();
    await this.programs?.scorer.close();
    this.programs = undefined;
  }

  rates(): [string, CellRates][] {
    return this.works.map((work) => [work.kind, work.rates()]);
  }

  private async open() {
    if (this.programs) return this.programs;
    const { subject, choice, needs } = this;
    const { config, gguf } = subject.file;
    const scorer = await Scorer.open(scoring(subject.file, choice, needs.answering));
    this.programs = { scorer };
    await loadWeights(scorer.engine, config, gguf);
    if (needs.learning) {
      const trainer = await Trainer.open(training(subject.file, choice, needs.learning));
      this.programs = { scorer, trainer };
      await loadWeights(trainer.engine, config, gguf);
    }
    return this.programs;
  }
}

/** One kind of work of one person. */
class Work {
  readonly kind: string;
  private readonly subject: Subject;
  private readonly settings: Settings;
  private readonly study: StudyTask;
  private readonly person: Job["people"][number];
  private readonly answered: number[] = [];
  private readonly trained: number[] = [];
  private queries = 0;
  private steps = 0;

  constructor(kind: string, subject: Subject, { cell, people }: Job, study: StudyTask) {
    this.kind = kind;
    this.subject = subject;
    this.settings = cell.settings;
    this.study = study;
    this.person = people[0];
  }

  /** Answers as many queries as make a turn, one after the other. `fresh`: the program has not run yet. */
  async answer(scorer: Scorer, fresh: boolean, signal?: AbortSignal): Promise<void> {
    const all = this.subject.materials.queriesOf(this.study, this.settings, this.person);
    const adapter = trains(this.settings.method) ? { adapter: 0, scale: 1 } : {};
    const run = async (count: number) => {
      let tokens = 0;
      for (let i = 0; i < count; i++) {
        const query = all[i % all.length];
        await evaluate(scorer, this.study.task, [{ queries: [query], ...adapter }], signal);
        tokens += evaluatedTokens(query, trains(this.settings.method));
      }
      return tokens;
    };
    if (fresh) await run(1);
    this.queries ||= await stepsOf(run);
    this.answered.push(await perSecond(() => run(this.queries)));
  }

  /** Takes as many steps of training as make a turn, each of this person's size. */
  async train(trainer: Trainer, fresh: boolean, signal?: AbortSignal): Promise<void> {
    const { rank, alpha, seed } = this.settings;
    const bank = { rank, roles: ADAPTED_ROLES, adapters: 1 };
    const setup = { bank, alpha, layers: this.subject.file.config.layers, seed };
    const lessons = this.subject.materials.lessonsOf(this.study, this.settings, this.person);
    const adaptation = new Adaptation(trainer, setup, [lessons], [Infinity]);
    const run = async (count: number) => {
      let tokens = 0;
      for (let i = 0; i < count; i++) tokens += await adaptation.step(signal);
      return tokens;
    };
    if (fresh) await run(1);
    this.steps ||= await stepsOf(run);
    this.trained.push(await perSecond(() => run(this.steps)));
  }

  rates(): CellRates {
    const evaluation = rateOf(this.answered);
    return this.trained.length ? { evaluation, training: rateOf(this.trained) } : { evaluation };
  }
}

/** How many make a turn. */
async function stepsOf(run: (count: number) => Promise<number>): Promise<number> {
  const start = performance.now();
  await run(1);
  const seconds = (performance.now() - start) / 1000;
  return Math.min(STEPS_MOST, Math.max(1, Math.ceil(TURN_SECONDS / seconds)));
}

async function perSecond(run: () => Promise<number>): Promise<number> {
  const start = performance.now();
  const tokens = await run();
  return (1000 * tokens) / (performance.now() - start);
}

/** Median and quartiles by linear interpolation. */
export function rateOf(values: readonly number[]): Rate {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => {
    const place = share * (sorted.length - 1);
    const [low, high] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
    return low + (high - low) * (place - Math.floor(place));
  };
  return { median: at(0.5), low: at(0.25), high: at(0.75) };
}
