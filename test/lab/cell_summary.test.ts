/** The table of cells at the end of a study: on the terminal, in summary.md and in --json the same numbers as in the rows. */
import { expect, test } from "vitest";
import { cellSummaries } from "../../src/lab/report/cell_summary.ts";
import { studyJson } from "../../src/lab/report/json.ts";
import { summaryMarkdown, summaryText } from "../../src/lab/report/summary.ts";
import { durationWithin, number } from "../../src/lab/report/words.ts";
import { armKey } from "../../src/lab/study/arms.ts";
import type { Row } from "../../src/lab/study/row.ts";
import { describeWithin, type Settings } from "../../src/lab/study/settings.ts";
import { studyVerdicts } from "../../src/lab/study/verdicts.ts";
import { demoRows, demoStudy } from "./demo_rows.ts";

const rows = demoRows();
const verdicts = studyVerdicts(demoStudy, rows);
const cells = cellSummaries(verdicts);
const rowsOf = (settings: object) =>
  rows.filter((row) => armKey(row.settings) === armKey({ ...settings, seed: 1 } as Settings));
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const secondsOf = (list: readonly Row[]) =>
  mean(list.map(({ cost }) => cost.training_seconds + cost.evaluation_seconds));

test("a duration and its spread have one unit", () => {
  expect(durationWithin(1.44, [1.31, 95])).toBe("1.4 [1.3, 95.0] s");
  expect(durationWithin(0.0243, [0.021, 0.03])).toBe("24 [21, 30] ms");
  expect(durationWithin(120, [90, 150])).toBe("2.0 [1.5, 2.5] min");
});

test("each cell once, with what its rows say", () => {
  expect(cells.length).toBe(new Set(rows.map(({ settings }) => armKey(settings))).size);
  for (const cell of cells) {
    const own = rowsOf(cell);
    const tested = own.filter(({ split }) => split === "test").map(({ quality }) => quality.value);
    expect(cell.users).toBe(tested.length);
    expect(cell.quality).toBeCloseTo(mean(tested), 12);
    if (cell.model === "-") {
      expect([cell.seconds, cell.predicted_peak_bytes, cell.measured_peak_bytes]).toEqual([null, null, null]);
      continue;
    }
    expect(cell.seconds).toBeCloseTo(secondsOf(own), 12);
    const [low, high] = cell.seconds_quartiles!;
    expect(low <= cell.seconds! && cell.seconds! <= high).toBe(true);
    expect(cell.predicted_peak_bytes).toBe(Math.max(...own.map(({ memory }) => memory.predicted_peak_bytes)));
    expect(cell.measured_peak_bytes).toBe(Math.max(...own.map(({ memory }) => memory.measured_peak_bytes!)));
  }
});

test("on the terminal within 100 columns, in summary.md one line a cell", () => {
  const terminal = summaryText(demoStudy, verdicts);
  for (const line of terminal.split("\n")) expect(line.length, line).toBeLessThanOrEqual(100);
  const plain = terminal.replace(/[│\s]+/g, " ");
  const lines = summaryMarkdown(demoStudy, verdicts).split("\n");
  for (const cell of cells) {
    const settings = { ...cell, seed: 1 } as Settings;
    const line = lines.filter((one) => one.startsWith(`| ${cell.task} | ${describeWithin(settings)}`));
    const mine = line.filter((one) => one.includes(` | ${cell.users} | ${number(cell.quality!, 3)}`));
    expect(mine.length, describeWithin(settings)).toBe(1);
    expect(mine[0].includes("no model needed")).toBe(cell.no_model_needed);
    expect(plain).toContain(number(cell.quality!, 3));
    if (cell.seconds === null) continue;
    expect(mine[0]).toContain(
      ` | ${durationWithin(cell.seconds, cell.seconds_quartiles as [number, number])} | `,
    );
    const mebibytes = [cell.predicted_peak_bytes!, cell.measured_peak_bytes!].map((n) =>
      number(n / 2 ** 20, 1),
    );
    expect(mine[0]).toContain(`${mebibytes.join(", ")} MiB |`);
  }
  expect(terminal + lines.join("\n")).not.toMatch(/NaN|undefined|Infinity/);
});

test("--json has the cells and verdicts, and none of the rows", () => {
  const text = JSON.stringify(studyJson(demoStudy, verdicts));
  const read = JSON.parse(text);
  expect(read.cells).toEqual(JSON.parse(JSON.stringify(cells)));
  expect(read.contrasts.map(({ status }: { status: string }) => status)).toEqual(
    verdicts.verdicts.map(({ status }) => status),
  );
  expect(read.guidelines.length).toBe(6);
  expect(text.length).toBeLessThan(200_000);
});

test("a study of which dev users alone are there has no quality, and says so", () => {
  const dev = studyVerdicts(
    demoStudy,
    rows.filter(({ split }) => split === "dev"),
  );
  expect(cellSummaries(dev).every(({ quality }) => quality === null)).toBe(true);
  expect(summaryText(demoStudy, dev)).not.toMatch(/NaN|undefined/);
});
