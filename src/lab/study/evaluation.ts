/** How well people are served: likelihood of options, or bits per byte, and what the alarms need to know of how it came about. */
import type { AdapterChoice, Scorer } from "../../llm/score.ts";
import type { BASELINES } from "../tasks/baselines.ts";
import { macroF1 } from "../tasks/metrics.ts";
import type { Item, Task } from "../tasks/types.ts";
import type { Query } from "./prompting.ts";
import type { Row } from "./row.ts";
import { digest } from "./settings.ts";

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
export async function evaluate(scorer: Scorer, task: Task, sittings: readonly Sitting[]): Promise<Outcome[]> {
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
  );
  let next = 0;
  return sittings.map(({ queries }) => {
    const own = scores.slice(next, (next += queries.length));
    const tokens = queries.reduce((sum, query) => sum + evaluatedTokens(query), 0);
    const quality =
      task.metric === "bits_per_byte" ? bitsPerByte(queries, own) : choiceQuality(task, queries, own);
    return { quality, scores: digest(own), tokens };
  });
}

/** Tokens that go through the model for one query. */
export function evaluatedTokens({ prompt, options }: Query): number {
  if (options.every(({ length }) => length === 1)) return prompt.length;
  return options.reduce((sum, option) => sum + prompt.length + option.length - 1, 0);
}

/** What a method without a model answers. */
export function evaluateBaseline(
  baseline: (typeof BASELINES)[keyof typeof BASELINES],
  history: readonly Item[],
  items: readonly Item[],
): Outcome {
  const chosen = items.map((item) => baseline(history, item) ?? 0);
  return { quality: choices(items, chosen), scores: digest(chosen), tokens: 0 };
}

/**
 * The likeliest option. Real passages differ in length, so they are compared by log-likelihood per byte; the answers of generated users
 * by log-likelihood as it is.
 */
function choiceQuality(
  { source }: Task,
  queries: readonly Query[],
  scores: readonly (readonly number[])[],
): Row["quality"] {
  const chosen = queries.map(({ item }, i) => {
    const values = scores[i].map((score, option) =>
      source === "real" ? score / byteLength(item.options![option]) : score,
    );
    return values.indexOf(Math.max(...values));
  });
  return choices(
    queries.map(({ item }) => item),
    chosen,
  );
}

function choices(items: readonly Item[], chosen: readonly number[]): Row["quality"] {
  const answers = items.map((item, i) => item.options![chosen[i]]);
  const golds = items.map(({ output }) => output);
  const right = answers.filter((answer, i) => answer === golds[i]).length;
  const fixed = items.every(({ options }) => options!.join("\n") === items[0].options!.join("\n"));
  const lamp: Record<string, number> = fixed ? { f1: macroF1(answers, golds, items[0].options!) } : {};
  return { metric: "accuracy", value: right / items.length, items: items.length, format_failures: 0, lamp };
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
