/**
 * The harness itself is tried on users whose truth is known, through the real model and runner: where there is nothing to find it must find
 * nothing, and what was planted it must find. Eight users a task; at most a minute.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { RetrieverName } from "../../src/lab/rag/retrievers.ts";
import { gatherArms, pairedDifferences, scaleOf } from "../../src/lab/study/arms.ts";
import { taskList } from "../../src/lab/study/cohort.ts";
import { judge } from "../../src/lab/study/judge.ts";
import { studyLineage } from "../../src/lab/study/lineage.ts";
import { Results } from "../../src/lab/study/results.ts";
import type { Row } from "../../src/lab/study/row.ts";
import { StudyRunner } from "../../src/lab/study/runner.ts";
import type { Settings } from "../../src/lab/study/settings.ts";
import { mean, summarize } from "../../src/lab/study/statistics.ts";
import { checkStudy, type StudyInput, studyDigest } from "../../src/lab/study/study_file.ts";
import { Draws } from "../../src/lab/tasks/draw.ts";
import type { Item } from "../../src/lab/tasks/types.ts";

const shipped = path.resolve(import.meta.dirname, "../../models/edgewise-m.gguf");
const model = existsSync(shipped) ? shipped : process.env.EDGEWISE_MODEL_M;

/** What the methods get to see in the place of a history. */
const distortion = vi.hoisted(() => ({ of: (history: readonly Item[]): readonly Item[] => history }));
vi.mock("../../src/lab/study/cohort.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../src/lab/study/cohort.ts")>();
  const historyOf: typeof original.historyOf = (person, settings) => {
    const { owner, items } = original.historyOf(person, settings);
    return { owner, items: [...distortion.of(items)] };
  };
  return { ...original, historyOf };
});
beforeEach(() => {
  distortion.of = (history) => history;
});

const folder = mkdtempSync(path.join(tmpdir(), "edgewise-calibration-"));
afterAll(() => rmSync(folder, { recursive: true }));
let runs = 0;

async function rowsOf(
  study: Pick<StudyInput, "tasks" | "grid" | "seeds">,
  retriever?: RetrieverName,
): Promise<Row[]> {
  const input = { name: "calibration", users: 8, models: { M: model! }, ...study };
  const checked = checkStudy(input, () => "calibration", taskList);
  const results = new Results(path.join(folder, `${runs++}.jsonl`), {
    study: studyDigest(checked),
    lineage: await studyLineage(checked, retriever),
    resume: false,
  });
  try {
    await new StudyRunner(checked, results, { threads: 1, repeats: 2, command: "test", retriever }).run();
    return results.rows;
  } finally {
    results.close();
  }
}

/** The accuracy of every user in the one arm that has these settings. */
function users(rows: readonly Row[], wanted: Partial<Settings>): Map<string, number> {
  const fits = (row: Row) =>
    Object.entries(wanted).every(([name, value]) => row.settings[name as keyof Settings] === value);
  const arms = gatherArms(rows.filter(fits));
  expect(arms.length, JSON.stringify(wanted)).toBe(1);
  return arms[0].test;
}

/** S: the share of what Bayes allows. */
function share(rows: readonly Row[], wanted: Partial<Settings>): number {
  const reached = mean([...users(rows, wanted).values()]);
  const { task, h } = wanted;
  const bounds = rows
    .filter(({ settings }) => settings.task === task && settings.h === h)
    .map(({ bayes }) => bayes!);
  const [least, most] = [mean(bounds.map((b) => b.accuracy_0)), mean(bounds.map((b) => b.accuracy_h))];
  return (reached - least) / (most - least);
}

/** The users' differences have mean 0 within three standard errors, of users or of this many items at chance, whichever is larger. */
function expectNothing(
  a: ReadonlyMap<string, number>,
  b: ReadonlyMap<string, number>,
  least = Number.NEGATIVE_INFINITY,
) {
  expect(a.size).toBe(8);
  const { mean: gain, se } = summarize([...a].map(([user, value]) => value - b.get(user)!));
  const error = Math.max(se, 0.5 / Math.sqrt(a.size * 16));
  expect(gain).toBeLessThanOrEqual(3 * error);
  expect(gain).toBeGreaterThanOrEqual(Math.max(least, -3 * error));
}

