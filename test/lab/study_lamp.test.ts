/** Studies on files in the LaMP format, from the study file to its rows. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { findAlarms } from "../../src/lab/study/alarms.ts";
import { gatherArms } from "../../src/lab/study/arms.ts";
import { checkRunnable } from "../../src/lab/study/check.ts";
import { taskList } from "../../src/lab/study/cohort.ts";
import { readRows } from "../../src/lab/study/results.ts";
import type { Row } from "../../src/lab/study/row.ts";
import { runStudy } from "../../src/lab/study/study.ts";
import { readStudy, type Study } from "../../src/lab/study/study_file.ts";
import { studyVerdicts } from "../../src/lab/study/verdicts.ts";
import { writeTinyModel } from "./tiny.ts";

let folder: string;
const write = (name: string, content: unknown) =>
  writeFileSync(path.join(folder, name), typeof content === "string" ? content : JSON.stringify(content));

const FILMS = [
  "A robot learns to bake.",
  "Two kings share a horse.",
  "A storm keeps a village awake.",
  "Wolves open a bakery.",
];
const TAGS = ["sci-fi", "comedy", "true story"];
const REVIEWS = ["Broke at once.", "Does what it says.", "My best purchase.", "Never again."];

/** Five people with four items each; person p's question is about something that is not in the profile. */
const people = [0, 1, 2, 3, 4];
const films = people.map((p) => ({
  id: `${p}0`,
  input: `Which tag does this movie relate to among the following tags? Just answer with the tag name without further explanation. tags: [${TAGS.join(", ")}] description: A new film of person ${p}.`,
  user_id: `person-${p}`,
  profile: FILMS.map((description, i) => ({
    id: `${p}${i + 1}`,
    description: `${description} Part ${p}.`,
    tag: TAGS[(p + i) % 3],
    date: `2004-0${i + 1}-01`,
  })),
}));
const tags = { task: "LaMP_2", golds: people.map((p) => ({ id: `${p}0`, output: TAGS[p % 3] })) };
const ratings = people.map((p) => ({
  id: `${p}0`,
  input: `What is the score of the following review on a scale of 1 to 5? just answer with 1, 2, 3, 4, or 5 without further explanation. review: A review of person ${p}.`,
  output: `${1 + (p % 5)}`,
  profile: REVIEWS.map((text, i) => ({
    id: `${p}${i + 1}`,
    text: `${text} Item ${p}.`,
    score: `${1 + ((p + i) % 5)}`,
  })),
}));
const titles = people.map((p) => ({
  id: `${p}0`,
  input: `Generate a title for the following abstract of a paper: We count the ships of person ${p}.`,
  profile: REVIEWS.map((_, i) => ({
    id: `${p}${i + 1}`,
    abstract: `We count the ${p + i} birds.`,
    title: `Birds of ${p + i}`,
  })),
}));
const headings = { task: "LaMP_5", golds: people.map((p) => ({ id: `${p}0`, output: `Ships of ${p}` })) };

const study = {
  name: "own data",
  users: 4,
  dev_users: 1,
  models: { tiny: "../tiny.gguf" },
  tasks: {
    films: { questions: "films_questions.json", outputs: "films_outputs.json" },
    stars: { questions: "stars.json", task: "LaMP_3" },
    titles: { questions: "titles_questions.json", outputs: "titles_outputs.json" },
  },
  grid: [
    { method: ["none", "rag", "lora"], history: ["own", "placebo"], h: 3, k: 2, training_tokens: 64 },
    {
      task: ["films", "stars"],
      method: ["baseline:majority", "baseline:nearest", "baseline:naive_bayes"],
      h: 3,
    },
  ],
  contrasts: [
    {
      id: "personal-films",
      claim: "beats",
      on: { task: "films", method: "rag" },
      a: { history: "own" },
      b: { history: "placebo" },
    },
  ],
};

beforeAll(async () => {
  const root = mkdtempSync(path.join(tmpdir(), "edgewise-lamp-study-"));
  await writeTinyModel(root);
  folder = path.join(root, "data");
  mkdirSync(folder);
  write("films_questions.json", films);
  write("films_outputs.json", tags);
  write("stars.json", ratings);
  write("titles_questions.json", titles);
  write("titles_outputs.json", headings);
  write("study.yaml", stringify(study));
});
afterAll(() => rmSync(path.dirname(folder), { recursive: true }));

