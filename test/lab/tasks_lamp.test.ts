import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { InputError } from "../../src/errors.ts";
import { retrieve } from "../../src/lab/rag/retrievers.ts";
import { BASELINES, leadWords } from "../../src/lab/tasks/baselines.ts";
import { generatedTask } from "../../src/lab/tasks/generated.ts";
import { bayes } from "../../src/lab/tasks/index.ts";
import { LAMP, readLamp } from "../../src/lab/tasks/lamp.ts";
import { lampUsers, queryText } from "../../src/lab/tasks/lamp_items.ts";
import { lampTask } from "../../src/lab/tasks/lamp_users.ts";
import { generatedUsersFrom, lampFiles } from "../../src/lab/tasks/lamp_write.ts";
import {
  accuracy,
  formatFailures,
  macroF1,
  meanAbsoluteError,
  rootMeanSquareError,
  rouge1,
  rougeL,
} from "../../src/lab/tasks/metrics.ts";
import { historyItems, type Item, testItems } from "../../src/lab/tasks/types.ts";

const folder = mkdtempSync(path.join(os.tmpdir(), "edgewise-lamp-"));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
function file(content: unknown): string {
  const name = path.join(folder, `${files++}.json`);
  writeFileSync(name, typeof content === "string" ? content : JSON.stringify(content));
  return name;
}

const MOVIE =
  "Which tag does this movie relate to among the following tags? Just answer with the tag name without further explanation. tags: [sci-fi, comedy, true story] description: A robot learns to bake.";
const movies = [
  {
    id: "110",
    input: MOVIE,
    user_id: "7",
    profile: [
      { id: "1101", description: "A late one.", tag: "comedy", date: "2004-12-31" },
      { id: "1100", description: "An early one.", tag: "sci-fi", date: "2004-2-1" },
    ],
  },
];
const golds = { task: "LaMP_2", golds: [{ id: "110", output: "sci-fi" }] };

