/** Fits one adapter per person, all of them side by side in one bank, none of them feeling the others. */
import { random } from "../../engine/random.ts";
import type { AdapterBank } from "../../llm/models/graphs.ts";
import { type Example, weightedTokens } from "../../llm/train/example.ts";
import { initializeAdapter } from "../../llm/train/initialize.ts";
import type { Trainer } from "../../llm/train/trainer.ts";
import type { Item } from "../tasks/types.ts";
import { adapterPart } from "./adapters.ts";
import { STEP_TOKENS } from "./extent.ts";
import type { Example as Lesson } from "./prompting.ts";

/** A person's adapter at the step where it had seen the tokens of a level. */
export interface Checkpoint {
  /** The person's place among the lessons, and so in the bank. */
  readonly adapter: number;
  readonly tokens: number;
  /** Most tokens of one of its steps. */
  readonly stepTokens: number;
  /** Items that it has learned from, without repeats, and how many of them are longer than the context and were cut. */
  readonly items: readonly Item[];
  readonly cut: number;
  /** The smallest distance in time between a training item and what was shown with it; null where nothing was. */
  readonly gap: number | null;
  /** By name of the bank, this adapter's part of it. */
  readonly values: ReadonlyMap<string, Float32Array>;
}

export interface AdaptationSettings {
  readonly bank: AdapterBank;
  readonly alpha: number;
  readonly layers: number;
  readonly seed: number;
}

/** Raised whenever the same items give another adapter than before: rows of different versions never stand side by side. */
export const TRAINING_VERSION = 1;

const LEARNING_RATE = 3e-3;
const WARMUP_STEPS = 4;

interface Learner {
  readonly lessons: readonly Lesson[];
  queue: Lesson[];
  epoch: number;
  tokens: number;
  stepTokens: number;
  gap: number | null;
  readonly learned: Set<Item>;
  readonly cut: Set<Item>;
  /** One for each level reached. */
  readonly checkpoints: Checkpoint[];
}

/**
 * Training at a constant rate after a short warm-up, so that its checkpoints are levels of time. Each adapter's checkpoints are taken at its
 * own steps, and its examples of a step stay in one micro-batch: its bits are the same whoever learns beside it.
 */
export class Adaptation {
  private readonly trainer: Trainer;
  private readonly settings: AdaptationSettings;
  private readonly levels: readonly number[];
  private readonly learners: readonly Learner[];

  /** `lessons`: for each person the items to learn from. `levels`: tokens at which checkpoints are taken, ascending. */
  constructor(
    trainer: Trainer,
    settings: AdaptationSettings,
    lessons: readonly (readonly Lesson[])[],
    levels: readonly number[],
  ) {
    this.trainer = trainer;
    this.settings = settings;
    this.levels = levels;
    this.learners = lessons.map((own) => ({
      lessons: own,
      queue: [],
      epoch: 0,
      tokens: 0,
      stepTokens: 0,
      gap: null,
      learned: new Set(),
      cut: new Set(),
      checkpoints: [],
    }));
    trainer.restart();
    lessons.forEach((_, adapter) => {
      initializeAdapter(trainer.engine, settings.bank, settings.layers, adapter, settings.seed);
    });
  }

  /** Trains until everybody has reached the level of this index; their checkpoints of it. */
  async until(
    level: number,
    onStep: (tokens: number) => void,
    signal?: AbortSignal,
  ): Promise<readonly Checkpoint[]> {
    while (this.learners.some(({ checkpoints }) => checkpoints.length <= level))
      onStep(await this.step(signal));
    return this.learners.map(({ checkpoints }) => checkpoints[level]);
  }

  /** One step of everybody who has not reached the last level; the tokens that were learned from. */
  async step(signal?: AbortSignal): Promise<number> {
    const groups = this.learners.map((learner, adapter) =>
      learner.checkpoints.length < this.levels.length ? this.next(learner, adapter) : [],
    );
    const step = this.trainer.step + 1;
    const rate = LEARNING_RATE * Math.min(1, step / WARMUP_STEPS);
    await this.trainer.update(this.microBatches(groups), rate, signal);
    this.learners.forEach((learner, adapter) => {
      while (learner.tokens >= this.levels[learner.checkpoints.length])
        learner.checkpoints.push(this.checkpoint(learner, adapter));
    });
    return groups.flat().reduce((sum, { tokens }) => sum + tokens.length, 0);
  }

  private checkpoint({ tokens, stepTokens, gap, learned, cut }: Learner, adapter: number): Checkpoint {
    const { engine, parameters } = this.trainer;
    const values = new Map(parameters.map((name) => [name, adapterPart(engine, name, adapter).slice()]));
    return { adapter, tokens, stepTokens, gap, items: [...learned], cut: cut.size, values };
  }

  /** The learner's next items; their weights add up to 1. */
  private next(learner: Learner, adapter: number): Example[] {
    const taken: Lesson[] = [];
    let tokens = 0;
    while (tokens < STEP_TOKENS) {
      const lesson = this.nextLesson(learner);
      for (const { time } of lesson.shown)
        learner.gap = Math.min(learner.gap ?? Infinity, lesson.item.time - time);
      learner.learned.add(lesson.item);
      if (lesson.cut) learner.cut.add(lesson.item);
      taken.push(lesson);
      tokens += lesson.tokens.length;
    }
    learner.tokens += tokens;
    learner.stepTokens = Math.max(learner.stepTokens, tokens);
    const total = taken.flatMap(({ weights }) => weights).reduce((a, b) => a + b, 0);
    const scale = this.settings.alpha / this.settings.bank.rank;
    return taken.map((example) => ({
      tokens: example.tokens,
      weights: example.weights.map((weight) => weight / total),
      adapter,
      scale,
    }));
  }

  /** Every item once before any comes again, in a new order each time. */
  private nextLesson(learner: Learner): Lesson {
    if (!learner.queue.length) {
      const { lessons } = learner;
      const key = new Map(lessons.map((lesson, i) => [lesson, random(this.settings.seed, learner.epoch, i)]));
      learner.queue = [...lessons].sort((a, b) => key.get(a)! - key.get(b)!);
      learner.epoch++;
    }
    return learner.queue.pop()!;
  }

  /** Learners' examples in as few batches as they fit into; those of one learner are never parted, or sums would be rounded otherwise. */
  private microBatches(groups: readonly (readonly Example[])[]): Example[][] {
    const { rows, sequences, outputs } = this.trainer.engine.program.slots;
    const batches: Example[][] = [[]];
    let [used, learned] = [0, 0];
    for (const group of groups) {
      const size = group.reduce((sum, { tokens }) => sum + tokens.length - 1, 0);
      const weighted = group.reduce((sum, example) => sum + weightedTokens(example), 0);
      const batch = batches[batches.length - 1];
      if (used + size > rows || learned + weighted > outputs || batch.length + group.length > sequences) {
        batches.push([...group]);
        [used, learned] = [size, weighted];
      } else {
        batch.push(...group);
        used += size;
        learned += weighted;
      }
    }
    return batches;
  }
}