describe("a study on LaMP files, which lie beside the study file", () => {
  let rows: Row[];
  beforeAll(async () => {
    const out = path.join(folder, "out");
    const read = readStudy(path.join(folder, "study.yaml"), taskList);
    await runStudy(read, out, { threads: 1, repeats: 2, command: "test", resume: false });
    rows = readRows(path.join(out, "results.jsonl"));
  });
  const of = (task: string) => rows.filter(({ settings }) => settings.task === task);

  test("every person has a row in every cell, and nothing raises an alarm", () => {
    const cells = (task: string) => new Set(of(task).map(({ settings }) => JSON.stringify(settings))).size;
    expect(["films", "stars", "titles"].map(cells)).toEqual([8, 8, 5]);
    // Dev users run own history with a model: none, rag, lora.
    expect(["films", "stars", "titles"].map((task) => of(task).length)).toEqual([
      8 * 4 + 3,
      8 * 4 + 3,
      5 * 4 + 3,
    ]);
    expect(findAlarms(gatherArms(rows))).toEqual([]);
  });

  test("they are real data: no Bayes bound, likelihood of the labels, bits per byte of free text, LaMP's metrics beside", () => {
    expect(rows.every(({ settings, bayes }) => settings.data === "real" && bayes === null)).toBe(true);
    for (const { quality } of of("films")) {
      expect(quality).toMatchObject({ metric: "accuracy", items: 1, format_failures: 0 });
      expect(Object.keys(quality.lamp)).toEqual(["f1"]);
      expect([0, 1]).toContain(quality.value);
    }
    for (const { quality } of of("stars")) expect(Object.keys(quality.lamp)).toEqual(["f1", "mae", "rmse"]);
    for (const { quality } of of("titles")) {
      expect(quality.metric).toBe("bits_per_byte");
      expect(quality.value).toBeGreaterThan(0.1);
    }
  });

  test("the history is the person's own latest items, or as many of another person", () => {
    const own = of("films").filter(({ settings }) => settings.method === "rag" && settings.history === "own");
    const placebo = of("films").filter(
      ({ settings }) => settings.method === "rag" && settings.history === "placebo",
    );
    expect(own.map(({ user, split }) => `${user} ${split}`)).toEqual([
      ...[0, 1, 2, 3].map((p) => `person-${p} test`),
      "person-4 dev",
    ]);
    for (const { audit } of [...own, ...placebo]) {
      expect([audit.history_items.length, audit.items_shown]).toEqual([3, 2]);
      expect(audit.test_items.length).toBe(1);
      expect(audit.history_items).not.toContain(audit.test_items[0]);
      expect(Math.min(...audit.shown_gaps)).toBeGreaterThan(0);
    }
    expect(own.every(({ audit, user }) => audit.history_user === user)).toBe(true);
    expect(placebo.every(({ audit, user }) => audit.history_user !== user)).toBe(true);
    const histories = new Set(own.map(({ audit }) => audit.history_items.join()));
    expect(placebo.filter(({ audit }) => !histories.has(audit.history_items.join()))).toEqual([]);
  });
});

describe("items that are longer than the training budget, or than the context", () => {
  const words = (count: number) => Array.from({ length: count }, () => "wolves").join(" ");
  const long = titles.map((sample, p) => ({
    ...sample,
    profile: sample.profile.map((entry, i) => ({
      ...entry,
      abstract: `${words(p === 0 ? 200 : 30)} ${p}${i}`,
    })),
  }));
  let read: Study;
  let rows: Row[];
  beforeAll(async () => {
    write("long.json", long);
    const grid = [{ method: ["none", "lora"], h: 3, training_tokens: [8, 64] }];
    const tasks = { long: { questions: "long.json", outputs: "titles_outputs.json" } };
    write("long.yaml", stringify({ ...study, tasks, grid, contrasts: [] }));
    const out = path.join(folder, "long");
    read = readStudy(path.join(folder, "long.yaml"), taskList);
    await runStudy(read, out, { threads: 1, repeats: 2, command: "test", resume: false });
    rows = readRows(path.join(out, "results.jsonl")).filter(({ settings }) => settings.method === "lora");
  });

  test("raise no alarm: a checkpoint is behind the step that reaches its tokens", () => {
    expect(rows.some(({ cost, settings }) => cost.trained_tokens > 2 * settings.training_tokens)).toBe(true);
    expect(findAlarms(gatherArms(rows))).toEqual([]);
    for (const { cost, settings, audit } of rows) {
      expect(cost.trained_tokens).toBeGreaterThanOrEqual(settings.training_tokens);
      expect(cost.trained_tokens).toBeLessThan(settings.training_tokens + audit.step_tokens);
    }
    const double = rows.map((row) => ({
      ...row,
      cost: { ...row.cost, trained_tokens: row.settings.training_tokens + row.audit.step_tokens },
    }));
    expect(findAlarms(gatherArms(double)).map(({ name }) => name)).toEqual(["arms swapped"]);
  });

  test("what was cut is counted and said", () => {
    for (const { user, audit } of rows)
      expect(audit.items_cut).toBe(user === "00" ? audit.trained_items.length : 0);
    const { warnings } = studyVerdicts(read, rows);
    const cut = warnings.filter((warning) =>
      /^long · lora .*: \d of \d+ items to learn from are longer/.test(warning),
    );
    expect(cut).toHaveLength(2); // one for each level of training tokens
  });
});