describe("LaMP files", () => {
  it("read questions and outputs as published: profile by date, options from the question", () => {
    const set = readLamp(file(movies), file(golds));
    expect(set.name).toBe("LaMP_2");
    const [user] = lampUsers(set, "dev");
    expect(user.id).toBe("7");
    expect(user.items.map((item) => [item.id, item.input, item.output])).toEqual([
      ["1100", "An early one.", "sci-fi"],
      ["1101", "A late one.", "comedy"],
      ["110", "A robot learns to bake.", "sci-fi"],
    ]);
    expect(user.tests).toBe(1);
    expect(testItems(user)[0].options).toEqual(["sci-fi", "comedy", "true story"]);
  });

  it("read every other form: wrapped questions, outputs as a list, hyphens, numbers as ids, merged files, no dates", () => {
    const [{ user_id, profile, ...rest }] = movies;
    const undated = profile.map(({ date, ...item }) => item);
    const expected = ["1101", "1100"];
    for (const set of [
      readLamp(file({ task: "LaMP-2", golds: [{ ...rest, profile: undated }] }), file(golds.golds), "LaMP-2"),
      readLamp(file([{ ...rest, profile: undated, output: "sci-fi" }]), undefined, "LaMP_2"),
      readLamp(file([{ ...rest, id: 110, profile: undated }]), file({ ...golds, task: "LaMP-2" })),
    ]) {
      const [user] = lampUsers(set, "test");
      expect(user.id).toBe("110");
      expect(user.items.slice(0, 2).map((item) => item.id)).toEqual(expected);
      expect(user.items[2].output).toBe("sci-fi");
    }
  });

  it.each([
    ["LaMP_1", "[2]", { title: "On bees", abstract: "Bees fly.", citation: "3" }, "title", "abstract"],
    ["LaMP_3", "4", { text: "Broke at once.", score: "1" }, "text", "score"],
    ["LaMP_4", "Rain ahead", { text: "It will rain.", title: "Wet week" }, "text", "title"],
    ["LaMP_5", "A title", { abstract: "We show.", title: "Showing" }, "abstract", "title"],
    ["LaMP_6", "Lunch", { text: "Shall we?", title: "Hello" }, "text", "title"],
    ["LaMP_7", "so tired", { text: "cant even" }, "", "text"],
  ] as const)("%s: has its own fields", (name, output, entry, input, out) => {
    const fields = entry as Record<string, string>;
    const questions = file([{ id: "10", input: "x: y", profile: [{ id: "1", ...entry }] }]);
    const set = readLamp(questions, file({ task: name, golds: [{ id: "10", output }] }));
    const [item, query] = lampUsers(set, "test")[0].items;
    expect([item.input, item.output]).toEqual([input ? fields[input] : "", fields[out]]);
    expect(query.output).toBe(output);
  });

  const retrieved = (name: string, input: string, output: string, profile: object[]) => {
    const [user] = lampUsers(readLamp(file([{ id: "1", input, output, profile }]), undefined, name), "test");
    return retrieve("bm25", historyItems(user, profile.length), testItems(user)[0], 1)[0].id;
  };

  it("LaMP_1: the titles of both references are searched for, in titles and abstracts", () => {
    const input =
      'For an author who has written the paper with the title "A "small" study of answers", which reference is related? Just answer with [1] or [2] without explanation. [1]: "graph "coloring"" [2]: "soil chemistry"';
    const profile = [
      { id: "abstract", title: "Notes on networks", abstract: "We treat graph coloring in planar networks." },
      { id: "title", title: "A small study of answers without explanation", abstract: "Nothing of it." },
      { id: "other", title: "Third", abstract: "Weather." },
    ];
    expect(retrieved("LaMP_1", input, "[1]", profile)).toBe("abstract");
    const titles = profile.map(({ id, title, abstract }) => ({ id, title: abstract, abstract: title }));
    expect(retrieved("LaMP_1", input, "[1]", titles)).toBe("abstract");
  });

  it.each([
    ["LaMP_4", "Generate a headline for the following article: ", "text"],
    ["LaMP_5", "Generate a title for the following abstract of a paper: ", "abstract"],
  ])("%s: the text asked about is searched for, in titles and texts", (name, before, text) => {
    const profile = [
      { id: "title", title: "Comets again", [text]: "What was seen at night." },
      { id: "other", title: "Gardens", [text]: "What was sown at noon." },
    ];
    expect(retrieved(name, `${before}We saw comets.`, "x", profile)).toBe("title");
  });

  it("finds the text that a question asks about", () => {
    expect(
      queryText(
        "LaMP_3",
        "What is the score of the following review on a scale of 1 to 5? just answer with 1, 2, 3, 4, or 5 without further explanation. review: Good: yes",
      ),
    ).toBe("Good: yes");
    expect(queryText("LaMP_5", "Generate a title for the following abstract of a paper: We show")).toBe(
      "We show",
    );
    expect(
      queryText(
        "LaMP_7",
        "Paraphrase the following tweet without any explanation before or after it: hi: you",
      ),
    ).toBe("hi: you");
  });

  it("a task of LaMP users takes the next user's profile as placebo", () => {
    const second = {
      ...movies[0],
      id: "120",
      user_id: "8",
      profile: movies[0].profile.map((p) => ({ ...p, id: `2${p.id}` })),
    };
    const outputs = { ...golds, golds: [...golds.golds, { id: "120", output: "comedy" }] };
    const task = lampTask(readLamp(file([...movies, second]), file(outputs)));
    const [user] = task.users(0, 5, "test");
    expect(task.users(0, 5, "dev")).toEqual([]);
    expect(task.placebo(user).items.map((item) => item.id)).toEqual(["21100", "21101", "110"]);
  });

  const REVIEW =
    "What is the score of the following review on a scale of 1 to 5? just answer with 1, 2, 3, 4, or 5 without further explanation. review: ";
  /** LaMP_3: a person's texts are their profile, the last one is what is asked about. */
  const reviewer = (user_id: string, ...texts: string[]) => ({
    id: `q-${user_id}`,
    user_id,
    input: `${REVIEW}${texts.at(-1)}`,
    output: "5",
    profile: texts.slice(0, -1).map((text, i) => ({ id: `${user_id}${i}`, text, score: "3" })),
  });
  const reviews = (dev: number, ...people: ReturnType<typeof reviewer>[]) =>
    lampTask(readLamp(file(people), undefined, "LaMP_3"), dev);
  const ids = (user: { items: Item[]; tests: number }) =>
    user.items.slice(0, user.items.length - user.tests).map(({ id }) => id);

  it("no history says what is asked, however it is written: own or placebo", () => {
    const asked = "A fine lamp: bright, and cheap.";
    const copies = [`${asked}\n`, "a  FINE lamp,\tbright and cheap", "Ａ fine lamp – bright and cheap!"];
    const task = reviews(
      0,
      reviewer("a", "Bad chair.", ...copies, "So-so desk.", asked),
      reviewer("b", "Old rug.", copies[1], "Red cup.", "Loud fan."),
      reviewer("c", "One.", "Two.", "Three.", "Four."),
    );
    const [a, b] = task.users(0, 3, "test", { history: 2 });
    expect(ids(a)).toEqual(["a0", "a4"]);
    expect(task.placebo(a).id).toBe("b");
    expect(ids(task.placebo(a))).toEqual(["b0", "b2"]);
    expect(ids(b)).toEqual(["b1", "b2"]); // nobody asks b about it
    const [whole] = task.users(0, 1, "test", { history: 2 });
    expect(whole.items.map(({ time }) => time)).toEqual([0, 1, 2]);
  });

  it("LaMP_7: neither the tweet that is asked for nor its paraphrase", () => {
    const tweet = "cant even, so tired today!!";
    const sample = {
      id: "1",
      input:
        "Paraphrase the following tweet without any explanation before or after it: I am very tired today.",
      output: tweet,
      profile: [`${tweet} `, "I am very tired today", "good morning all", ":)", ":("].map((text, i) => ({
        id: `${i}`,
        text,
      })),
    };
    const [user] = lampTask(readLamp(file([sample]), undefined, "LaMP_7")).users(0, 1, "test");
    expect(ids(user)).toEqual(["2", "3", "4"]);
  });

  it("LaMP_1: not the paper that is asked about", () => {
    const sample = {
      id: "1",
      input:
        'For an author who has written the paper with the title "On bees", which reference is related? Just answer with [1] or [2] without explanation. [1]: "Wasps" [2]: "Soil"',
      output: "[1]",
      profile: ["Ants", "On  Bees."].map((title, i) => ({ id: `${i}`, title, abstract: `About ${title}` })),
    };
    const [user] = lampTask(readLamp(file([sample]), undefined, "LaMP_1")).users(0, 1, "test");
    expect(ids(user)).toEqual(["0"]);
  });

  it("a placebo is another person with as many items, or is refused", () => {
    const twice = { ...reviewer("a", "p", "q", "r"), id: "q-a-later" };
    const later = { ...twice, profile: [...twice.profile, { id: "a2", text: "r2", score: "1" }] };
    const task = reviews(0, reviewer("a", "p", "q", "x"), later, reviewer("b", "s", "t", "u"));
    const [first, second, third] = task.users(0, 3, "test", { history: 2 });
    expect([first, second, third].map((user) => task.placebo(user).id)).toEqual(["b", "b", "a"]);
    const [long] = task.users(0, 1, "test", { history: 3 });
    expect(() => task.placebo(long)).toThrow(/nobody else has 3 items .* what a\/q-a-later is asked about/);
  });

  it("who is a dev user and who a test user does not depend on the history asked for", () => {
    const texts = (n: number, from: string) => Array.from({ length: n + 1 }, (_, i) => `${from} ${i}`);
    const people = [5, 2, 7, 3, 6, 2, 8, 4].map((n, p) => reviewer(`${p}`, ...texts(n, `person ${p} item`)));
    const task = reviews(3, ...people);
    const roles = (history: number) =>
      (["dev", "test"] as const).flatMap((split) =>
        task.users(0, 99, split, { history }).map((user) => [user.id, user.split]),
      );
    const all = Object.fromEntries(roles(1));
    expect(Object.keys(all)).toHaveLength(8);
    expect(Object.values(all).filter((split) => split === "dev")).toHaveLength(3);
    for (const history of [2, 3, 4, 5, 6, 7, 8])
      for (const [id, split] of roles(history)) expect(split, `person ${id} at h ${history}`).toBe(all[id]);
    expect(roles(4)).toEqual([
      ["6", "dev"],
      ["7", "dev"],
      ["0", "test"],
      ["2", "test"],
      ["4", "test"],
    ]);
  });

  it.each([
    ["by the time of day", ["2004-2-1 09:30:00", "2004-2-1 8:15:59", "2004-2-1"], "2,1,0"],
    [
      "to the second and beyond",
      ["2004-02-01T08:15:59.5Z", "2004-02-01T08:15:59Z", "2004-02-01T08:15"],
      "2,1,0",
    ],
    [
      "where clocks differ",
      ["2004-02-01T08:00:00+01:00", "2004-02-01T08:00:00-0500", "2004-02-01T07:30:00Z"],
      "0,2,1",
    ],
    ["of one instant as in the file", ["2004-02-01", "2003-12-31", "2004-2-1 00:00:00"], "1,0,2"],
    ["on the 29th of February", ["2004-02-29", "2004-03-01", "2000-02-29"], "2,0,1"],
    ["of the first century", ["1950-01-01", "50-01-01"], "1,0"],
  ])("profiles are in order %s", (_, dates, order) => {
    const profile = dates.map((date, i) => ({ id: `${i}`, description: `d${i}`, tag: "comedy", date }));
    const [user] = lampUsers(readLamp(file([{ ...movies[0], profile }]), file(golds)), "test");
    expect(ids(user).join()).toBe(order);
  });

  it.each([
    "2004-13-01",
    "2004-00-10",
    "2004-02-30",
    "2003-02-29",
    "2004-02-01 24:00:00",
    "2004-02-01 10:60",
    "2004-02-01 noon",
    "2004-02-01x",
    "01.02.2004",
    "",
  ])("a date that is none: %j", (date) => {
    const profile = [{ ...movies[0].profile[0], date }];
    expect(() => readLamp(file([{ ...movies[0], profile }]), file(golds))).toThrow(
      /profile\[0\]\.date: must be year-month-day, with a time of day \(hours:minutes:seconds\) or without, not "/,
    );
  });

  it("what is around a text is not part of it", () => {
    const profile = [{ id: "1", description: " A film.\n", tag: "comedy " }];
    const outputs = { ...golds, golds: [{ id: "110", output: "sci-fi\n" }] };
    const [user] = lampTask(readLamp(file([{ ...movies[0], profile }]), file(outputs))).users(0, 1, "test");
    expect(user.items.map(({ input, output }) => [input, output])).toEqual([
      ["A film.", "comedy"],
      ["A robot learns to bake.", "sci-fi"],
    ]);
  });

  it("a text to predict that is empty is refused", () => {
    const sample = {
      id: "1",
      input: "Generate a headline for the following article: Rain.",
      output: " ",
      profile: [],
    };
    expect(() => lampTask(readLamp(file([sample]), undefined, "LaMP_4"))).toThrow(
      /the output of question "1" is empty/,
    );
  });

  it.each([
    ["not JSON", "[{", golds, /not readable as JSON/],
    ["no list", { task: "LaMP_2" }, golds, /list "golds"/],
    ["no object", [3], golds, /\[0\]: must be an object, not 3/],
    ["no id", [{ ...movies[0], id: undefined }], golds, /\[0\]\.id: must be text, not missing/],
    ["no input", [{ ...movies[0], input: 5 }], golds, /\[0\]\.input: must be text, not 5/],
    ["no profile", [{ ...movies[0], profile: {} }], golds, /\[0\]\.profile: must be a list/],
    [
      "a field missing",
      [{ ...movies[0], profile: [{ id: "1", tag: "x" }] }],
      golds,
      /profile\[0\]: .*"description"/,
    ],
    [
      "a field that is no text",
      [{ ...movies[0], profile: [{ id: "1", description: [], tag: "x" }] }],
      golds,
      /profile\[0\]\.description: must be text, not \[\]/,
    ],
    ["a question twice", [movies[0], movies[0]], golds, /"110" stands twice/],
    ["an output missing", movies, { ...golds, golds: [] }, /no output for the question "110"/],
    [
      "an output too many",
      movies,
      { ...golds, golds: [...golds.golds, { id: "9", output: "x" }] },
      /output "9" has no question/,
    ],
    ["an unknown task", movies, { ...golds, task: "LaMP_9" }, /"task" must be one of LaMP_1.*not "LaMP_9"/],
  ])("refuse %s", (_, questions, outputs, message) => {
    const read = () => readLamp(file(questions), file(outputs));
    expect(read).toThrow(InputError);
    expect(read).toThrow(message);
  });

  it("a missing file is an input error too", () => {
    expect(() => readLamp(path.join(folder, "none.json"))).toThrow(InputError);
  });

  it("whatever stands in a file: users, or an InputError", () => {
    const places = ["id", "input", "profile", "user_id", "output"];
    fc.assert(
      fc.property(
        fc.constantFrom(...places),
        fc.jsonValue(),
        fc.constantFrom(...Object.keys(LAMP)),
        (place, value, name) => {
          const questions = file([{ ...movies[0], [place]: value }]);
          try {
            lampUsers(readLamp(questions, undefined, name), "test");
          } catch (error) {
            expect(error).toBeInstanceOf(InputError);
          }
        },
      ),
      { seed: 20_242, numRuns: 200 },
    );
  });

  it.each(["taste", "tags", "template", "rule"] as const)(
    "%s: generated users survive the way through the files",
    (name) => {
      const task = generatedTask(name);
      const users = task.users(5, 3, "test", { history: 12, tests: 3 });
      const { questions, outputs, sidecar } = lampFiles(task, users, [0, 8]);
      const set = readLamp(file(questions), file(outputs));
      const back = generatedUsersFrom(set, JSON.parse(JSON.stringify(sidecar)));
      expect(back).toEqual(users);
      const query = testItems(users[1])[2];
      expect(sidecar.bayes[query.id]["8"]).toEqual(bayes(task, back[1], historyItems(back[1], 8), query));
    },
  );
});

