/** What a program does with a model, stage after stage, and the limits that each keeps. */
import { MemoryLimitError } from "../../src/engine/plan/program.ts";
import { InputError } from "../../src/errors.ts";
import { readGguf } from "../../src/llm/files/gguf.ts";
import { compileGeneration, Generator } from "../../src/llm/generate.ts";
import { type ModelFile, modelOf } from "../../src/llm/model_file.ts";
import { Tokenizer } from "../../src/llm/tokenizer/tokenizer.ts";
import { type Encoded, filledSource } from "./draft.ts";

/** In their order; the first is the one that most mutations of most fuzzers never pass. */
export const STAGES = ["header", "tokenizer", "config", "program", "weights"] as const;
export type Stage = (typeof STAGES)[number];

export const MEMORY_LIMIT = 512 * 2 ** 20;
/** Programs up to this size are also loaded, and answer with a token. */
const LOADED_MAX = 4 * 2 ** 20;
/** CPU time of a case, which nobody else's load changes. */
const SECONDS_MAX = 4;
/** What a case may add to JavaScript's memory: twice the longest header that is read (files here seem to have TiB), and as much as a program. */
const GROWTH_MAX = 160 * 2 ** 20;

export interface Outcome {
  passed: Stage[];
  /** The message of the one clear error that ended it. */
  refused?: string;
  /** Why this case must not be: another error, too long, too much. */
  failure?: string;
  seconds: number;
  growth: number;
}

/** Runs a case as far as it goes. */
export async function runCase({ bytes, size }: Encoded, fill: number): Promise<Outcome> {
  const source = filledSource(bytes, size, fill);
  const outcome: Outcome = { passed: [], seconds: 0, growth: 0 };
  const [before, started] = [memoryInUse(), process.cpuUsage()];
  try {
    await everyStage(source, outcome);
  } catch (error) {
    if (error instanceof InputError || error instanceof MemoryLimitError) outcome.refused = error.message;
    else outcome.failure = error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  const { user, system } = process.cpuUsage(started);
  outcome.seconds = (user + system) / 1e6;
  outcome.growth = memoryInUse() - before;
  outcome.failure ??= beyondLimits(outcome, source.largest(), size);
  return outcome;
}

function memoryInUse(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function beyondLimits(
  { seconds, growth, refused }: Outcome,
  largest: number,
  size: number,
): string | undefined {
  if (seconds > SECONDS_MAX) return `took ${seconds.toFixed(1)} s of CPU time; at most ${SECONDS_MAX}`;
  if (growth > GROWTH_MAX) return `took ${growth} bytes more; at most ${GROWTH_MAX}`;
  if (largest > size) return `read ${largest} bytes at once of a file of ${size}`;
  if (refused !== undefined && (refused.trim() === "" || refused.length > 2000))
    return `a message of ${refused.length} characters: ${refused.slice(0, 300)}`;
  return undefined;
}

async function everyStage(source: ReturnType<typeof filledSource>, outcome: Outcome): Promise<void> {
  const { metadata } = await readGguf(source);
  outcome.passed.push("header");
  // The tokenizer does not wait for a model that can be run: a vocabulary alone is one too.
  const tokens = useTokenizer(metadata);
  outcome.passed.push("tokenizer");
  const file = await modelOf(source);
  outcome.passed.push("config");
  await useModel(file, tokens, outcome);
}

function useTokenizer(metadata: Awaited<ReturnType<typeof readGguf>>["metadata"]): number[] {
  const tokenizer = Tokenizer.fromGguf(metadata);
  const tokens = tokenizer.encode("The thing, and  ä\n the");
  tokenizer.decode(tokens);
  return tokens.slice(0, 4);
}

async function useModel(file: ModelFile, tokens: number[], outcome: Outcome): Promise<void> {
  const setup = { rows: 8, memoryLimit: MEMORY_LIMIT, inProcess: true };
  const { memory } = compileGeneration(file, setup);
  outcome.passed.push("program");
  if (memory.total > LOADED_MAX) return;
  const generator = await Generator.open(file, setup);
  try {
    if (tokens.length > 0 && tokens.length <= generator.context) await generator.feed(tokens);
  } finally {
    await generator.close();
  }
  outcome.passed.push("weights");
}
