/**
 * How many people and rows a study serves at once: as many as fit its memory. No result depends on it, since a row of a batch has the same
 * bits whatever else is in it.
 */
import os from "node:os";
import { formatBytes, MemoryLimitError, type Program } from "../../engine/plan/program.ts";
import { InputError } from "../../errors.ts";
import { cgroupLimit } from "../../llm/memory/cgroup.ts";
import { processMemory } from "../../llm/memory/process_memory.ts";
import type { ModelFile } from "../../llm/model_file.ts";
import { compileScoring } from "../../llm/score.ts";
import { compileTraining } from "../../llm/train/trainer.ts";
import type { Extent } from "./extent.ts";
import type { Needs } from "./footprint.ts";
import { type ProgramChoice, scoring, training } from "./programs.ts";
import { COMPRESSIONS, type Compression } from "./settings.ts";

/** Programs that are open at the same time. */
export interface Batches {
  /** Adapters in the bank. */
  readonly people: number;
  readonly answering: Extent;
  readonly learning?: Extent;
}

type Programs = Pick<Demand, "file" | "compression" | "rank" | "threads">;

/** What the study asks of one model at one compression, without adapters (rank 0) or with those of one rank. */
export interface Demand {
  readonly model: string;
  readonly file: ModelFile;
  readonly compression: Compression;
  readonly rank: number;
  readonly threads: number;
  readonly people: number;
  /** Of the longest that one person has. */
  readonly needs: Needs;
}

/** The generous first. At the last, one person at a time takes what that person needs. */
const SIZES = [
  { people: Infinity, rows: 2048, sequences: 256 },
  { people: 8, rows: 512, sequences: 64 },
  { people: 2, rows: 256, sequences: 16 },
  { people: 1, rows: 1, sequences: 1 },
];

/** Without a limit, batches that take more than this are not worth their memory. */
const COMFORT = 3 * 2 ** 30;

/** The study itself beside its programs: its code, its rows, the queries of all people, the report. */
export const STUDY_BYTES = 64 * 2 ** 20;

/**
 * The largest batches within the limit (default: the control group's). Raises an InputError with the parts and a remedy where one person
 * alone does not fit. Nothing is allocated either way.
 */
export function batchesWithin(demand: Demand, memoryLimit = cgroupLimit()): Batches {
  const wish = Math.min(memoryLimit ?? Infinity, COMFORT, os.totalmem() / 2);
  const offers = SIZES.map((size) => batchesOf(demand, size));
  const fitting = offers.find((batches) => bytesOf(demand, batches) <= wish);
  if (fitting) return fitting;
  const least = offers[offers.length - 1];
  const bytes = bytesOf(demand, least);
  if (bytes <= (memoryLimit ?? Infinity)) return least;
  throw new InputError(
    `${refusal(demand, least, bytes, memoryLimit)}; ${remedy(demand, least, memoryLimit)}`,
  );
}

function batchesOf({ people, needs }: Demand, size: (typeof SIZES)[number]): Batches {
  const count = Math.min(size.people, people);
  const { answering, learning } = needs;
  const score: Extent = {
    sequence: answering.sequence,
    rows: Math.max(answering.rows, size.rows),
    sequences: Math.max(answering.sequences, size.sequences),
    outputs: Math.max(answering.outputs, size.sequences),
  };
  if (!learning) return { people: count, answering: score };
  const rows = Math.max(learning.rows, Math.min(size.rows, count * learning.rows));
  const train: Extent = {
    sequence: learning.sequence,
    rows,
    sequences: Math.max(learning.sequences, Math.min(size.sequences, count * learning.sequences)),
    outputs: Math.ceil((rows * learning.outputs) / learning.rows),
  };
  return { people: count, answering: score, learning: train };
}

/** Predicted peak of the study's process with these programs; infinite where WebAssembly cannot address one of them. */
export function bytesOf(demand: Programs, batches: Batches): number {
  try {
    return processMemory(programsOf(demand, batches), { header: demand.file.gguf }).total + STUDY_BYTES;
  } catch (error) {
    if (error instanceof MemoryLimitError) return Infinity;
    throw error;
  }
}

function programsOf({ file, ...demand }: Programs, { people, answering, learning }: Batches): Program[] {
  const choice: ProgramChoice = { ...demand, people };
  const score = compileScoring(scoring(file, choice, answering));
  return learning ? [score, compileTraining(training(file, choice, learning))] : [score];
}

function refusal(demand: Demand, batches: Batches, bytes: number, limit: number | undefined): string {
  const { model, compression, rank, needs } = demand;
  const what = rank ? `${model} ${compression} with adapters of rank ${rank}` : `${model} ${compression}`;
  const longest = Math.max(needs.answering.sequence, needs.learning?.sequence ?? 0);
  if (bytes === Infinity)
    return `study: ${what} needs more memory than WebAssembly can address, for one person at a time and sequences of up to ${longest} tokens`;
  const programs = programsOf(demand, batches);
  const parts = programs.map(
    ({ memory }, i) => `${i ? "training" : "answering"} ${formatBytes(memory.total)}`,
  );
  const rest = bytes - programs.reduce((sum, { memory }) => sum + memory.total, 0);
  return `study: ${what} needs ${formatBytes(bytes)} (${parts.join(", ")}, Node and the study ${formatBytes(rest)}) for one person at a time and sequences of up to ${longest} tokens, but the limit is ${formatBytes(limit!)}`;
}

/** The first smaller compression that fits, tried and not guessed. */
function remedy(demand: Demand, least: Batches, limit = Infinity): string {
  const smaller = COMPRESSIONS.slice(COMPRESSIONS.indexOf(demand.compression) + 1);
  const tried = smaller.map((compression) => ({
    compression,
    bytes: bytesOf({ ...demand, compression }, least),
  }));
  const fitting = tried.find(({ bytes }) => bytes <= limit && bytes < Infinity);
  if (fitting) return `compression ${fitting.compression} needs ${formatBytes(fitting.bytes)}`;
  const best = tried.at(-1);
  const others = "give it more with --memory-limit, or shorter items, smaller k or rank";
  return best && best.bytes < Infinity
    ? `even ${best.compression} needs ${formatBytes(best.bytes)}: ${others}`
    : others;
}
