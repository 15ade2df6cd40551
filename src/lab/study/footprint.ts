/** What a cell needs of a person's own machine: the programs for one adapter, planned, and measured in a process of their own. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { asset } from "../../engine/host/assets.ts";
import { type ModelFile, openModel } from "../../llm/model_file.ts";
import { loadWeights, weightDtypes } from "../../llm/models/load.ts";
import { compileScoring, Scorer, type ScorerSetup } from "../../llm/score.ts";
import { compileTraining, defaultAdamW, Trainer, type TrainerSetup } from "../../llm/train/trainer.ts";
import { ADAPTED_ROLES } from "./adapters.ts";
import type { Row } from "./row.ts";
import type { Compression } from "./settings.ts";

/** One program: of scoring, or of training an adapter of this rank (0: no adapter). */
export interface ProgramChoice {
  readonly model: string;
  readonly compression: Compression;
  readonly rank: number;
  readonly threads: number;
  readonly kind: "score" | "train";
}

/** Sequences of a batch: a few short items to learn from, or the options of a question. */
const SEQUENCES = 32;

/**
 * Bytes of the larger of a cell's two programs, as planned and as the resident peak of a process that does nothing but run it once. Both
 * are those of one person alone, with batches of one context; Node itself is part of the measured ones.
 */
export async function footprint(
  file: ModelFile,
  { compression, rank, threads }: Pick<ProgramChoice, "compression" | "rank" | "threads">,
): Promise<Omit<Row["memory"], "model_bytes">> {
  const choice = { model: file.path, compression, rank, threads };
  const kinds = rank ? (["score", "train"] as const) : (["score"] as const);
  const programs = kinds.map((kind) => ({ kind, bytes: plannedBytes(file, { ...choice, kind }) }));
  const largest = programs.reduce((a, b) => (b.bytes > a.bytes ? b : a));
  return {
    predicted_peak_bytes: largest.bytes,
    measured_peak_bytes: await peakBytes({ ...choice, kind: largest.kind }),
  };
}

function plannedBytes(file: ModelFile, choice: ProgramChoice): number {
  const { memory } =
    choice.kind === "score" ? compileScoring(scoring(file, choice)) : compileTraining(training(file, choice));
  return memory.total;
}

async function peakBytes(choice: ProgramChoice): Promise<number> {
  const program = asset("src/lab/study/footprint_process.js");
  const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(choice)]);
  return Number(stdout);
}

/** Opens the program, fills it with the model's weights and runs it once at its full size. */
export async function runOnce(choice: ProgramChoice): Promise<void> {
  const file = await openModel(choice.model);
  const { config, gguf } = file;
  const tokens = Array<number>(config.context).fill(0);
  const adapter = choice.rank ? { adapter: 0, scale: 1 } : {};
  if (choice.kind === "score") {
    const scorer = await Scorer.open(scoring(file, choice));
    await loadWeights(scorer.engine, config, gguf);
    await scorer.continuations([{ tokens, from: tokens.length - 1, ...adapter }]);
    await scorer.close();
  } else {
    const trainer = await Trainer.open(training(file, choice));
    await loadWeights(trainer.engine, config, gguf);
    await trainer.update([[{ tokens, weights: tokens.map(() => 1 / tokens.length), ...adapter }]], 1e-6);
    await trainer.close();
  }
  await file.source.close();
}

function specOf(file: ModelFile, { compression, rank }: ProgramChoice) {
  const bank = rank ? { rank, roles: ADAPTED_ROLES, adapters: 1 } : undefined;
  return { config: file.config, dtype: weightDtypes(file.gguf, compression), bank };
}

function scoring(file: ModelFile, choice: ProgramChoice): ScorerSetup {
  const { context } = file.config;
  const sizes = { rows: context, sequences: SEQUENCES, outputs: SEQUENCES, context };
  return { model: specOf(file, choice), ...sizes, threads: choice.threads };
}

function training(file: ModelFile, choice: ProgramChoice): TrainerSetup {
  const { context } = file.config;
  const options = { ...defaultAdamW, maxNorm: 0, context, full: false };
  const sizes = { rows: context, sequences: SEQUENCES };
  return { model: specOf(file, choice), options, ...sizes, threads: choice.threads, sideBySide: true };
}
