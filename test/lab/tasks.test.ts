import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RETRIEVERS, retrieve } from "../../src/lab/rag/retrievers.ts";
import { lookupPredictive, rulePredictive } from "../../src/lab/tasks/bayes.ts";
import { Draws } from "../../src/lab/tasks/draw.ts";
import { GENERATED, type GeneratedName, generatedTask } from "../../src/lab/tasks/generated.ts";
import { task, taskDifficulty } from "../../src/lab/tasks/index.ts";
import { line, prompt } from "../../src/lab/tasks/prompts.ts";
import { historyItems, type Item, SPLITS, testItems } from "../../src/lab/tasks/types.ts";
import { ATTRIBUTES, FORMS, JUDGEMENTS, MANNERS, PHRASES, TAGS, THEMES } from "../../src/lab/tasks/words.ts";

const SEED = 20_240;
const all = GENERATED.map((name) => [name] as [GeneratedName]);
const answerOf = (item: Item) => item.options!.indexOf(item.output);

describe("generated users", () => {
  it.each(all)("%s: the same arguments give the same users, another seed others", (name) => {
    const users = (seed: number) => JSON.stringify(generatedTask(name).users(seed, 3, "test"));
    expect(users(SEED)).toBe(users(SEED));
    expect(users(SEED)).not.toBe(users(SEED + 1));
  });

  it.each(all)("%s: a longer history or more users leave the users before as they are", (name) => {
    const few = generatedTask(name).users(SEED, 2, "test", { history: 8, tests: 4 });
    const many = generatedTask(name).users(SEED, 5, "test", { history: 32, tests: 4 });
    for (const [i, user] of few.entries()) expect(many[i].items.slice(0, 12)).toEqual(user.items);
  });

  it.each(all)("%s: base, dev and test share no user, and no user repeats an input", (name) => {
    const users = SPLITS.flatMap((split) => generatedTask(name).users(SEED, 10, split));
    expect(new Set(users.map((user) => user.id)).size).toBe(30);
    expect(
      new Set(users.map((user) => JSON.stringify(user.items.map((i) => [i.input, i.output])))).size,
    ).toBe(30);
    for (const { items } of users) expect(new Set(items.map((item) => item.input)).size).toBe(items.length);
  });

  it("are chronological, with the output among the options", () => {
    for (const name of GENERATED)
      for (const { items } of generatedTask(name).users(SEED, 3, "dev")) {
        expect(items.map((item) => item.time)).toEqual(items.map((_, i) => i));
        expect(items.map((item) => item.date)).toEqual(items.map((item) => item.date).sort());
        expect(items.every((item) => answerOf(item) >= 0)).toBe(true);
      }
  });

  it("draw noise as often as the dial says, by a test that fails at twice or half of it", () => {
    const users = generatedTask("tags", { noise: 0.1, topics: 4 }).users(SEED, 60, "test");
    let minority = 0;
    for (const { items } of users)
      for (const topic of new Set(items.map((item) => item.facts![0]))) {
        const answers = items.filter((item) => item.facts![0] === topic).map(answerOf);
        minority += answers.length - Math.max(...TAGS.map((_, a) => answers.filter((b) => b === a).length));
      }
    const rate = minority / (60 * 80);
    expect(rate).toBeGreaterThan(0.085);
    expect(rate).toBeLessThan(0.115);
  });

  it("have words that tell their meaning: none in two lists of one task", () => {
    const topics = THEMES.flat(2);
    for (const lists of [
      [topics, MANNERS, FORMS, TAGS, JUDGEMENTS],
      [topics, ATTRIBUTES.flat(), JUDGEMENTS],
      [topics, PHRASES.flatMap((phrase) => phrase.split(" ").slice(0, 1))],
    ])
      expect(new Set(lists.flat()).size).toBe(lists.flat().length);
  });

  it("refuse dials that mean nothing", () => {
    expect(() => generatedTask("taste", { topics: 33 })).toThrow(
      /topics must be a whole number from 1 to 32, not 33/,
    );
    expect(() => generatedTask("taste", { noise: 0.6 })).toThrow(/noise/);
    expect(() => task("tase")).toThrow(/no task "tase"; there are taste/);
  });
});

