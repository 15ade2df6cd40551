import type { Item } from "./types.ts";

/**
 * The ranking by which the pre-training mix retrieves. Not a study's BM25 (rag/bm25.ts): the models in the box were trained on prompts that were
 * put together with this one, and another would make other models of the same recipes. It is BM25+ (Lv and Zhai 2011; k₁ 1.2, b 0.7, δ 0.5) with
 * distinct words as a document's length, times the number of distinct words of the query that the document has.
 */
const K1 = 1.2;
const B = 0.7;
const DELTA = 0.5;

/** The k best items for a query, ascending, the best last; equal scores, to 1e-6, go by time. */
export function rankForMix(items: readonly Item[], query: string, k: number): Item[] {
  const documents = items.map(({ input }) => countsOf(lettersAndDigits(input)));
  const mean = documents.reduce((sum, { size }) => sum + size, 0) / documents.length;
  const asked = lettersAndDigits(query);
  const score = (counts: ReadonlyMap<string, number>) => {
    const matched = asked.filter((word) => counts.has(word));
    const sum = matched.reduce((total, word) => {
      const within = documents.filter((document) => document.has(word)).length;
      const rarity = Math.log(1 + (documents.length - within + 0.5) / (within + 0.5));
      const count = counts.get(word)!;
      const share = (count * (K1 + 1)) / (count + K1 * (1 - B + (B * counts.size) / mean));
      return total + rarity * (DELTA + share);
    }, 0);
    return Math.round(sum * new Set(matched).size * 1e6);
  };
  return items
    .map((item, i) => ({ item, score: score(documents[i]) }))
    .sort((a, b) => a.score - b.score || a.item.time - b.item.time)
    .slice(Math.max(0, items.length - k))
    .map(({ item }) => item);
}

function countsOf(list: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const word of list) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

function lettersAndDigits(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}
