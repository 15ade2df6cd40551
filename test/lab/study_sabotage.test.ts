/** Studies that are broken on purpose, run by the real runner: each raises the alarm of its name. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { type AlarmName, findAlarms } from "../../src/lab/study/alarms.ts";
import { gatherArms } from "../../src/lab/study/arms.ts";
import { studyLineage } from "../../src/lab/study/lineage.ts";
import { Results } from "../../src/lab/study/results.ts";
import { itemDigest } from "../../src/lab/study/row.ts";
import { StudyRunner } from "../../src/lab/study/runner.ts";
import type { Method } from "../../src/lab/study/settings.ts";
import { type StudyInput, studyDigest } from "../../src/lab/study/study_file.ts";
import { type Item, testItems, type User } from "../../src/lab/tasks/types.ts";
import { tinyStudy, writeTinyModel } from "./tiny.ts";

/** What is broken; nothing where a function is missing. */
interface Sabotage {
  history?(history: readonly Item[], user: User): readonly Item[];
  /** Sees everything that the user will ever write. */
  retrieve?(query: Item, k: number): Item[];
  adapter?(values: Float32Array): Float32Array;
}
const sabotage = vi.hoisted(() => ({ now: {} as Sabotage }));

vi.mock("../../src/lab/study/cohort.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../src/lab/study/cohort.ts")>();
  const historyOf: typeof original.historyOf = (person, settings) => {
    const { owner, items } = original.historyOf(person, settings);
    const change = sabotage.now.history;
    return { owner, items: items.length > 0 && change ? [...change(items, person.user)] : items };
  };
  return { ...original, historyOf };
});
vi.mock("../../src/lab/rag/retrievers.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../src/lab/rag/retrievers.ts")>();
  const retrieve: typeof original.retrieve = (name, history, query, k, seed) =>
    (k > 0 && sabotage.now.retrieve?.(query, k)) || original.retrieve(name, history, query, k, seed);
  return { ...original, retrieve };
});
vi.mock("../../src/lab/study/adapters.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../src/lab/study/adapters.ts")>();
  const handOver: typeof original.handOver = (engine, adapter, values) => {
    const change = sabotage.now.adapter ?? ((all) => all);
    original.handOver(engine, adapter, new Map([...values].map(([name, part]) => [name, change(part)])));
  };
  return { ...original, handOver };
});

let folder: string;
let model: string;
let runs = 0;
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "edgewise-sabotage-"));
  model = await writeTinyModel(folder);
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  sabotage.now = {};
});

/** Names of the alarms that a study with these methods raises. */
const alarmsOf = (...methods: Method[]) => alarmsOn("taste", methods);

async function alarmsOn(task: string, methods: Method[]): Promise<AlarmName[]> {
  const grid: StudyInput["grid"] = [{ method: ["none", ...methods], h: 6, k: 2, training_tokens: 64 }];
  const study = tinyStudy(model, { users: 2, dev_users: 0, tasks: { [task]: {} }, grid });
  const file = path.join(folder, `${runs++}.jsonl`);
  const results = new Results(file, {
    study: studyDigest(study),
    lineage: await studyLineage(study),
    resume: false,
  });
  try {
    await new StudyRunner(study, results, { threads: 1, repeats: 2, command: "test" }).run();
    return findAlarms(gatherArms(results.rows)).map(({ name }) => name);
  } finally {
    results.close();
  }
}

/** What the user writes right after this item. */
const successor = (item: Item): Item => ({ ...item, id: `${item.id}-later`, time: item.time + 1 });

test("an honest study raises none", async () => {
  expect(await alarmsOf("rag", "lora", "rag+lora-trained")).toEqual([]);
});

test.each<[AlarmName[], Method, Sabotage]>([
  [
    ["test item in the history", "training on test items", "canary in a prompt"],
    "lora",
    { history: (history, user) => history.with(0, { ...testItems(user)[0], time: -1 }) },
  ],
  [["retrieval from the future"], "rag", { retrieve: (query) => [successor(query)] }],
  [["retrieval from the future", "canary in a prompt"], "rag", { retrieve: (query) => [query] }],
  [["retrieval from the future"], "rag+lora-trained", { retrieve: (query) => [successor(query)] }],
  [["adapter zeroed"], "lora", { adapter: (values) => values.map(() => 0) }],
])("%j by %s", async (names, method, broken) => {
  sabotage.now = broken;
  expect(await alarmsOf(method)).toEqual(names);
});

test("a passage that is a wrong answer must not be known from the history", async () => {
  expect(await alarmsOn("sotu-choice", ["lora"])).toEqual([]);
  const wrong = ({ options, output }: Item) => options!.find((text) => text !== output)!;
  sabotage.now = {
    history: (history, user) => history.with(0, { ...history[0], output: wrong(testItems(user)[0]) }),
  };
  expect(await alarmsOn("sotu-choice", ["lora"])).toEqual(["canary in a prompt"]);
});

test("a copy of a test item is recognised on real users, however it is written and whatever was answered", () => {
  const item = (input: string, output: string): Item => ({ id: output, time: 0, input, output });
  const asked = itemDigest("real", "a", item("A fine lamp.", "5"));
  expect(itemDigest("real", "b", item(" a fine\nlamp", "1"))).toBe(asked);
  expect(itemDigest("real", "a", item("A fine lamb.", "5"))).not.toBe(asked);
  expect(itemDigest("real", "a", { ...item("paraphrase", "A fine lamp."), subject: "A fine lamp." })).toBe(
    asked,
  );
});

test("a test item in the history never gets as far as a prompt", async () => {
  sabotage.now = { history: (history, user) => [...history, testItems(user)[0]] };
  await expect(alarmsOf("rag")).rejects.toThrow(/retrieval: item .* is not before the query/);
});
