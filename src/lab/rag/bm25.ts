import type { Item } from "../tasks/types.ts";
import { words } from "./words.ts";

/** How fast a word's weight saturates with its count, and how much long documents pay: Lucene's defaults. */
const K1 = 1.2;
const B = 0.75;
/** Scores that differ by less are equal: the last bits of Math.log are not the same on every machine. */
const RESOLUTION = 1e-9;

interface Document {
  readonly item: Item;
  readonly counts: ReadonlyMap<string, number>;
  readonly length: number;
}

/**
 * BM25 over a person's items, as Lucene scores (Robertson and Zaragoza 2009; "accurate" Lucene of Kamphuis et al. 2020, ECIR). With N
 * documents, n of them with the word w, which stands f times in a document of l words where the mean has L:
 *
 *   score = Σ over the words w of the query, repeated ones too: ln(1 + (N − n + ½) / (n + ½)) · f / (f + k₁ (1 − b + b l / L))
 *
 * Items are added in the order of time, so that each may be retrieved for only by what came before it.
 */
export class Bm25 {
  readonly #documents: Document[] = [];
  /** Documents that a word stands in. */
  readonly #occurrences = new Map<string, number>();
  #words = 0;

  static of(items: readonly Item[]): Bm25 {
    const index = new Bm25();
    for (const item of items) index.add(item);
    return index;
  }

  add(item: Item): void {
    const all = words(searchedIn(item));
    const counts = new Map<string, number>();
    for (const word of all) counts.set(word, (counts.get(word) ?? 0) + 1);
    for (const word of counts.keys()) this.#occurrences.set(word, (this.#occurrences.get(word) ?? 0) + 1);
    this.#documents.push({ item, counts, length: all.length });
    this.#words += all.length;
  }

  /** Of every item, in the order in which they were added; 0 where no word is common. */
  scores(query: string): number[] {
    const total = this.#documents.length;
    const mean = this.#words / total;
    const weights = words(query).flatMap((word) => {
      const within = this.#occurrences.get(word) ?? 0;
      return within ? [{ word, weight: Math.log(1 + (total - within + 0.5) / (within + 0.5)) }] : [];
    });
    return this.#documents.map(({ counts, length }) => {
      const slowness = K1 * (1 - B + (B * length) / mean);
      return weights.reduce((sum, { word, weight }) => {
        const count = counts.get(word) ?? 0;
        return sum + (weight * count) / (count + slowness);
      }, 0);
    });
  }

  /**
   * The k best items for a text, ascending, the best last; equal scores go by time. Fewer than k matches are filled up with the latest of the
   * others before them. Without a text: the latest.
   */
  best(query: string | undefined, k: number): Item[] {
    const scores = this.scores(query ?? "").map((score) => Math.round(score / RESOLUTION));
    return this.#documents
      .map(({ item }, i) => ({ item, score: scores[i] }))
      .sort((a, b) => a.score - b.score || a.item.time - b.item.time)
      .slice(Math.max(0, this.#documents.length - k))
      .map(({ item }) => item);
  }
}

/** Where a query is searched for: in an item's own text for that, else in its input, or in its output where nothing was asked. */
export function searchedIn(item: Item): string {
  return item.search ?? (item.input || item.output);
}

/** What is searched for: the query's own text for that, its input, or, where nothing is asked, the passages to choose from. */
export function searchedFor(query: Item): string | undefined {
  return query.search ?? (query.input || query.options?.join(" "));
}
