/** Fits one adapter per person, all of them side by side in one bank. */
import { random } from "../../engine/random.ts";
import type { AdapterBank } from "../../llm/models/graphs.ts";
import { initializeAdapter } from "../../llm/train/initialize.ts";
import type { Example, Trainer } from "../../llm/train/trainer.ts";
import { retrieve } from "../rag/retrievers.ts";
import type { Item, Task } from "../tasks/types.ts";
import type { Prompter } from "./prompting.ts";

/** One person's run: what it has learned from so far. */
export interface Learner {
  readonly history: readonly Item[];
  /** Items shown with each training item; 0: the item alone. */
  readonly k: number;
  tokens: number;
  /** The smallest distance in time between a training item and what was shown with it. */
  gap: number | null;
}

export interface AdaptationSettings {
  readonly bank: AdapterBank;
  readonly alpha: number;
  readonly layers: number;
  readonly seed: number;
}

/** Tokens that each person's adapter learns from in one step, at least: whole items until there are so many. */
export const STEP_TOKENS = 32;
const LEARNING_RATE = 3e-3;
const WARMUP_STEPS = 4;

/** Training at a constant rate after a short warm-up, so that its checkpoints are levels of time. */
export class Adaptation {
  readonly learners: readonly Learner[];
  private readonly trainer: Trainer;
  private readonly prompter: Prompter;
  private readonly task: Task;
  private readonly settings: AdaptationSettings;
  private readonly queues: { items: Item[]; epoch: number }[];

  constructor(
    trainer: Trainer,
    prompter: Prompter,
    task: Task,
    settings: AdaptationSettings,
    learners: readonly { history: readonly Item[]; k: number }[],
  ) {
    this.trainer = trainer;
    this.prompter = prompter;
    this.task = task;
    this.settings = settings;
    this.learners = learners.map((learner) => ({ ...learner, tokens: 0, gap: null }));
    this.queues = learners.map(() => ({ items: [], epoch: 0 }));
    trainer.restart();
    learners.forEach((_, adapter) => {
      initializeAdapter(trainer.engine, settings.bank, settings.layers, adapter, settings.seed);
    });
  }

  /** Trains until every learner has seen this many tokens. */
  async until(tokens: number, onStep: (tokens: number) => void, signal?: AbortSignal): Promise<void> {
    while (Math.min(...this.learners.map((learner) => learner.tokens)) < tokens) {
      const examples = this.learners.flatMap((learner, adapter) => this.next(learner, adapter));
      const step = this.trainer.step + 1;
      const rate = LEARNING_RATE * Math.min(1, step / WARMUP_STEPS);
      await this.trainer.update(this.microBatches(examples), rate, signal);
      onStep(examples.reduce((sum, example) => sum + example.tokens.length, 0));
    }
  }

  /** The learner's next items; their weights add up to 1. */
  private next(learner: Learner, adapter: number): Example[] {
    const taken: { tokens: number[]; weights: number[] }[] = [];
    let tokens = 0;
    while (tokens < STEP_TOKENS) {
      const item = this.nextItem(learner, adapter);
      const earlier = learner.history.filter(({ time }) => time < item.time);
      const shown = learner.k ? retrieve("bm25", earlier, item, learner.k) : [];
      for (const { time } of shown) learner.gap = Math.min(learner.gap ?? Infinity, item.time - time);
      const example = this.prompter.example(this.task, shown, item);
      taken.push(example);
      tokens += example.tokens.length;
    }
    learner.tokens += tokens;
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
  private nextItem(learner: Learner, adapter: number): Item {
    const queue = this.queues[adapter];
    if (!queue.items.length) {
      const { history } = learner;
      const key = new Map(history.map((item, i) => [item, random(this.settings.seed, queue.epoch, i)]));
      queue.items = [...history].sort((a, b) => key.get(a)! - key.get(b)!);
      queue.epoch++;
    }
    return queue.items.pop()!;
  }

  private microBatches(examples: readonly Example[]): Example[][] {
    const { rows, sequences } = this.trainer.engine.program.slots;
    const batches: Example[][] = [[]];
    let used = 0;
    for (const example of examples) {
      const size = example.tokens.length - 1;
      if (used + size > rows || batches[batches.length - 1].length >= sequences) {
        batches.push([]);
        used = 0;
      }
      batches[batches.length - 1].push(example);
      used += size;
    }
    return batches;
  }
}
