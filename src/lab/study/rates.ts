/** How fast the study itself goes on this machine, many people in a batch: what its duration is estimated from, and nothing else. */
import { random } from "../../engine/random.ts";
import { initializeAdapter } from "../../llm/train/initialize.ts";
import type { Workbench } from "./workbench.ts";

const TIMED_RUNS = 3;
const SEQUENCE_TOKENS = 64;
const ROWS_MOST = 1024;

/** Tokens per second in batches of many people; training 0 where nothing trains. */
export interface Rates {
  readonly evaluation: number;
  readonly training: number;
}

/** Medians of three runs over random tokens, as many as fit a batch, after one to warm up. `ranks`: of the programs that the bench has. */
export async function measureRates(
  bench: Workbench,
  ranks: readonly number[],
  signal?: AbortSignal,
): Promise<Rates> {
  const rank = Math.max(...ranks);
  if (rank === 0)
    return { evaluation: await evaluationRate(bench, await bench.scorer(), signal), training: 0 };
  const { scorer } = await bench.adapters(rank);
  return {
    evaluation: await evaluationRate(bench, scorer, signal),
    training: await trainingRate(bench, rank, signal),
  };
}

type Scorer = Awaited<ReturnType<Workbench["scorer"]>>;

async function evaluationRate(bench: Workbench, scorer: Scorer, signal?: AbortSignal): Promise<number> {
  const { rows, sequences } = scorer.engine.program.slots;
  const lists = randomLists(bench, Math.min(SEQUENCE_TOKENS, scorer.context), rows, sequences);
  const requests = lists.map((tokens) => ({ tokens, from: tokens.length - 1 }));
  const seconds = await medianSeconds(() => scorer.continuations(requests, signal));
  return tokensOf(lists) / seconds;
}

async function trainingRate(bench: Workbench, rank: number, signal?: AbortSignal): Promise<number> {
  const { trainer } = await bench.adapters(rank);
  const { rows, sequences, outputs } = trainer.engine.program.slots;
  const { context } = trainer.setup.options;
  const lists = randomLists(bench, Math.min(SEQUENCE_TOKENS, context), rows, sequences);
  trainer.restart();
  initializeAdapter(trainer.engine, bench.bank(rank), bench.file.config.layers, 0, 1);
  const learned = Math.max(1, Math.floor(outputs / lists.length));
  const examples = lists.map((tokens) => ({
    tokens,
    weights: tokens.map((_, i) => (i > 0 && i >= tokens.length - learned ? 1 : 0)),
    adapter: 0,
    scale: 1,
  }));
  return tokensOf(lists) / (await medianSeconds(() => trainer.update([examples], 1e-4, signal)));
}

function randomLists(bench: Workbench, longest: number, rows: number, sequences: number): number[][] {
  const { vocabulary } = bench.file.config;
  const length = Math.max(2, longest);
  const count = Math.max(1, Math.min(sequences, Math.floor(Math.min(ROWS_MOST, rows) / (length - 1))));
  return Array.from({ length: count }, (_, s) =>
    Array.from({ length }, (_, i) => random(1, s, i) % vocabulary),
  );
}

function tokensOf(lists: readonly (readonly number[])[]): number {
  return lists.reduce((sum, list) => sum + list.length - 1, 0);
}

async function medianSeconds(work: () => Promise<unknown>): Promise<number> {
  await work();
  const seconds: number[] = [];
  for (let i = 0; i < TIMED_RUNS; i++) {
    const start = performance.now();
    await work();
    seconds.push((performance.now() - start) / 1000);
  }
  return seconds.sort((a, b) => a - b)[Math.floor(TIMED_RUNS / 2)];
}
