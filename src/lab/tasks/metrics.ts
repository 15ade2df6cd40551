import { InputError } from "../../errors.ts";

/** The metrics of the LaMP benchmark. Predictions and golds are texts in the same order; both are stripped first. */

export function accuracy(predictions: readonly string[], golds: readonly string[]): number {
  return mean(pairs(predictions, golds).map(([p, g]) => (p === g ? 1 : 0)));
}

/**
 * Mean of the labels' F1 over the fixed label list; F1 = 2·tp / (2·tp + fp + fn), 0 where a label is neither predicted
 * nor right. A prediction that is no label is wrong and counts for no label.
 */
export function macroF1(
  predictions: readonly string[],
  golds: readonly string[],
  labels: readonly string[],
): number {
  const all = pairs(predictions, golds);
  return mean(
    labels.map((label) => {
      const hits = all.filter(([p, g]) => p === label && g === label).length;
      const named = all.filter(([p]) => p === label).length;
      const right = all.filter(([, g]) => g === label).length;
      return named + right > 0 ? (2 * hits) / (named + right) : 0;
    }),
  );
}

/** Predictions that are none of the labels: failures of form, counted apart from wrong answers. */
export function formatFailures(predictions: readonly string[], labels: readonly string[]): number {
  return predictions.filter((p) => !labels.includes(p.trim())).length;
}

export function meanAbsoluteError(predictions: readonly string[], golds: readonly string[]): number {
  return mean(pairs(predictions, golds).map(([p, g]) => Math.abs(score(p, Number(g)) - Number(g))));
}

export function rootMeanSquareError(predictions: readonly string[], golds: readonly string[]): number {
  return Math.sqrt(mean(pairs(predictions, golds).map(([p, g]) => (score(p, Number(g)) - Number(g)) ** 2)));
}

/** A prediction that is no number becomes 1 or 5, whichever is farther from the gold (ties: 1). */
function score(prediction: string, gold: number): number {
  const value = prediction === "" ? Number.NaN : Number(prediction);
  if (Number.isFinite(value)) return value;
  return Math.abs(1 - gold) >= Math.abs(5 - gold) ? 1 : 5;
}

/** Mean F of common words, each counted as often as both texts have it (ROUGE-1, Lin 2004). */
export function rouge1(predictions: readonly string[], golds: readonly string[]): number {
  return mean(
    pairs(predictions, golds).map(([p, g]) => {
      const left = new Map<string, number>();
      for (const word of words(g)) left.set(word, (left.get(word) ?? 0) + 1);
      const common = words(p).filter((word) => {
        const n = left.get(word) ?? 0;
        left.set(word, n - 1);
        return n > 0;
      }).length;
      return fMeasure(common, words(p).length, words(g).length);
    }),
  );
}

/** Mean F of the longest common subsequence of words (ROUGE-L, Lin 2004). */
export function rougeL(predictions: readonly string[], golds: readonly string[]): number {
  return mean(
    pairs(predictions, golds).map(([p, g]) =>
      fMeasure(longestCommon(words(p), words(g)), words(p).length, words(g).length),
    ),
  );
}

/** As the package rouge_score has them without a stemmer: runs of a–z and 0–9. Text in other scripts has none, and scores 0. */
function words(text: string): string[] {
  return text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
}

function fMeasure(common: number, predicted: number, right: number): number {
  return predicted + right > 0 ? (2 * common) / (predicted + right) : 0;
}

function longestCommon(a: readonly string[], b: readonly string[]): number {
  let row = new Array<number>(b.length + 1).fill(0);
  for (const word of a) {
    const next = [0];
    for (let j = 1; j <= b.length; j++)
      next.push(b[j - 1] === word ? row[j - 1] + 1 : Math.max(row[j], next[j - 1]));
    row = next;
  }
  return row[b.length];
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

function pairs(predictions: readonly string[], golds: readonly string[]): [string, string][] {
  if (predictions.length !== golds.length || golds.length === 0)
    throw new InputError(
      `metrics: as many predictions as golds and at least one, not ${predictions.length} and ${golds.length}`,
    );
  return golds.map((gold, i) => [predictions[i].trim(), gold.trim()]);
}
