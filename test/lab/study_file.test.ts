import fs from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { InputError } from "../../src/errors.ts";
import { expand, trainingRuns } from "../../src/lab/study/cells.ts";
import { demo } from "../../src/lab/study/demo.ts";
import { cellKey } from "../../src/lab/study/settings.ts";
import {
  checkStudy,
  declaredDigest,
  parseStudy,
  readStudy,
  studyDigest,
  type TaskList,
} from "../../src/lab/study/study_file.ts";

const TASKS: TaskList = {
  taste: "generated",
  tags: "generated",
  template: "generated",
  "sotu-choice": "real",
};

const TEXT = `name: small
users: 12
models: { S: s.gguf, M: m.gguf }
tasks:
  taste: { topics: 8 }
  tags:
grid:
  - { method: [none, rag], h: [4, 64], k: [4, 8], compression: [f32, q8_0], model: M }
  - method: [lora, rag+lora-reused]
    model: M
    h: 64
    training_tokens: [1500, 6000]
    rank: [4, 32]
contrasts:
  - id: small-rank
    guideline: G2
    claim: no-worse
    on: { task: taste, method: lora, training_tokens: max }
    a: { rank: 4, alpha: 8 }
    b: { rank: 32, alpha: 64 }
time_budget: 20m
`;

/** What zod and yaml say of such files. */
const LIBRARY_WORDS =
  /Invalid|expected|received|Too (small|big)|Unrecognized|Nested mappings|Flow (sequence|map)|Unexpected|implicit|Unresolved|NaN$/;

function complaintOf(text: string): string {
  try {
    parseStudy(text, "study.yaml", TASKS);
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return (error as Error).message;
  }
  return "no complaint";
}

describe("expansion", () => {
  const study = parseStudy(TEXT, "study.yaml", TASKS);
  const cells = expand(study);
  const count = (method: string) => cells.filter((c) => c.settings.method === method).length;

  it("crosses what applies, once", () => {
    expect(study.time_budget).toBe(1200);
    expect(count("none")).toBe(2 * 2); // tasks × compression; history and items shown do not apply
    expect(count("rag")).toBe(2 * 2 * 3); // (h, k) = (4, 4), (64, 4), (64, 8): at h 4 there are no 8 items to show
    expect(count("lora")).toBe(2 * 2 * 2); // tokens × rank
    expect(new Set(cells.map((c) => c.key)).size).toBe(cells.length);
    expect(cells.every((c) => c.key === cellKey(c.settings))).toBe(true);
    expect(cells.find((c) => c.settings.rank === 32)!.settings.alpha).toBe(64);
  });

  it("knows the checkpoints of one training run", () => {
    const runs = trainingRuns(cells);
    expect(runs.length).toBe(2 * 2 * 2); // method × task × rank
    for (const run of runs) expect(run.map((c) => c.settings.training_tokens)).toEqual([1500, 6000]);
  });

  it("the demo has 99 cells on generated users", () => {
    const checked = checkStudy(demo, () => "demo", TASKS);
    const all = expand(checked);
    expect(all.filter((c) => c.settings.data === "generated").length).toBe(99);
    expect(all.filter((c) => c.settings.data === "real").length).toBe(11);
    expect(all.some((c) => c.dev && c.settings.history === "placebo")).toBe(false);
    // The demo is the study file it would be as YAML.
    expect(expand(parseStudy(stringify(demo), "demo.yaml", TASKS))).toEqual(all);
  });

  it("digests tell another study, and other contrasts, apart", () => {
    const with_ = (change: object) => checkStudy({ ...demo, ...change }, () => "demo", TASKS);
    const base = with_({});
    expect(studyDigest(with_({ users: 30, contrasts: [] }))).toBe(studyDigest(base));
    expect(studyDigest(with_({ items_per_user: 8 }))).not.toBe(studyDigest(base));
    expect(declaredDigest(with_({ users: 30 }))).toBe(declaredDigest(base));
    expect(declaredDigest(with_({ contrasts: [] }))).not.toBe(declaredDigest(base));
  });
});