describe("metrics", () => {
  it("accuracy and macro-F1 over the fixed labels, by hand", () => {
    const predictions = ["a", " b ", "b", "none"];
    const right = ["a", "b", "a", "b"];
    expect(accuracy(predictions, right)).toBe(0.5);
    // a: 1 hit of 1 predicted and 2 right; b: 1 hit of 2 and 2; c never
    expect(macroF1(predictions, right, ["a", "b", "c"])).toBeCloseTo((2 / 3 + 1 / 2 + 0) / 3, 12);
    expect(formatFailures(predictions, ["a", "b", "c"])).toBe(1);
  });

  it("MAE and RMSE; what is no number is as far off as can be", () => {
    expect(meanAbsoluteError(["3", "x", ""], ["5", "2", "4"])).toBeCloseTo((2 + 3 + 3) / 3, 12);
    expect(rootMeanSquareError(["3", "x"], ["5", "2"])).toBeCloseTo(Math.sqrt((4 + 9) / 2), 12);
  });

  it("ROUGE-1 counts words, ROUGE-L their order", () => {
    expect(rouge1(["the cat sat"], ["The cat, the mat."])).toBeCloseTo((2 * 2) / 7, 12);
    expect(rouge1(["the the the"], ["the cat"])).toBeCloseTo((2 * 1) / 5, 12);
    expect(rougeL(["b a c d"], ["a b c d"])).toBeCloseTo(3 / 4, 12);
    expect(rougeL([""], [""])).toBe(0);
  });

  it("ROUGE is that of rouge_score (golden/rouge.py)", () => {
    const { pairs } = JSON.parse(readFileSync(new URL("../golden/rouge.json", import.meta.url), "utf8"));
    for (const { prediction, gold, ...scores } of pairs) {
      expect(rouge1([prediction], [gold]), prediction).toBeCloseTo(scores.rouge1, 12);
      expect(rougeL([prediction], [gold]), prediction).toBeCloseTo(scores.rougeL, 12);
    }
  });

  it("as many predictions as golds", () => {
    expect(() => accuracy(["a"], [])).toThrow(InputError);
  });
});

