/** A training run in memory: micro-batches into gradients, gradients into parameters. */
import { ERROR_NOT_FINITE } from "../../../kernels/layout.ts";
import { Engine } from "../../engine/host/engine.ts";
import { PlanError } from "../../engine/host/errors.ts";
import { initialSchedule } from "../../engine/ops/optimizer.ts";
import { compile, type Program } from "../../engine/plan/program.ts";
import { InputError } from "../../errors.ts";
import { writeBatch } from "../batch.ts";
import { type ModelSpec, type TrainOptions, trainGraph } from "../models/graphs.ts";
import { STAGING_BYTES } from "../models/load.ts";
import { checkExample, type Example, weightedTokens } from "./example.ts";

export interface TrainerSetup {
  readonly model: ModelSpec;
  readonly options: TrainOptions;
  /** Most rows and sequences of a micro-batch. */
  readonly rows: number;
  readonly sequences: number;
  /** Most tokens of a micro-batch that carry a weight: only they have logits, which are long where the vocabulary is. Default: every row. */
  readonly outputs?: number;
  readonly threads?: number;
  readonly inProcess?: boolean;
  readonly memoryLimit?: number;
  /**
   * Several adapters that learn side by side and must not feel each other: the weights of each add up to 1 in a step, and gradients are
   * taken as they are. Needs maxNorm 0, because a norm over all adapters would tie them together.
   */
  readonly sideBySide?: boolean;
}

export interface StepResult {
  /** Σ weight·loss / Σ weight over the step, in nats. */
  readonly loss: number;
  /** Σ weight. */
  readonly weight: number;
  /** Norm of the gradient before clipping. */
  readonly norm: number;
  /** Rows that went through the model. */
  readonly rows: number;
}

/** What a micro-batch had: Σ weight·loss, Σ weight, and its sizes. */
export interface Accumulated {
  readonly loss: number;
  readonly weight: number;
  readonly rows: number;
  readonly sequences: number;
  /** Rows that carry a weight. */
  readonly outputs: number;
}

export const defaultAdamW = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0 } as const;

export function compileTraining({
  model,
  options,
  rows,
  sequences,
  outputs = rows,
  threads = 1,
  memoryLimit,
}: TrainerSetup): Program {
  return compile(
    { train: trainGraph(model, options) },
    { slots: { rows, sequences, outputs }, threads, memoryLimit, arenaBytes: STAGING_BYTES },
  );
}

export class Trainer {
  readonly engine: Engine;
  readonly setup: TrainerSetup;
  /** Names of the trained tensors, in the order of the state. */
  readonly parameters: readonly string[];
  /** Steps done. */
  step = 0;

  private constructor(engine: Engine, setup: TrainerSetup) {
    this.engine = engine;
    this.setup = setup;
    const prefix = "gradient.";
    this.parameters = [...engine.program.leaves.keys()]
      .filter((name) => name.startsWith(prefix))
      .map((name) => name.slice(prefix.length));
  }

  /** A trainer whose weights and parameters are still to be filled. */
  static async open(setup: TrainerSetup, program = compileTraining(setup)): Promise<Trainer> {
    if (setup.sideBySide && setup.options.maxNorm !== 0)
      throw new InputError(`train: adapters side by side need maxNorm 0, not ${setup.options.maxNorm}`);
    const engine = await Engine.open(program, { inProcess: setup.inProcess });
    const trainer = new Trainer(engine, setup);
    trainer.restart();
    return trainer;
  }

  /** Forgets moments and steps, and what they were of: parameters are to be filled anew. */
  restart(): void {
    this.clearGradients();
    for (const name of this.parameters)
      for (const kind of ["moment1", "moment2"]) this.engine.f32(`${kind}.${name}`).fill(0);
    this.engine.f32("schedule").set(initialSchedule().data);
    this.step = 0;
  }