describe("complaints name file:line, rule and value", () => {
  const change = (from: string, to: string) => complaintOf(TEXT.replace(from, to));
  it.each([
    ["users: 12", "user: 12", 'study.yaml:2: a study has no key "user"; nearest is "users" of '],
    ["users: 12", "users: 1", "study.yaml:2: users is 1: "],
    ["users: 12", "users: many", 'study.yaml:2: users is "many": '],
    ["users: 12\n", "", "study.yaml:1: users is missing: "],
    ["topics: 8", "topic: 8", 'study.yaml:5: tasks.taste has no key "topic"; nearest is "topics"'],
    ["topics: 8", "topics: 0", "study.yaml:5: tasks.taste.topics is 0: "],
    ["rank: [4, 32]", "ranks: [4, 32]", 'study.yaml:13: grid.1 has no key "ranks"; nearest is "rank"'],
    ["rank: [4, 32]", "rank: 0", "study.yaml:13: grid.1.rank is 0: "],
    ["rank: [4, 32]", "rank: [4, -1]", "study.yaml:13: grid.1.rank.1 is -1: "],
    [
      "method: [lora,",
      "method: [lara,",
      'study.yaml:9: grid.1.method.0 is "lara": must be one of none, rag, lora',
    ],
    ["  tags:", "  togs:", 'study.yaml:6: there is no task "togs"; nearest is "tags" of '],
    ["model: M }", "model: L }", 'study.yaml:8: there is no model in this study "L"; nearest is "S" of S, M'],
    ["    h: 64\n", "", "study.yaml:9: method lora needs h"],
    ["    training_tokens: [1500, 6000]\n", "", "study.yaml:9: method lora needs training_tokens"],
    ["claim: no-worse", "claim: better", 'study.yaml:17: contrasts.0.claim is "better": '],
    [
      "a: { rank: 4, alpha: 8 }",
      "a: { rang: 4 }",
      'study.yaml:19: contrasts.0.a has no key "rang"; nearest is "rank"',
    ],
    [
      "a: { rank: 4, alpha: 8 }",
      "a: {}",
      'study.yaml:19: a of "small-rank" fits several cells; choose one rank (4, 32)',
    ],
    [
      "training_tokens: max",
      "compression: f32",
      "fits several cells; choose one training_tokens (1500, 6000)",
    ],
    ["20m", "soon", 'study.yaml:21: time_budget is "soon": must be a time, such as 90s, 20m or 7h'],
    ["users: 12", "users: [12", "study.yaml:"],
    [
      "models: { S: s.gguf, M: m.gguf }",
      "models: {}",
      "study.yaml:3: models is {}: must be a map of at least one name to a GGUF file",
    ],
  ])("%j → %j", (from, to, complaint) => {
    expect(TEXT).toContain(from);
    expect(change(from, to)).toContain(complaint);
  });

  it("all of them at once, in the order of the file", () => {
    const changes = [
      ["users: 12", "userz: 12"],
      ["topics: 8", "topics: none"],
      ["k: [4, 8]", "k: []"],
      ["[lora, rag+lora-reused]", "[lara, baseline:nearer]"],
      ["model: M\n", "model: L\n"],
      ["    h: 64\n", ""],
      ["claim: no-worse", "claim: no-worst"],
      ["guideline: G2", "guideline: G2\n    margin: .nan"],
      ["20m", "20 minutes"],
    ];
    const text = changes.reduce((all, [from, to]) => all.replace(from, to), TEXT);
    const first =
      "one of none, rag, lora, rag+lora-reused, rag+lora-trained, baseline:majority, baseline:nearest, baseline:naive_bayes";
    expect(complaintOf(text).split("\n")).toEqual([
      "10 faults in the study, and nothing was run:",
      '  study.yaml:2: a study has no key "userz"; nearest is "users" of name, description, users, dev_users, items_per_user, seeds, models, tasks, grid, contrasts, time_budget',
      '  study.yaml:5: tasks.taste.topics is "none": must be a whole number from 1',
      "  study.yaml:8: grid.0.k is []: must be a whole number from 1, or a list of at least one",
      `  study.yaml:9: grid.1.method.0 is "lara": must be ${first}; nearest is "lora"`,
      '  study.yaml:9: there is no baseline "nearer"; nearest is "nearest" of majority, nearest, naive_bayes',
      "  study.yaml:9: method baseline:nearer needs h, the number of history items",
      '  study.yaml:10: there is no model in this study "L"; nearest is "S" of S, M',
      "  study.yaml:16: contrasts.0.margin is NaN: must be a number over 0",
      '  study.yaml:17: contrasts.0.claim is "no-worst": must be one of beats, gain-below, no-worse; nearest is "no-worse"',
      '  study.yaml:21: time_budget is "20 minutes": must be a time, such as 90s, 20m or 7h',
    ]);
  });

  it("a contrast that fits several cells is named beside what is wrong elsewhere", () => {
    const text = TEXT.replace("users: 12", "users: 0").replace("a: { rank: 4, alpha: 8 }", "a: {}");
    expect(complaintOf(text)).toMatch(/users is 0[\s\S]*a of "small-rank" fits several cells/);
  });

  it.each([
    [
      "name: small",
      "name: small\nname: large",
      "study.yaml:2: not YAML: the key is there twice: name: large",
    ],
    ["  tags:", "\ttags:", "study.yaml:6: not YAML: a tab indents; YAML takes spaces only: tags:"],
    ["h: [4, 64]", "h: [4, 64", "study.yaml:"],
    ["name: small", "name: a: b", "study.yaml:1: not YAML: a second key: on the same line; "],
    ["name: small", "name: *other", "study.yaml:1: not YAML: an alias (*name) needs its anchor"],
    ["name: small", "name: &me [*me]", "study.yaml:1: not YAML: an alias (*name) needs its anchor"],
    ["name: small", "name: !secret x", "study.yaml:1: not YAML: the tag (!name) is not known"],
    ["time_budget", "---\ntime_budget", "study.yaml:21: not YAML: a second document begins"],
  ])("YAML in our words: %j → %j", (from, to, complaint) => {
    const said = change(from, to);
    expect(said).toContain(complaint);
    expect(said).not.toMatch(LIBRARY_WORDS);
  });

  it.each(["", "# nothing", "[]", "a study"])("%j is no study", (text) => {
    expect(complaintOf(text)).toMatch(
      /^study\.yaml:1: a study file is .*: must be a map with keys of name, /,
    );
  });

  it("generated and real tasks in one contrast, a contrast twice, a file that is not there", () => {
    const contrast = {
      id: "c",
      claim: "beats",
      on: { task: ["taste", "sotu-choice"], h: 8 },
      a: { method: "rag" },
      b: { method: "none" },
    };
    const whole = { ...demo, contrasts: [contrast] };
    expect(() => checkStudy(whole, () => "demo", TASKS)).toThrow(
      /generated and real tasks never share a contrast/,
    );
    const once = { ...contrast, on: { task: "taste", h: 8, compression: "f32" } };
    const twice = { ...demo, contrasts: [once, once] };
    expect(() => checkStudy(twice, () => "demo", TASKS)).toThrow(/contrast "c" is there twice/);
    expect(() => readStudy(path.join("no", "such.yaml"), TASKS)).toThrow(
      /such.yaml: cannot be read: no such file or directory/,
    );
    expect(fs.existsSync("no")).toBe(false);
  });

  it("any mutation is either a study or an InputError with a line", () => {
    const mutation = fc.tuple(fc.nat(TEXT.length), fc.nat(12), fc.string({ maxLength: 6 }));
    fc.assert(
      fc.property(mutation, ([at, length, text]) => {
        const complaint = complaintOf(TEXT.slice(0, at) + text + TEXT.slice(at + length));
        expect(complaint).not.toMatch(LIBRARY_WORDS);
        expect(complaint).toMatch(/^no complaint$|^(\d+ faults in the study, .*\n {2})?study\.yaml:\d+: /);
      }),
      { numRuns: 400 },
    );
  });
});
