import { Draws } from "../tasks/draw.ts";
import type { Item } from "../tasks/types.ts";
import { Bm25, searchedFor } from "./bm25.ts";

export type RetrieverName = "bm25" | "recency" | "random" | "oracle";

/** Raised whenever a retriever finds other items than before: rows of different versions never stand side by side. */
export const RETRIEVER_VERSIONS: Record<RetrieverName, number> = {
  bm25: 2,
  recency: 1,
  random: 1,
  oracle: 1,
};
export const RETRIEVERS = Object.keys(RETRIEVER_VERSIONS) as RetrieverName[];

/**
 * Up to k items of the history for a query, the best last (next to the query).
 *
 * bm25: by common words. recency: the latest. random: by the seed. oracle: the items that share the query's facts
 * (generated users only), for calibration; it does not look at the query's answer.
 * An item that is not before the query in time is refused: it would be a leak.
 */
export function retrieve(
  name: RetrieverName,
  history: readonly Item[],
  query: Item,
  k: number,
  seed = 0,
): Item[] {
  refuseFuture(history, query);
  if (k <= 0) return [];
  if (name === "bm25") return Bm25.of(history).best(searchedFor(query), k);
  if (name === "recency") return history.slice(-k);
  if (name === "random")
    return new Draws(seed, query.time)
      .shuffle(history)
      .slice(0, k)
      .sort((a, b) => a.time - b.time);
  return byFacts(history, query).slice(-k);
}

export function refuseFuture(history: readonly Item[], query: Item): void {
  const late = history.find((item) => item.time >= query.time);
  if (late)
    throw new RangeError(
      `retrieval: item ${late.id} (time ${late.time}) is not before the query ${query.id} (time ${query.time})`,
    );
}

/** Ascending by the number of facts shared with the query, then by time. */
function byFacts(history: readonly Item[], query: Item): Item[] {
  if (!query.facts)
    throw new RangeError(`retrieval: oracle needs a generated item, ${query.id} has no facts`);
  const shared = (item: Item) => query.facts!.filter((fact, i) => item.facts![i] === fact).length;
  return [...history].sort((a, b) => shared(a) - shared(b) || a.time - b.time);
}