  /**
   * Forward and backward over the micro-batches, then one step of the optimizer. Where it is aborted, an example or the rate is refused, or
   * the loss or the gradient is not finite (InputError), parameters, moments and step are those from before.
   */
  async update(
    microBatches: readonly (readonly Example[])[],
    learningRate: number,
    signal?: AbortSignal,
  ): Promise<StepResult> {
    this.checkRate(learningRate);
    let [loss, weight, rows] = [0, 0, 0];
    for (const [index, examples] of microBatches.entries()) {
      const sums = await this.accumulate(examples, index, signal).catch((error) => {
        this.clearGradients();
        throw error;
      });
      loss += sums.loss;
      weight += sums.weight;
      rows += sums.rows;
    }
    if (weight === 0)
      throw new InputError(
        `train: step ${this.step + 1}: no token carries a weight, so there is nothing to learn`,
      );
    if (!Number.isFinite(loss / weight)) throw this.diverged(`the loss is ${loss / weight}`, learningRate);
    const norm = await this.apply(learningRate);
    return { loss: loss / weight, weight, norm, rows };
  }

  /** Adds the gradients of a micro-batch to those of the step. */
  async accumulate(examples: readonly Example[], index: number, signal?: AbortSignal): Promise<Accumulated> {
    const sizes = this.write(examples);
    const slots = { ...sizes, step: this.step + 1, micro_batch: index };
    await this.engine.run("train", "accumulate", slots, { signal });
    return { ...sizes, loss: this.engine.f32("loss_sum")[0] };
  }

  /** One step of the optimizer with the gradients so far, which it clears; returns their norm before clipping. Short, so never aborted. */
  async apply(learningRate: number): Promise<number> {
    this.checkRate(learningRate);
    const slots = { rows: 0, step: this.step + 1, learning_rate: learningRate };
    if (this.setup.sideBySide) this.engine.f32("weight_sum")[0] = 1;
    try {
      await this.engine.run("train", "apply", slots);
    } catch (error) {
      if (!(error instanceof PlanError) || error.record.code !== ERROR_NOT_FINITE) throw error;
      throw this.diverged("the norm of the gradients is not finite", learningRate);
    }
    this.step++;
    return this.engine.f32("schedule")[NORM];
  }

  close(): Promise<void> {
    return this.engine.close();
  }

  /** The kernel's is a float32: what is 0 or infinite there is as useless as what is so here. */
  private checkRate(learningRate: number): void {
    const rate = Math.fround(learningRate);
    if (rate > 0 && rate < Number.POSITIVE_INFINITY) return;
    throw new InputError(
      `train: step ${this.step + 1}: the learning rate is ${learningRate}, must be a finite number above 0; nothing was applied`,
    );
  }

  private write(examples: readonly Example[]): Omit<Accumulated, "loss"> {
    const { rows: limit, sequences: most, outputs: room } = this.engine.program.slots;
    const wanted = examples.reduce((sum, { tokens }) => sum + tokens.length - 1, 0);
    if (wanted > limit || examples.length > most)
      throw new InputError(
        `train: a micro-batch of ${examples.length} sequences and ${wanted} rows; the plan holds ${most} and ${limit}`,
      );
    const { model, options } = this.setup;
    for (const [number, example] of examples.entries()) checkExample(example, number, model, options.context);
    const weighted = examples.reduce((sum, example) => sum + weightedTokens(example), 0);
    if (weighted > room)
      throw new InputError(
        `train: a micro-batch of ${weighted} tokens that carry a weight; the plan holds ${room}`,
      );
    const batch = writeBatch(
      this.engine,
      examples.map(({ tokens, adapter, scale }) => ({
        tokens: Array.from(tokens).slice(0, -1),
        adapter,
        scale,
      })),
    );
    const [outputRow, target] = [this.engine.u32("output_row"), this.engine.u32("target")];
    const weights = this.engine.f32("weight");
    let [row, outputs, weight] = [0, 0, 0];
    for (const example of examples)
      for (let i = 1; i < example.tokens.length; i++, row++) {
        if (example.weights[i] === 0) continue;
        outputRow[outputs] = row;
        target[outputs] = example.tokens[i];
        weights[outputs] = example.weights[i];
        weight += weights[outputs];
        outputs++;
      }
    return { ...batch, outputs, weight };
  }

  private diverged(what: string, learningRate: number): Error {
    this.clearGradients();
    return new InputError(
      `train: step ${this.step + 1}: ${what} at learning rate ${learningRate}; nothing was applied. Try a lower learning rate, a longer warm-up or max_grad_norm 1`,
    );
  }

  private clearGradients(): void {
    for (const name of this.parameters) this.engine.f32(`gradient.${name}`).fill(0);
    this.engine.f32("weight_sum").fill(0);
  }
}

/** Word of the schedule state that holds the gradient norm. */
const NORM = 3;