describe("Bayes accuracy", () => {
  /** Sums over every hidden function of one theme: g, then own or inherited answers of each topic. */
  function lookupByBruteForce(
    seen: { topic: number; theme: number; answer: number }[],
    query: { topic: number; theme: number },
    answers: number,
    noise: number,
    locality: number,
  ): number[] {
    const topics = [...new Set([query, ...seen].filter((s) => s.theme === query.theme).map((s) => s.topic))];
    const p = (a: number, f: number) => (a === f ? 1 - noise : noise / (answers - 1));
    const out = new Array(answers).fill(0);
    for (let g = 0; g < answers; g++)
      for (let code = 0; code < answers ** topics.length; code++) {
        const f = (topic: number) => Math.floor(code / answers ** topics.indexOf(topic)) % answers;
        let weight = 1;
        for (const topic of topics) weight *= locality / answers + (f(topic) === g ? 1 - locality : 0);
        for (const s of seen) if (s.theme === query.theme) weight *= p(s.answer, f(s.topic));
        for (let a = 0; a < answers; a++) out[a] += weight * p(a, f(query.topic));
      }
    const total = out.reduce((a, b) => a + b, 0);
    return out.map((x) => x / total);
  }

  it("look-up: equals the sum over all hidden functions", () => {
    const observation = fc.record({
      topic: fc.integer({ min: 0, max: 5 }),
      answer: fc.integer({ min: 0, max: 2 }),
    });
    fc.assert(
      fc.property(
        fc.array(observation, { maxLength: 7 }),
        fc.integer({ min: 0, max: 5 }),
        fc.constantFrom(0.02, 0.2, 0.45),
        fc.constantFrom(0, 0.3, 1),
        (list, topic, noise, locality) => {
          const theme = (t: number) => Math.floor(t / 3);
          const seen = list.map((s) => ({ ...s, theme: theme(s.topic) }));
          const query = { topic, theme: theme(topic) };
          const exact = lookupPredictive(seen, query, 3, noise, locality);
          for (const [a, p] of lookupByBruteForce(seen, query, 3, noise, locality).entries())
            expect(exact[a]).toBeCloseTo(p, 10);
        },
      ),
      { seed: SEED, numRuns: 60 },
    );
  });

  it("rule: equals the sum over all attributes and polarities", () => {
    const seen = [
      { values: [0, 1, 0], answer: 0 },
      { values: [1, 1, 0], answer: 1 },
    ];
    // By hand at noise 0.1, query (0, 0, 0). Attribute 0: values say 0, 1, polarity + fits both (.81), − neither (.01).
    // Attributes 1 and 2: the same value twice, so every polarity fits one (.09 each).
    const [yes] = rulePredictive(seen, [0, 0, 0], 0.1);
    const weights = [0.81, 0.01, 0.09, 0.09, 0.09, 0.09];
    const says = [0.9, 0.1, 0.9, 0.1, 0.9, 0.1];
    const expected = weights.reduce((s, w, i) => s + w * says[i], 0) / weights.reduce((a, b) => a + b, 0);
    expect(yes).toBeCloseTo(expected, 12);
  });

  it.each([
    ["taste", { topics: 4, noise: 0.1, locality: 1 }, 6],
    ["tags", { topics: 8, noise: 0.1, locality: 0.3 }, 12],
    ["template", { topics: 4, noise: 0.2, locality: 0.5 }, 8],
    ["rule", { noise: 0.2 }, 4],
  ] as const)("%s: guessing by it is right as often as it says", (name, dials, h) => {
    const of = generatedTask(name, dials);
    const users = of.users(SEED, 250, "dev", { history: h, tests: 8 });
    let expected = 0;
    let right = 0;
    for (const user of users)
      for (const query of testItems(user)) {
        const distribution = of.predictive!(user, historyItems(user, h), query);
        expect(distribution.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 10);
        expected += Math.max(...distribution) / 2000;
        right += (distribution.indexOf(Math.max(...distribution)) === answerOf(query) ? 1 : 0) / 2000;
      }
    // 250 independent users: standard error of the mean is below .02
    expect(Math.abs(right - expected)).toBeLessThan(0.05);
    expect(expected).toBeGreaterThan(1 / users[0].items[0].options!.length + 0.1);
  });

  it("is chance without history, grows with it, and ends below 1 − noise", () => {
    for (const name of GENERATED) {
      const of = generatedTask(name);
      const users = of.users(SEED, 20, "test");
      const [none, some, much] = [0, 8, 64].map((h) => taskDifficulty(of, users, h)!);
      const options = users[0].items[0].options!.length;
      expect(none.accuracy).toBeCloseTo(1 / options, 10);
      expect(none.bits).toBeCloseTo(Math.log2(options), 10);
      expect(some.accuracy).toBeGreaterThan(none.accuracy + 0.1);
      expect(much.accuracy).toBeGreaterThan(some.accuracy);
      expect(much.bits).toBeLessThan(some.bits);
      expect(much.accuracy).toBeLessThanOrEqual(1 - users[0].origin!.dials!.noise + 1e-9);
    }
  });
});

