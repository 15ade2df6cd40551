/** Canary strings in everything that lies in the future: none of them may reach a prompt or a training batch. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { Adaptation } from "../../src/lab/study/adaptation.ts";
import { Prompter } from "../../src/lab/study/prompting.ts";
import { Workbench } from "../../src/lab/study/workbench.ts";
import { TASKS, task as taskByName } from "../../src/lab/tasks/index.ts";
import { historyItems, type Item, type Task, testItems, type User } from "../../src/lab/tasks/types.ts";
import { type ModelFile, openModel } from "../../src/llm/model_file.ts";
import { Tokenizer } from "../../src/llm/tokenizer/tokenizer.ts";
import { writeTinyModel } from "./tiny.ts";

let folder: string;
let file: ModelFile;
let bench: Workbench;
let prompter: Prompter;
let tokenizer: Tokenizer;
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "edgewise-canary-"));
  file = await openModel(await writeTinyModel(folder));
  const extent = { sequence: 160, rows: 400, sequences: 16, outputs: 400 };
  const batches = new Map([[4, { people: 2, answering: extent, learning: extent }]]);
  bench = new Workbench(file, "f32", { threads: 1, batches });
  tokenizer = Tokenizer.fromGguf(file.gguf.metadata);
  prompter = new Prompter(tokenizer, file.config.context);
});
afterAll(async () => {
  await bench.close();
  await file.source.close();
  rmSync(folder, { recursive: true });
});
afterEach(() => {
  vi.restoreAllMocks();
});

const asked = (item: Item) => `<in${item.time}>`;
const answered = (item: Item) => `<out${item.time}>`;
const canaries = (text: string) => text.match(/<(in|out)\d+>/g) ?? [];

/** The user with two canaries in every item: one in what is asked (unless nothing is), one in the answer. */
function marked(user: User): User {
  const items = user.items.map((item) => {
    const output = `${answered(item)} ${item.output.slice(0, 40)}`;
    const options = item.options?.map((option) => (option === item.output ? output : option.slice(0, 40)));
    return { ...item, input: item.input && `${item.input} ${asked(item)}`, output, options };
  });
  return { ...user, items };
}

const settings = { history: 8, tests: 4 };
const usersOf = (task: Task) => task.users(3, 2, "test", settings).map(marked);

test.each(TASKS)("%s: a prompt shows the past, and of the query what is asked", (name) => {
  const task = taskByName(name);
  for (const user of usersOf(task)) {
    const history = historyItems(user, 8);
    const past = new Set(history.flatMap((item) => [asked(item), answered(item)]));
    for (const query of testItems(user)) {
      const { prompt, shown } = prompter.query(task, history, query, 4);
      const found = canaries(tokenizer.decode(prompt));
      expect(shown.length).toBeGreaterThan(0);
      expect(found.filter((canary) => !past.has(canary))).toEqual(query.input ? [asked(query)] : []);
      expect(found.filter((canary) => canary.startsWith("<out")).length).toBe(shown.length);
    }
  }
});

/** The texts of all sequences in a training run. */
async function batchesOf(task: Task, histories: readonly (readonly Item[])[], k: number): Promise<string[]> {
  const { trainer } = await bench.adapters(4);
  const update = vi.spyOn(trainer, "update");
  const setup = { bank: bench.bank(4), alpha: 8, layers: file.config.layers, seed: 1 };
  const lessons = histories.map((history) => prompter.lessons(task, history, k));
  await new Adaptation(trainer, setup, lessons, [600]).until(0, () => {});
  return update.mock.calls.flatMap(([batches]) =>
    batches.flat().map(({ tokens }) => tokenizer.decode(Array.from(tokens))),
  );
}

test.each(TASKS)(
  "%s: a training sequence has its item and earlier ones, and nothing of a test item",
  async (name) => {
    const task = taskByName(name);
    const histories = usersOf(task).map((user) => historyItems(user, 8));
    for (const k of [0, 4]) {
      const texts = await batchesOf(task, histories, k);
      expect(texts.length).toBeGreaterThan(8);
      expect(texts.some((text) => canaries(text).length > 2)).toBe(k > 0);
      for (const text of texts) {
        const times = canaries(text).map((canary) => Number(/\d+/.exec(canary)));
        expect(times.filter((time) => time >= 8)).toEqual([]);
        expect(Math.max(...times.slice(0, -2), -1)).toBeLessThanOrEqual(times.at(-1)!);
      }
    }
  },
);

test("a test item that is in the history is found", async () => {
  const task = taskByName("taste");
  const [user] = usersOf(task);
  const texts = await batchesOf(task, [[...historyItems(user, 7), testItems(user)[0]]], 0);
  expect(texts.flatMap(canaries)).toContain("<out8>");
});