describe("baselines without a model", () => {
  const item = (time: number, input: string, output: string, options = ["yes", "no"]): Item => ({
    id: `${time}`,
    time,
    input,
    output,
    options,
  });
  const history = [
    item(0, "a film about bread", "yes"),
    item(1, "a film about wolves", "no"),
    item(2, "a song about bread", "yes"),
    item(3, "a poem about stars", "no"),
    item(4, "a poem about bread", "yes"),
  ];
  it("majority, nearest and naive Bayes say what they should", () => {
    const query = item(9, "a play about wolves", "no");
    expect(BASELINES.majority.answer(history, query)).toBe(0);
    expect(BASELINES.majority.answer(history.slice(0, 2), query)).toBe(1);
    expect(BASELINES.nearest.answer(history, query)).toBe(1);
    expect(BASELINES.naive_bayes.answer(history, query)).toBe(1);
    expect(BASELINES.naive_bayes.answer(history, item(9, "bread", "yes"))).toBe(0);
    for (const { answer } of Object.values(BASELINES)) expect(answer([], query)).toBeUndefined();
  });

  it("of two passages, the one in the words of the history", () => {
    const own = [
      item(0, "", "peace and commerce among nations"),
      item(1, "", "our commerce with all nations"),
    ];
    const query = item(2, "", "x", ["jobs for our families tonight", "commerce of all nations at peace"]);
    expect(BASELINES.majority.answer(own, query)).toBeUndefined();
    expect(BASELINES.nearest.answer(own, query)).toBe(1);
    expect(BASELINES.naive_bayes.answer(own, query)).toBe(1);
  });

  it("find the planted truth where one look is enough", () => {
    const task = generatedTask("taste", { topics: 4, noise: 0 });
    const users = task.users(3, 20, "test");
    const rate = (baseline: keyof typeof BASELINES) => {
      const right = users.flatMap((user) =>
        testItems(user).map(
          (query) =>
            query.options![BASELINES[baseline].answer(historyItems(user, 64), query)!] === query.output,
        ),
      );
      return right.filter(Boolean).length / right.length;
    };
    expect(rate("naive_bayes")).toBeGreaterThan(0.9);
    expect(rate("nearest")).toBeGreaterThan(0.75);
  });

  it("lead words", () => expect(leadWords("  one two  three ", 2)).toBe("one two"));
});
