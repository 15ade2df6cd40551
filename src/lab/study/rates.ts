/** The serial timing pass: how fast this machine scores and trains with this model, nothing else at work. */
import { random } from "../../engine/random.ts";
import { initializeAdapter } from "../../llm/train/initialize.ts";
import type { Rates, Workbench } from "./workbench.ts";

const TIMED_RUNS = 3;
const SEQUENCE_TOKENS = 64;
const SEQUENCES = 16;
const RANK = 8;

/** Medians of three runs over 1,024 random tokens each, after one to warm up; `train` where something will be trained. */
export async function measureRates(bench: Workbench, train: boolean, signal?: AbortSignal): Promise<Rates> {
  const { vocabulary, layers, context } = bench.file.config;
  const length = Math.min(SEQUENCE_TOKENS, context);
  const sequences = Array.from({ length: SEQUENCES }, (_, s) =>
    Array.from({ length: length + 1 }, (_, i) => random(1, s, i) % vocabulary),
  );
  const tokens = SEQUENCES * length;
  const requests = sequences.map((list) => ({ tokens: list, from: list.length - 1 }));
  const scoring = () => bench.scorer.continuations(requests, signal);
  const evaluation = tokens / (await medianSeconds(scoring));
  if (!train) return { evaluation, training: 0 };
  const { trainer } = await bench.adapters(RANK);
  trainer.restart();
  initializeAdapter(trainer.engine, bench.bank(RANK), layers, 0, 1);
  const weights = Array<number>(length + 1).fill(1);
  const training = () =>
    trainer.update(
      [sequences.map((list) => ({ tokens: list, weights, adapter: 0, scale: 1 }))],
      1e-4,
      signal,
    );
  return { evaluation, training: tokens / (await medianSeconds(training)) };
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
