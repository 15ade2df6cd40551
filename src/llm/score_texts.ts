/** Log-likelihoods of whole texts, by the program and the KV caches that also generate. What texts share is computed once. */
import type { Engine } from "../engine/host/engine.ts";
import { type Sequence, writeBatch } from "./batch.ts";
import { type CachedTokens, commonPrefix } from "./cached_tokens.ts";
import type { Generator } from "./generate.ts";

export interface TextScore {
  readonly tokens: readonly number[];
  /** ln p of each token after those before it; null for the first, which has none. */
  readonly logprobs: readonly (number | null)[];
}

interface Job {
  readonly tokens: readonly number[];
  readonly logprobs: (number | null)[];
}

/** A text whose rows from `start` on are run now, in the cache `target`, which begins like `source`. */
interface Turn {
  readonly job: Job;
  readonly source: number;
  readonly target: number;
  readonly start: number;
}

/** Scores texts of tokens, none longer than the context; the same bits as each by itself. */
export async function scoreTexts(
  generator: Generator,
  texts: readonly (readonly number[])[],
  signal?: AbortSignal,
): Promise<TextScore[]> {
  const jobs = texts.map((tokens): Job => ({ tokens, logprobs: tokens.map(() => null) }));
  const order = [...jobs].sort((a, b) => compare(a.tokens, b.tokens));
  try {
    for (;;) {
      const pending = order.filter((job) => unknown(job) < job.tokens.length);
      if (!pending.length) return jobs;
      const turns = chooseTurns(generator.caches, pending);
      for (const turn of turns) prepareCache(generator, turn);
      await runTurns(generator, turns, pending, signal);
    }
  } finally {
    generator.keep(generator.tokens.length); // the conversation goes on from what its cache now holds
  }
}

/** The first token that has no log-probability yet, but should. */
function unknown({ logprobs }: Job): number {
  const found = logprobs.indexOf(null, 1);
  return found < 0 ? logprobs.length : found;
}

/**
 * Texts that run together, each in a cache of its own. One that would find more in a cache once another has run waits for that one.
 */
function chooseTurns(caches: readonly CachedTokens[], pending: readonly Job[]): Turn[] {
  const turns: Turn[] = [];
  const targets = new Set<number>();
  const sources = new Set<number>();
  const overwritten = new Set<number>();
  const usable = pending.map((job) => caches.map((cache) => cache.usable(job.tokens, unknown(job) - 1)));
  // What serves no text that waits is given up first, and the first cache, which has the conversation, last.
  const worth = caches.map((_, i) => Math.max(...usable.map((each) => each[i])));
  const byWorth = caches.map((_, i) => i).sort((a, b) => worth[a] - worth[b] || b - a);
  for (const [index, job] of pending.entries()) {
    const start = Math.max(...usable[index]);
    if (turns.some((turn) => commonPrefix(turn.job.tokens, job.tokens) > start)) continue;
    const source = usable[index].findIndex(
      (length, i) => length === start && (start === 0 || !overwritten.has(i)),
    );
    if (source < 0) continue;
    const inPlace = start > 0 && !targets.has(source);
    const free = byWorth.filter((i) => !targets.has(i) && !sources.has(i) && (start === 0 || i !== source));
    const target = inPlace ? source : free[0];
    if (target === undefined) continue;
    targets.add(target);
    if (start > 0) sources.add(source);
    if (!inPlace) overwritten.add(target);
    turns.push({ job, source, target, start });
  }
  return turns;
}

/** The first `start` rows of the source, in every layer, become those of the target. */
function prepareCache({ engine, caches }: Generator, { source, target, start }: Turn): void {
  if (source === target || start === 0) {
    caches[target].keep(start);
    return;
  }
  for (const [name, { kind, value, offset, bytes }] of engine.program.leaves) {
    if (kind !== "state" || !/^(cache\.|history$)/.test(name)) continue;
    const all = engine.bytes(offset, bytes);
    const each = bytes / caches.length;
    const capacity = (value.shape[0] as number) / caches.length;
    const length = (Math.min(start, capacity) * each) / capacity;
    all.copyWithin(target * each, source * each, source * each + length);
  }
  caches[target].copy(caches[source], start);
}

/** Runs the rows of all turns, as many at once as the program takes. */
async function runTurns(
  generator: Generator,
  turns: readonly Turn[],
  pending: readonly Job[],
  signal?: AbortSignal,
): Promise<void> {
  const { engine, caches } = generator;
  const most = engine.program.slots.rows;
  const shared = turns.map(({ job }) => pending.map(({ tokens }) => commonPrefix(job.tokens, tokens)));
  for (;;) {
    const batch: Sequence[] = [];
    const wanted = new Wanted();
    let used = 0;
    turns.forEach(({ job, target }, i) => {
      const first = caches[target].tokens.length;
      // The last token predicts nothing.
      const tokens = job.tokens.slice(first, Math.min(job.tokens.length - 1, first + most - used));
      if (!tokens.length) return;
      batch.push({ tokens, firstKey: first, cache: target });
      tokens.forEach((_, row) => {
        wanted.add(used + row, first + row + 1, pending, shared[i]);
      });
      used += tokens.length;
    });
    if (!batch.length) return;
    for (const { tokens, cache } of batch) caches[cache!].writes(tokens.length);
    const sizes = writeBatch(engine, batch);
    await engine.run("generate", "body", { ...sizes, outputs: 0 }, { signal });
    generator.rows += sizes.rows;
    for (const { tokens, cache } of batch) caches[cache!].wrote(tokens);
    await wanted.compute(engine, sizes, signal);
  }
}

/** The log-probabilities that a batch gives: which row says how likely which token is, and for whom. */
class Wanted {
  private readonly list: { row: number; target: number; position: number; jobs: Job[] }[] = [];

  /** Row `row` predicts the token at `position` of every text that is the same up to there. */
  add(row: number, position: number, pending: readonly Job[], shared: readonly number[]): void {
    const byToken = new Map<number, Job[]>();
    pending.forEach((job, i) => {
      if (shared[i] < position || position >= job.tokens.length || job.logprobs[position] !== null) return;
      const target = job.tokens[position];
      byToken.set(target, [...(byToken.get(target) ?? []), job]);
    });
    for (const [target, jobs] of byToken) this.list.push({ row, target, position, jobs });
  }

  async compute(
    engine: Engine,
    sizes: { rows: number; sequences: number },
    signal?: AbortSignal,
  ): Promise<void> {
    const { outputs } = engine.program.slots;
    engine.f32("weight").fill(1);
    for (let at = 0; at < this.list.length; at += outputs) {
      const some = this.list.slice(at, at + outputs);
      engine.u32("score_row").set(some.map(({ row }) => row));
      engine.u32("target").set(some.map(({ target }) => target));
      await engine.run("generate", "score", { ...sizes, outputs: some.length }, { signal });
      const loss = engine.f32("loss");
      some.forEach(({ position, jobs }, i) => {
        for (const job of jobs) job.logprobs[position] = -loss[i];
      });
    }
  }
}

/** Texts that begin alike stand side by side. */
function compare(a: readonly number[], b: readonly number[]): number {
  const common = commonPrefix(a, b);
  return (a[common] ?? -1) - (b[common] ?? -1);
}