describe.skipIf(!model)(
  "calibration through the model (needs models/edgewise-m.gguf, or EDGEWISE_MODEL_M)",
  () => {
    const h = 64;
    const training_tokens = 3000;

    test("plants: a word looked up by retrieval, a rule learned by an adapter; no gain from a placebo, chance without history", async () => {
      const rows = await rowsOf({
        tasks: { taste: {}, tags: {}, rule: {} },
        grid: [
          { method: "none" },
          { task: ["taste", "tags"], method: "rag", history: ["own", "placebo"], h },
          { task: "tags", method: "lora", history: ["own", "placebo"], h, training_tokens },
          { task: "rule", method: "lora", h, training_tokens },
        ],
      });
      expect(share(rows, { task: "taste", method: "rag", history: "own", h })).toBeGreaterThanOrEqual(0.5);
      expect(share(rows, { task: "tags", method: "rag", history: "own", h })).toBeGreaterThanOrEqual(0.5);
      expect(share(rows, { task: "tags", method: "lora", history: "own", h })).toBeGreaterThanOrEqual(0.5);
      expect(share(rows, { task: "rule", method: "lora", h })).toBeGreaterThanOrEqual(0.5);
      for (const task of ["taste", "tags", "rule"]) {
        const none = users(rows, { task, method: "none" });
        const bound = rows.find(({ settings }) => settings.task === task)!.bayes!.accuracy_0;
        expectNothing(none, new Map([...none.keys()].map((user) => [user, bound])));
      }
      for (const [task, method] of [
        ["taste", "rag"],
        ["tags", "rag"],
        ["tags", "lora"],
      ] as const)
        expectNothing(
          users(rows, { task, method, history: "placebo" }),
          users(rows, { task, method: "none" }),
        );
    });

    test("no verdict on a cell and the same cell with another seed", async () => {
      const rows = await rowsOf({
        tasks: { tags: { topics: 8 } },
        grid: [{ method: "none" }, { method: "lora", h: 16, training_tokens: 1000 }],
        seeds: [1, 2],
      });
      const [a, b] = [1, 2].map(
        (seed) =>
          gatherArms(rows.filter(({ settings }) => settings.seed === seed)).find(
            ({ settings }) => settings.method === "lora",
          )!,
      );
      expect(new Set([...a.rows, ...b.rows].map(({ audit }) => audit.adapter!.digest)).size).toBe(16);
      const scale = scaleOf(gatherArms(rows), a, 16);
      if (typeof scale === "string") throw new Error(scale);
      const differences = [...pairedDifferences(a, b).values()].map(
        (difference) => difference * scale.factor,
      );
      for (const group of [differences, differences.map((difference) => -difference)])
        expect(judge([{ claim: "beats", margin: scale.margin, groups: [group] }])[0].status).not.toBe(
          "supported",
        );
    });

    test("answers shuffled among the items of the history tell no more than how often each was given", async () => {
      const study: Pick<StudyInput, "tasks" | "grid"> = {
        tasks: { tags: {} },
        grid: [
          { method: "none" },
          { method: ["rag", "lora"], h, training_tokens },
          { method: "baseline:majority", h },
        ],
      };
      distortion.of = (history) => {
        const answers = new Draws(7).shuffle(history.map(({ output }) => output));
        return history.map((item, i) => ({ ...item, output: answers[i] }));
      };
      const rows = await rowsOf(study);
      const none = users(rows, { method: "none" });
      const majority = users(rows, { method: "baseline:majority" });
      const without = new Map([...none].map(([user, value]) => [user, Math.max(value, majority.get(user)!)]));
      for (const method of ["rag", "lora"] as const) expectNothing(users(rows, { method }), without, -1);
    });

    test("an oracle finds what BM25 cannot, and BM25 what chance cannot", async () => {
      const found: number[] = [];
      for (const retriever of ["oracle", "bm25", "random"] as const) {
        const rows = await rowsOf(
          { tasks: { tags: { synonyms: 4 } }, grid: [{ method: "rag", h }] },
          retriever,
        );
        found.push(share(rows, { task: "tags", method: "rag", h }));
      }
      const [oracle, bm25, random] = found;
      expect(oracle).toBeGreaterThan(bm25);
      expect(bm25).toBeGreaterThan(random);
      expect(oracle).toBeGreaterThanOrEqual(0.5);
    });
  },
);
