import { Bm25, searchedFor } from "../rag/bm25.ts";
import type { RetrieverName } from "../rag/retrievers.ts";
import { words } from "../rag/words.ts";
import { type Item, isPassage } from "./types.ts";

/**
 * What can be had without a model: a method that does not beat these is not worth a model. Each gives the index of the
 * option it chooses, or undefined where it has nothing to say (an empty history, or a kind of task it is not for).
 */
export type Answer = (history: readonly Item[], query: Item) => number | undefined;

export interface Baseline {
  readonly answer: Answer;
  /** Raised whenever it answers otherwise than before: rows of different versions never stand side by side. */
  readonly version: number;
  /** What it looks things up with. */
  readonly retriever?: RetrieverName;
}

export const BASELINES: Record<"majority" | "nearest" | "naive_bayes", Baseline> = {
  majority: { answer: majority, version: 1 },
  nearest: { answer: nearest, version: 2, retriever: "bm25" },
  naive_bayes: { answer: naiveBayes, version: 2 },
};

const chosen = (item: Item) => item.options?.indexOf(item.output) ?? -1;

/** The user's commonest answer; among equals the one given last. */
function majority(history: readonly Item[], query: Item): number | undefined {
  if (isPassage(query) || !history.some((item) => chosen(item) >= 0)) return undefined;
  const counts = countsOf(history, query);
  const most = Math.max(...counts);
  return chosen(history.findLast((item) => counts[chosen(item)] === most)!);
}

function countsOf(history: readonly Item[], query: Item): number[] {
  return query.options!.map((_, i) => history.filter((item) => chosen(item) === i).length);
}

/** The answer of the item most like the query (BM25); of passages, the one that has more words in common with its nearest item. */
function nearest(history: readonly Item[], query: Item): number | undefined {
  if (!history.length || !query.options) return undefined;
  if (!isPassage(query)) {
    const answers = history.filter((item) => chosen(item) >= 0);
    return answers.length ? chosen(Bm25.of(answers).best(searchedFor(query), 1)[0]) : undefined;
  }
  return largest(query.options.map((option) => closeness(history, option)));
}

/** The largest share of an option's words that one item of the history has. */
function closeness(history: readonly Item[], option: string): number {
  const own = new Set(words(option));
  return Math.max(
    ...history.map((item) => {
      const theirs = new Set(words(item.output));
      return [...own].filter((word) => theirs.has(word)).length / own.size;
    }),
  );
}

/**
 * Naive Bayes with add-one smoothing on the user's own items: argmax log P(answer) + Σ log P(word | answer). Of passages,
 * the one with the higher mean log P(word) under the history's words.
 */
function naiveBayes(history: readonly Item[], query: Item): number | undefined {
  if (!history.length || !query.options) return undefined;
  const vocabulary = new Set(history.flatMap((item) => words(item.input || item.output)));
  const logLikelihood = (items: readonly Item[], text: string) => {
    const seen = items.flatMap((item) => words(item.input || item.output));
    const total = seen.length + vocabulary.size + 1;
    return words(text).reduce(
      (sum, word) => sum + Math.log((seen.filter((w) => w === word).length + 1) / total),
      0,
    );
  };
  if (isPassage(query))
    return largest(query.options.map((o) => logLikelihood(history, o) / Math.max(1, words(o).length)));
  const counts = countsOf(history, query);
  return largest(
    counts.map((count, i) => {
      const items = history.filter((item) => chosen(item) === i);
      return Math.log((count + 1) / (history.length + counts.length)) + logLikelihood(items, query.input);
    }),
  );
}

/** The first words of a text, the baseline of headlines and subjects. */
export function leadWords(text: string, count: number): string {
  return text.split(/\s+/).filter(Boolean).slice(0, count).join(" ");
}

function largest(values: readonly number[]): number {
  return values.indexOf(Math.max(...values));
}
