import MiniSearch from "minisearch";
import type { Item } from "../tasks/types.ts";

/**
 * BM25+ over a user's items (the `minisearch` library): k₁ 1.2, b 0.7, δ 0.5, words of letters and digits, lower case.
 * Items are added in the order of time, so that each may be retrieved for only by what came before it.
 */
export class Bm25 {
  readonly #items: Item[] = [];
  readonly #index = new MiniSearch<{ id: number; text: string }>({
    fields: ["text"],
    tokenize: (text) => text.match(/[\p{L}\p{N}]+/gu) ?? [],
    searchOptions: { combineWith: "OR", prefix: false, fuzzy: false },
  });

  static of(items: readonly Item[]): Bm25 {
    const index = new Bm25();
    for (const item of items) index.add(item);
    return index;
  }

  /** The document of an item is its input, or its output where there is no input. */
  add(item: Item): void {
    this.#index.add({ id: this.#items.length, text: item.input || item.output });
    this.#items.push(item);
  }

  get size(): number {
    return this.#items.length;
  }

  /**
   * The k best items for a text, ascending, the best last; fewer than k matches are filled up with the latest of the
   * others before them. Equal scores (to 1e-6, since the library uses Math.log) go by time. Without a text: the latest.
   */
  best(text: string | undefined, k: number): Item[] {
    const scores = new Float64Array(this.#items.length);
    for (const { id, score } of text ? this.#index.search(text) : []) scores[id] = Math.round(score * 1e6);
    return this.#items
      .map((item, i) => ({ item, score: scores[i] }))
      .sort((a, b) => a.score - b.score || a.item.time - b.item.time)
      .slice(Math.max(0, this.#items.length - k))
      .map(({ item }) => item);
  }
}
