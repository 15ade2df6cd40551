import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
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
import { lampTask, lampUsers, queryText } from "../../src/lab/tasks/lamp_users.ts";
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
    [
      "a date that is none",
      [{ ...movies[0], profile: [{ id: "1", description: "a", tag: "x", date: "soon" }] }],
      golds,
      /date: must be year-month-day, not "soon"/,
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
