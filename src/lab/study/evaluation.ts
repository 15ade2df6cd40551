/** How well people are served: likelihood of options, or bits per byte, and what the alarms need to know of how it came about. */
import type { AdapterChoice, Scorer } from "../../llm/score.ts";
import type { Baseline } from "../tasks/baselines.ts";
import { macroF1, meanAbsoluteError, rootMeanSquareError } from "../tasks/metrics.ts";
import { type Item, isPassage, type Task } from "../tasks/types.ts";
import type { Query } from "./prompting.ts";
import type { Row } from "./row.ts";
import { digest } from "./settings.ts";

/** Raised whenever the same queries are answered or measured otherwise than before: rows of different versions never stand side by side. */
export const EVALUATION_VERSION = 1;

/** A person's queries, and the adapter that answers them. */
export interface Sitting extends AdapterChoice {
  readonly queries: readonly Query[];
}

export interface Outcome {
  readonly quality: Row["quality"];
  /** Digest of all scores, in order. */
  readonly scores: string;
  readonly tokens: number;
}

/** Scores all sittings in shared batches. */
export async function evaluate(
  scorer: Scorer,
  task: Task,
  sittings: readonly Sitting[],
  signal?: AbortSignal,
): Promise<Outcome[]> {
  const flat = sittings.flatMap(({ queries, adapter, scale }) =>
    queries.map((query) => ({ query, adapter, scale })),
  );
  const scores = await scorer.choices(
    flat.map(({ query, adapter, scale }) => ({
      prompt: query.prompt,
      options: query.options,
      adapter,
      scale,
    })),
    signal,
  );
  // Without history and adapter a passage gains nothing on itself.
  const gains = flat.map(
    ({ query, adapter }) => isPassage(query.item) && (adapter !== undefined || query.shown.length > 0),
  );
  const compared = flat
    .filter((_, i) => gains[i])
    .map(({ query }) => ({ prompt: query.plain, options: query.options }));
  const plain = compared.length ? await scorer.choices(compared, signal) : [];
  const preferences = scores.map((own, i) => {
    const without = gains[i] ? plain.shift() : undefined;
    return preferencesOf(flat[i].query, own, without);
  });
  let next = 0;
  return sittings.map(({ queries, adapter }) => {
    const [first, last] = [next, (next += queries.length)];
    const own = scores.slice(first, last);
    const tokens = queries.reduce((sum, query) => sum + evaluatedTokens(query, adapter !== undefined), 0);
    const quality =
      task.metric === "bits_per_byte"
        ? bitsPerByte(queries, own)
        : choiceQuality(queries, preferences.slice(first, last));
    return { quality, scores: digest(own), tokens };
  });
}

/** Tokens that go through the model for one query. */
export function evaluatedTokens(query: Query, adapted: boolean): number {
  const { prompt, plain, options, shown } = query;
  const once = (before: readonly number[]) =>
    options.every(({ length }) => length === 1)
      ? before.length
      : options.reduce((sum, option) => sum + before.length + option.length - 1, 0);
  const compared = isPassage(query.item) && (adapted || shown.length > 0);
  return once(prompt) + (compared ? once(plain) : 0);
}

/** What a method without a model answers. */
export function evaluateBaseline(
  { answer }: Baseline,
  history: readonly Item[],
  items: readonly Item[],
): Outcome {
  const chosen = items.map((item) => answer(history, item) ?? 0);
  return { quality: choices(items, chosen), scores: digest(chosen), tokens: 0 };
}

/**
 * How much each option is preferred: the log-likelihood of an answer. Of passages, which are more or less predictable by themselves, what
 * the history adds to it, per byte: pointwise mutual information (Holtzman et al. 2021, arXiv:2104.08315).
 */
function preferencesOf(
  query: Query,
  own: readonly number[],
  without: readonly number[] | undefined,
): number[] {
  if (!isPassage(query.item)) return [...own];
  return own.map(
    (score, option) => (score - (without?.[option] ?? 0)) / byteLength(query.item.options![option]),
  );
}

function choiceQuality(
  queries: readonly Query[],
  preferences: readonly (readonly number[])[],
): Row["quality"] {
  return choices(
    queries.map(({ item }) => item),
    preferences.map((values) => values.indexOf(Math.max(...values))),
  );
}

function choices(items: readonly Item[], chosen: readonly number[]): Row["quality"] {
  const answers = items.map((item, i) => item.options![chosen[i]]);
  const golds = items.map(({ output }) => output);
  const right = answers.filter((answer, i) => answer === golds[i]).length;
  const lamp = labelMetrics(items, answers);
  return { metric: "accuracy", value: right / items.length, items: items.length, format_failures: 0, lamp };
}

/** What LaMP measures beside accuracy where all items have the same answers: macro-F1, and the distance of numbers. */
function labelMetrics(items: readonly Item[], answers: readonly string[]): Record<string, number> {
  const [{ options }] = items;
  if (!items.every((item) => item.options!.join("\n") === options!.join("\n"))) return {};
  const golds = items.map(({ output }) => output);
  const f1 = macroF1(answers, golds, options!);
  if (!options!.every((option) => /^\d+$/.test(option))) return { f1 };
  return { f1, mae: meanAbsoluteError(answers, golds), rmse: rootMeanSquareError(answers, golds) };
}

function bitsPerByte(queries: readonly Query[], scores: readonly (readonly number[])[]): Row["quality"] {
  const nats = scores.reduce((sum, [score]) => sum - score, 0);
  const bytes = queries.reduce((sum, { item }) => sum + byteLength(item.output), 0);
  return {
    metric: "bits_per_byte",
    value: nats / Math.LN2 / bytes,
    items: queries.length,
    format_failures: 0,
    lamp: {},
  };
}

function byteLength(text: string): number {
  return Buffer.byteLength(text);
}
