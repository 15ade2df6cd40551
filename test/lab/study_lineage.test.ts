/** What changes a row changes its key, and rows of before never stand beside rows of now. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { RETRIEVER_VERSIONS } from "../../src/lab/rag/retrievers.ts";
import { taskList } from "../../src/lab/study/cohort.ts";
import { studyLineage } from "../../src/lab/study/lineage.ts";
import { readRows } from "../../src/lab/study/results.ts";
import type { Row } from "../../src/lab/study/row.ts";
import { rowKey } from "../../src/lab/study/settings.ts";
import { runStudy } from "../../src/lab/study/study.ts";
import { checkStudy } from "../../src/lab/study/study_file.ts";
import { BASELINES } from "../../src/lab/tasks/baselines.ts";
import { writeTinyModel } from "./tiny.ts";

const later = vi.hoisted(() => ({ task: 0, prompts: 0, evaluation: 0, training: 0 }));
vi.mock("../../src/lab/study/cohort.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../src/lab/study/cohort.ts")>();
  const studyTask: typeof original.studyTask = (study, name) => {
    const task = original.studyTask(study, name);
    return { ...task, version: task.version + (name === "taste" ? later.task : 0) };
  };
  return { ...original, studyTask };
});
vi.mock("../../src/lab/study/prompting.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../src/lab/study/prompting.ts")>();
  return Object.defineProperty({ ...original }, "PROMPTS_VERSION", {
    get: () => original.PROMPTS_VERSION + later.prompts,
  });
});
vi.mock("../../src/lab/study/evaluation.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../src/lab/study/evaluation.ts")>();
  return Object.defineProperty({ ...original }, "EVALUATION_VERSION", {
    get: () => original.EVALUATION_VERSION + later.evaluation,
  });
});
vi.mock("../../src/lab/study/adaptation.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../src/lab/study/adaptation.ts")>();
  return Object.defineProperty({ ...original }, "TRAINING_VERSION", {
    get: () => original.TRAINING_VERSION + later.training,
  });
});

const films = Array.from({ length: 4 }, (_, user) => ({
  id: `${user}1`,
  user_id: `${user}`,
  input:
    "Which tag does this movie relate to among the following tags? Just answer with the tag name without further explanation. tags: [calm, funny] description: wolves",
  output: user % 2 ? "calm" : "funny",
  profile: Array.from({ length: 4 }, (_, i) => ({
    id: `${user}p${i}`,
    tag: i % 2 ? "calm" : "funny",
    description: `film ${user} ${i} about wolves`,
  })),
}));

let folder: string;
let directory: string;
let rows: readonly Row[];
const results = () => path.join(directory, "results.jsonl");
const study = () =>
  checkStudy(
    {
      name: "lineage",
      users: 2,
      items_per_user: 1,
      models: { tiny: "tiny.gguf" },
      tasks: { taste: {}, films: { questions: "films.json", task: "LaMP_2" } },
      grid: [
        { method: ["none", "rag"], h: 4, k: 2 },
        { method: "lora", h: 4, training_tokens: 64 },
        { method: ["baseline:nearest", "baseline:majority"], h: 4 },
      ],
    },
    () => "lineage",
    taskList,
    folder,
  );
const writeFilms = (list: object[]) => writeFileSync(path.join(folder, "films.json"), JSON.stringify(list));
const run = (resume: boolean) =>
  runStudy(study(), directory, { threads: 1, repeats: 2, command: "test", resume });

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "edgewise-lineage-"));
  directory = path.join(folder, "out");
  await writeTinyModel(folder);
  writeFilms(films);
  await run(false);
  rows = readRows(results());
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A change, undone again. */
interface Change {
  readonly what: RegExp;
  make(): void;
  undo(): void;
  /** Rows whose key is another one then. */
  touches(row: Row): boolean;
}

const { answer: _, ...nearest } = BASELINES.nearest;
const version = (part: keyof typeof later) => ({
  make: () => void later[part]++,
  undo: () => void later[part]--,
});
const method = ({ settings }: Row) => settings.method;
const ofModel = (row: Row) => !method(row).startsWith("baseline:");
const changes: Record<string, Change> = {
  "the task's version": {
    what: /task taste was version \d+, and is version \d+ now/,
    ...version("task"),
    touches: ({ settings }) => settings.task === "taste",
  },
  "the retriever's version": {
    what: /retriever bm25 was version/,
    make: () => void RETRIEVER_VERSIONS.bm25++,
    undo: () => void RETRIEVER_VERSIONS.bm25--,
    touches: (row) => ["rag", "baseline:nearest"].includes(method(row)),
  },
  "a baseline's version": {
    what: /baseline nearest was version/,
    make: () => Object.assign(BASELINES.nearest, { version: nearest.version + 1 }),
    undo: () => Object.assign(BASELINES.nearest, nearest),
    touches: (row) => method(row) === "baseline:nearest",
  },
  "how prompts are made": { what: /prompts was version/, ...version("prompts"), touches: ofModel },
  "how answers are measured": { what: /evaluation was version/, ...version("evaluation"), touches: ofModel },
  "how adapters are trained": {
    what: /training was version/,
    ...version("training"),
    touches: (row) => method(row) === "lora",
  },
  "one word of a data file": {
    what: /data of films was [0-9a-f]{16}, and is [0-9a-f]{16} now/,
    make: () => writeFilms(films.map((film, i) => (i ? film : { ...film, output: "calm" }))),
    undo: () => writeFilms(films),
    touches: ({ settings }) => settings.task === "films",
  },
  "the model under the same name": {
    what: /model tiny was [0-9a-f]{16}, and is [0-9a-f]{16} now/,
    make() {
      const file = path.join(folder, "tiny.gguf");
      copyFileSync(file, `${file}.before`);
      const bytes = readFileSync(file);
      bytes[bytes.length - 1] ^= 1;
      writeFileSync(file, bytes);
    },
    undo: () => copyFileSync(path.join(folder, "tiny.gguf.before"), path.join(folder, "tiny.gguf")),
    touches: ofModel,
  },
};

describe.each(Object.entries(changes))("%s", (_name, { what, make, undo, touches }) => {
  beforeEach(() => {
    make();
    return undo;
  });

  test("is in the keys of the rows that it changes, and of no other", async () => {
    const lineage = await studyLineage(study());
    for (const row of rows) {
      const key = rowKey(row.settings, row.user, lineage(row.settings));
      expect(key !== row.key, JSON.stringify(row.settings)).toBe(touches(row));
    }
  });

  test("keeps a study from being resumed, and its rows as they were", async () => {
    const before = readFileSync(results());
    await expect(run(true)).rejects.toThrow(what);
    await expect(run(true)).rejects.toThrow(/results\.jsonl:\d+: .*use another --out/);
    expect(readFileSync(results()).equals(before)).toBe(true);
  });
});

test("with nothing changed, it is resumed, and not a row is added", async () => {
  const before = readFileSync(results());
  await run(true);
  expect(readFileSync(results()).equals(before)).toBe(true);
});

test("another retriever is another row", async () => {
  const [bm25, recency] = await Promise.all([studyLineage(study()), studyLineage(study(), "recency")]);
  const rag = rows.find((row) => method(row) === "rag")!.settings;
  expect(rowKey(rag, "a", recency(rag))).not.toBe(rowKey(rag, "a", bm25(rag)));
});
