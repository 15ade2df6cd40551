/** What a reader of report.html must be able to see: labels apart, marks off the axes, intervals that can be, and where no model is needed. */
import { parseHTML } from "linkedom";
import { describe, expect, it } from "vitest";
import { reportHtml } from "../../src/lab/report/report.ts";
import { apart } from "../../src/lab/report/series.ts";
import { summaryText } from "../../src/lab/report/summary.ts";
import { NO_MODEL } from "../../src/lab/report/words.ts";
import type { Row } from "../../src/lab/study/row.ts";
import { trains } from "../../src/lab/study/settings.ts";
import { studyVerdicts } from "../../src/lab/study/verdicts.ts";
import { demoRows, demoStudy } from "./demo_rows.ts";

const pageOf = (rows: readonly Row[]) => parseHTML(reportHtml(demoStudy, rows)).document;
const rows = demoRows();
const page = pageOf(rows);
const place = (element: Element) =>
  element
    .getAttribute("transform")!
    .match(/-?[\d.]+/g)!
    .map(Number);

/** Pixels of a character of the labels, which are 11 high: digits and letters of a system font are narrower. */
const CHARACTER = 6.3;
const LEFT_AXIS = 34;

function overlaps(figure: Element, axis: "x" | "y"): string[] {
  const labels = [...figure.querySelectorAll(`[aria-label="${axis}-axis tick label"] text`)].map((label) => {
    const text = label.textContent!;
    const size = axis === "x" ? CHARACTER * text.length : 11;
    return { text, at: place(label)[axis === "x" ? 0 : 1], size };
  });
  labels.sort((a, b) => a.at - b.at);
  return labels.slice(1).flatMap((label, i) => {
    const before = labels[i];
    return label.at - before.at < (label.size + before.size) / 2 ? [`${before.text} ${label.text}`] : [];
  });
}

describe("the axes of a report", () => {
  it.each([1, 1e3, 1e5])("have labels that do not run into each other, times and memory × %d", (factor) => {
    const wide = rows.map((row): Row => {
      const { method, k, training_tokens: tokens } = row.settings;
      const scale = trains(method) ? factor : 1;
      const { cost, memory } = row;
      return {
        ...row,
        cost: { ...cost, training_seconds: cost.training_seconds * scale * (tokens / 400 + k) },
        memory: { ...memory, predicted_peak_bytes: Math.round(memory.predicted_peak_bytes * scale) },
      };
    });
    const figures = [...pageOf(wide).querySelectorAll("figure svg")];
    expect(figures.length).toBe(23);
    for (const figure of figures)
      for (const axis of ["x", "y"] as const)
        expect(overlaps(figure, axis), figure.getAttribute("aria-label")!).toEqual([]);
  });

  it("are not covered by marks", () => {
    let dots = 0;
    for (const figure of page.querySelectorAll("figure svg")) {
      if (figure.getAttribute("aria-label")!.includes("own minus placebo")) continue;
      for (const dot of figure.querySelectorAll('[aria-label="dot"] circle')) {
        expect(Number(dot.getAttribute("cx")) - Number(dot.getAttribute("r"))).toBeGreaterThan(LEFT_AXIS);
        dots++;
      }
    }
    expect(dots).toBeGreaterThan(100);
  });

  it("keep some of many labels", () => {
    expect(apart([1, 1.5, 2, 4, 8, 16], 1, 16)).toEqual([1, 2, 4, 8, 16]);
    expect(apart([1, 10, 100, 1000, 1e4, 1e5, 1e6], 1, 1e6)).toEqual([1, 100, 1e4, 1e6]);
  });
});

describe("intervals of a report", () => {
  const intervals = (document: Document) =>
    [...document.querySelectorAll(".cells td:nth-child(3)")].map((cell) => cell.textContent!);

  it("never leave 0 … 1 of accuracy", () => {
    const high = rows.map((row, i): Row => {
      const { method } = row.settings;
      const value =
        method === "lora" ? 1 - (i % 7 === 0 ? 0.125 : 0) : method === "none" ? (i % 7 ? 0 : 0.0625) : 0.5;
      return { ...row, quality: { ...row.quality, value } };
    });
    const document = pageOf(high);
    const ends = intervals(document).flatMap((text) => text.match(/[\d.−-]+(?=[,\]])/g) ?? []);
    expect(ends.length).toBeGreaterThan(50);
    expect(ends).toContain("1.00");
    expect(ends).toContain("0.00");
    for (const end of ends) expect(end).toMatch(/^(0\.\d+|1\.00)$/);
    for (const title of document.querySelectorAll("figure title")) {
      const [, low, up] = /\[(.+), (.+)\], n/.exec(title.textContent!) ?? [];
      if (low === undefined || /[+−]/.test(title.textContent!)) continue;
      expect(Number(low)).toBeGreaterThanOrEqual(0);
      expect(Number(up)).toBeLessThanOrEqual(1);
    }
  });

  it("are not drawn where there is no spread, and the cell says so", () => {
    const equal = rows.map((row): Row => ({ ...row, quality: { ...row.quality, value: 0.75 } }));
    const document = pageOf(equal);
    for (const text of intervals(document)) expect(text).toBe("0.750, no spread");
    expect(document.querySelector("main")!.innerHTML).not.toMatch(/NaN|Infinity|undefined/);
  });
});

describe("no model needed", () => {
  const real = rows.map((row): Row => {
    const { method, task } = row.settings;
    const best = task === "sotu-choice" && method === "baseline:naive_bayes";
    return best ? { ...row, quality: { ...row.quality, value: 0.9 } } : row;
  });
  const document = pageOf(real);

  it("is said in the table of tasks, at the plot and at the cell, none of them behind a scroll bar", () => {
    const task = [...document.querySelectorAll("tbody tr")].find((row) =>
      row.textContent!.startsWith("sotu-choice"),
    )!;
    expect(task.textContent).toContain(`0 of 4 ${NO_MODEL}`);
    const captions = [...document.querySelectorAll("figcaption")].map((caption) => caption.textContent!);
    expect(captions.filter((caption) => caption.includes(NO_MODEL))).toEqual([
      `sotu-choice M f32 · ${NO_MODEL}`,
    ]);
    const cells = [...document.querySelectorAll(".cells tr:not(.group)")].filter((row) =>
      row.textContent!.includes(NO_MODEL),
    );
    expect(cells.length).toBeGreaterThanOrEqual(4);
    for (const cell of cells) expect(cell.querySelector("td")!.textContent).toContain(NO_MODEL);
  });

  it("is said on the terminal", () => {
    const summary = summaryText(demoStudy, studyVerdicts(demoStudy, real));
    expect(summary).toMatch(/0 of 4: no/);
  });

  it("the table of cells has no more columns than fit beside each other", () => {
    expect(document.querySelectorAll(".cells thead th").length).toBeLessThanOrEqual(9);
    // What may be long stands in cells that break.
    for (const cell of document.querySelectorAll("td.p")) expect(cell.textContent!.length).toBeLessThan(80);
  });
});