describe("prompts and retrieval", () => {
  const of = generatedTask("tags");
  const [user] = of.users(SEED, 1, "test");
  const query = testItems(user)[0];

  it("a prompt is the lines of the shown items and the question, without its answer", () => {
    const shown = user.items.slice(0, 2);
    expect(prompt(of, shown, query)).toBe(`${line(of, shown[0])}${line(of, shown[1])}${query.input}:`);
    expect(line(of, shown[0])).toBe(`${shown[0].input}: ${shown[0].output}\n`);
  });

  it("BM25 puts the most similar item last, rare words before common ones, then the latest", () => {
    const item = (time: number, input: string): Item => ({ id: `${time}`, time, input, output: "calm" });
    const history = [
      item(0, "a grand song about wolves"),
      item(1, "a quiet film about bread"),
      item(2, "a quiet novel about cheese"),
      item(3, "a quiet film about soup"),
      item(4, "a quiet film about stars"),
    ];
    const times = (k: number, query = "a quiet film about wolves") =>
      retrieve("bm25", history, item(5, query), k).map((i) => i.time);
    expect(times(1, "wolves")).toEqual([0]);
    expect(times(3, "film")).toEqual([1, 3, 4]);
    expect(times(2, "nothing known")).toEqual([3, 4]);
    expect(times(5)[0]).toBe(2);
  });

  it("the oracle finds at least as many items of the topic as BM25, and BM25 as random", () => {
    const found = (name: (typeof RETRIEVERS)[number]) =>
      generatedTask("tags", { synonyms: 4 })
        .users(SEED, 10, "test")
        .flatMap((u) => testItems(u).map((q) => ({ u, q })))
        .reduce(
          (sum, { u, q }) =>
            sum +
            retrieve(name, historyItems(u, 64), q, 4, SEED).filter((i) => i.facts![0] === q.facts![0]).length,
          0,
        );
    expect(found("oracle")).toBeGreaterThan(found("bm25"));
    expect(found("bm25")).toBeGreaterThan(2 * found("random"));
  });

  it("refuses an item from the future, of any retriever", () => {
    for (const name of RETRIEVERS)
      expect(() => retrieve(name, user.items, query, 4)).toThrow(/is not before the query/);
  });

  it("shows a canary of the future in no prompt", () => {
    for (const name of [...GENERATED, "sotu-style", "sotu-choice"]) {
      const of = task(name);
      for (const source of of.users(SEED, 2, "test")) {
        for (const [i, query] of source.items.entries()) {
          const items = source.items.map((item, j) =>
            j > i ? { ...item, input: `${item.input} CANARY`, output: "CANARY" } : item,
          );
          const text = prompt(of, retrieve("bm25", items.slice(0, i), query, 8), query);
          expect(text).not.toContain("CANARY");
          if (query.output.length > 12) expect(text.endsWith(query.output)).toBe(false);
        }
      }
    }
  });
});

describe("placebo", () => {
  it.each(GENERATED)("%s: another user's history before the own test items", (name) => {
    const of = generatedTask(name);
    for (const user of of.users(SEED, 5, "test")) {
      const placebo = of.placebo(user);
      expect(testItems(placebo)).toEqual(testItems(user));
      expect(placebo.items.length).toBe(user.items.length);
      const own = new Set(historyItems(user, 64).map((item) => item.id));
      expect(historyItems(placebo, 64).some((item) => own.has(item.id))).toBe(false);
      const topics = new Set([...user.items, ...placebo.items].map((item) => item.facts![0]));
      if (name !== "rule") expect(topics.size).toBeLessThanOrEqual(user.origin!.dials!.topics);
    }
  });

  it("tells nothing of the user's answers", () => {
    const of = generatedTask("tags", { topics: 8, noise: 0 });
    let same = 0;
    let total = 0;
    for (const user of of.users(SEED, 100, "test")) {
      const theirs = new Map(historyItems(of.placebo(user), 64).map((item) => [item.facts![0], item.output]));
      for (const query of testItems(user)) {
        total++;
        if (theirs.get(query.facts![0]) === query.output) same++;
      }
    }
    expect(same / total).toBeLessThan(0.083 + 0.05);
  });
});

describe("draws", () => {
  it("are uniform: a count per value within 5 standard errors, a shuffle without bias", () => {
    const draws = new Draws(SEED, 1);
    const counts = new Array(10).fill(0);
    for (let i = 0; i < 10_000; i++) counts[draws.integer(10)]++;
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
    const firsts = new Array(4).fill(0);
    for (let i = 0; i < 4000; i++) firsts[draws.shuffle([0, 1, 2, 3])[0]]++;
    for (const count of firsts) expect(Math.abs(count - 1000)).toBeLessThan(137);
  });
});
