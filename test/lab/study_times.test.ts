/** Times of a study: taken in turns, of one person's own steps, with their spread; and an alarm where the machine was busy. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseHTML } from "linkedom";
import { afterAll, describe, expect, test, vi } from "vitest";
import { reportHtml } from "../../src/lab/report/report.ts";
import { summaryMarkdown, summaryText } from "../../src/lab/report/summary.ts";
import { Adaptation } from "../../src/lab/study/adaptation.ts";
import { busyMessage, timeAlarm } from "../../src/lab/study/busy.ts";
import { STEP_TOKENS } from "../../src/lab/study/extent.ts";
import { readRows } from "../../src/lab/study/results.ts";
import type { Row } from "../../src/lab/study/row.ts";
import { runStudy } from "../../src/lab/study/study.ts";
import { rateOf } from "../../src/lab/study/timing.ts";
import { studyVerdicts } from "../../src/lab/study/verdicts.ts";
import type { Trainer } from "../../src/llm/train/trainer.ts";
import { demoRows, demoStudy } from "./demo_rows.ts";
import { tinyStudy, writeTinyModel } from "./tiny.ts";

const folder = mkdtempSync(path.join(tmpdir(), "edgewise-times-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("the timing pass takes the compressions in turns, one person's steps at a time, and rows have its quartiles", async () => {
  const model = await writeTinyModel(folder);
  const lora = {
    method: "lora" as const,
    h: 6,
    training_tokens: 64,
    compression: ["f32" as const, "q8_0" as const],
  };
  const study = tinyStudy(model, { users: 3, dev_users: 0, tasks: { taste: {} }, grid: [lora] });
  const turns: string[] = [];
  const steps: number[] = [];
  const { step } = Adaptation.prototype;
  const spy = vi.spyOn(Adaptation.prototype, "step").mockImplementation(async function (
    this: Adaptation,
    signal,
  ) {
    const { setup, engine } = (this as unknown as { trainer: Trainer }).trainer;
    const tokens = await step.call(this, signal);
    if (setup.model.bank!.adapters > 1) return tokens;
    const weights = String(engine.program.memory.constants);
    if (turns.at(-1) !== weights) turns.push(weights);
    steps.push(tokens);
    return tokens;
  });
  await runStudy(study, path.join(folder, "out"), { threads: 1, repeats: 3, command: "test", resume: false });
  spy.mockRestore();
  expect(turns.length).toBe(6);
  expect(new Set(turns).size).toBe(2);
  expect(turns).toEqual(turns.map((_, i) => turns[i % 2]));
  expect(Math.min(...steps)).toBeGreaterThanOrEqual(STEP_TOKENS);
  expect(Math.max(...steps)).toBeLessThan(2 * STEP_TOKENS);
  for (const { cost } of readRows(path.join(folder, "out", "results.jsonl"))) {
    expect(cost.timing).toMatchObject({ threads: 1, repeats: 3 });
    for (const kind of ["training", "evaluation"] as const) {
      const [low, high] = cost[`${kind}_seconds_quartiles`];
      expect(low).toBeGreaterThan(0);
      expect(low).toBeLessThanOrEqual(cost[`${kind}_seconds`]);
      expect(cost[`${kind}_seconds`]).toBeLessThanOrEqual(high);
    }
  }
});

test("median and quartiles as numpy.percentile gives them", () => {
  expect(rateOf([4, 1, 3, 2, 5])).toEqual({ low: 2, median: 3, high: 4 });
  expect(rateOf([10, 20, 40, 30])).toEqual({ low: 17.5, median: 25, high: 32.5 });
  expect(rateOf([7])).toEqual({ low: 7, median: 7, high: 7 });
});

describe("a busy machine", () => {
  test("is one whose other work takes the cores that the study's threads need", () => {
    expect(busyMessage({ threads: 1, others: 1, cores: 2 })).toBeUndefined();
    expect(busyMessage({ threads: 2, others: 0.1, cores: 2 })).toBeUndefined();
    expect(busyMessage({ threads: 2, others: null, cores: 2 })).toBeUndefined();
    expect(busyMessage({ threads: 2, others: 0.9, cores: 2 })).toMatch(
      /busy: .* 0\.9 of its 2 cores while 2 threads/,
    );
    expect(busyMessage({ threads: 2, others: 40, cores: 64 })).toBeUndefined();
  });

  const rows = demoRows();
  const changed = (change: (cost: Row["cost"]) => Partial<Row["cost"]>) =>
    rows.map((row, i) => (i === 200 ? { ...row, cost: { ...row.cost, ...change(row.cost) } } : row));
  const others = changed(({ timing }) => ({ timing: { ...timing, threads: 2, others: 1.7 } }));
  const apart = changed((cost) => ({
    training_seconds_quartiles: [cost.training_seconds, 3.4 * cost.training_seconds],
    evaluation_seconds_quartiles: [cost.evaluation_seconds, 3.4 * cost.evaluation_seconds],
  }));

  test("raises an alarm about times wherever the verdicts stand, and takes no verdict away", () => {
    expect(timeAlarm(rows)).toBeUndefined();
    for (const [list, words] of [
      [others, /other processes kept 1\.7 of its 2 cores/],
      [apart, /turns of the same work differ: .* 240 % of their median apart/],
    ] as const) {
      const verdicts = studyVerdicts(demoStudy, list);
      for (const text of [
        reportHtml(demoStudy, list),
        summaryText(demoStudy, verdicts).replaceAll(/\s+/g, " "),
        summaryMarkdown(demoStudy, verdicts),
      ])
        expect(text).toMatch(words);
      const statuses = (of: typeof verdicts) => of.verdicts.map(({ status }) => status);
      expect(statuses(verdicts)).toEqual(statuses(studyVerdicts(demoStudy, rows)));
    }
  });
});

test("no time is drawn or written without its spread", () => {
  const { document } = parseHTML(reportHtml(demoStudy, demoRows()));
  const heads = [...document.querySelectorAll(".cells th")].map(({ textContent }) => textContent);
  expect(heads.filter((head) => /second|time|tokens\/s/i.test(head))).toEqual(["Time a user [quartiles]"]);
  const at = heads.indexOf("Time a user [quartiles]");
  const times = [...document.querySelectorAll(".cells tbody tr:not(.group)")].map(
    (row) => row.querySelectorAll("td")[at].textContent,
  );
  expect(times.length).toBeGreaterThan(20);
  for (const time of times) expect(time).toMatch(/^$|^[\d.]+ \[[\d.]+, [\d.]+\] \w+$/);
  const panels = [...document.querySelectorAll("svg")].filter((svg) =>
    svg.getAttribute("aria-label")?.endsWith("quality against time"),
  );
  expect(panels.length).toBe(4);
  for (const panel of panels) {
    const lines = [...panel.querySelectorAll("line")];
    const flat = lines.filter((line) => {
      const [y1, y2, x1, x2] = ["y1", "y2", "x1", "x2"].map((name) => line.getAttribute(name));
      return y1 === y2 && x1 !== x2 && line.getAttribute("stroke") === null;
    });
    expect(flat.length).toBeGreaterThanOrEqual(panel.querySelectorAll("title").length);
  }
});