describe("files that cannot make a study are refused at their place", () => {
  const changed = (tasks: object, files: Record<string, unknown>, grid: unknown) => {
    for (const [name, content] of Object.entries(files)) write(name, content);
    write("changed.yaml", stringify({ ...study, tasks, grid, contrasts: [] }));
    return checkRunnable(readStudy(path.join(folder, "changed.yaml"), taskList));
  };
  const one = { questions: "q.json", outputs: "o.json" };
  const grid = [{ method: "rag", h: 3 }];
  test.each<[string, object, Record<string, unknown>, unknown, RegExp]>([
    [
      "no such file",
      { mine: { questions: "none.json" } },
      {},
      grid,
      /changed\.yaml:\d+: .*none\.json: cannot be read: no such file/,
    ],
    [
      "not LaMP",
      { mine: one },
      { "q.json": "[1]", "o.json": tags },
      grid,
      /changed\.yaml:\d+: .*q\.json: \[0\]: must be an object/,
    ],
    [
      "no name of a format",
      { mine: { questions: "q.json" } },
      { "q.json": films },
      grid,
      /"task" must be one of LaMP_1/,
    ],
    [
      "no outputs",
      { mine: { questions: "q.json", task: "LaMP_2" } },
      { "q.json": films },
      grid,
      /question "00" has no output/,
    ],
    [
      "an output that is no option",
      { mine: one },
      {
        "q.json": films,
        "o.json": { ...tags, golds: tags.golds.map((gold) => ({ ...gold, output: "horror" })) },
      },
      grid,
      /output "horror" of question "00" is none of its answers: sci-fi, comedy, true story/,
    ],
    [
      "no options",
      { mine: one },
      { "q.json": films.map((film) => ({ ...film, input: "description: A film." })), "o.json": tags },
      grid,
      /question "00" lists no answers/,
    ],
    [
      "too little history",
      { mine: one },
      { "q.json": films, "o.json": tags },
      [{ method: "rag", h: [3, 9] }],
      /mine has 0 test users with 9 history items; at least 2 are needed beside 1 dev users/,
    ],
    [
      "a baseline for free text",
      { titles: study.tasks.titles },
      {},
      [{ method: "baseline:majority", h: 3 }],
      /baseline:majority chooses among answers, and titles has none/,
    ],
    [
      "outputs alone",
      { mine: { outputs: "o.json", task: "taste" } },
      {},
      grid,
      /outputs need a file of questions/,
    ],
    [
      "dials",
      { mine: { ...one, topics: 8 } },
      {},
      grid,
      /topics is a dial of generated users, and mine is real text/,
    ],
  ])("%s", async (_, tasks, files, used, message) => {
    await expect((async () => changed(tasks, files, used))()).rejects.toThrow(message);
  });

  test("a question whose text is in the profile: the copy is left out of the history", async () => {
    const leaky = films.map((film, p) => ({
      ...film,
      profile: [
        ...film.profile,
        { ...film.profile[0], id: `${p}9`, description: `A new film of person ${p}.` },
      ],
    }));
    await expect(
      changed({ mine: one }, { "q.json": leaky, "o.json": tags }, [{ method: "rag", h: 5 }]),
    ).rejects.toThrow(/0 test users with 5 history items/);
    await changed({ mine: one }, {}, [{ method: "rag", h: 4 }]);
  });
});
