/** `study --dry-run`: cells, rows, time and memory before anything runs, with what they rest on. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { forecastNotes, forecastRows } from "../../src/lab/report/forecast_text.ts";
import { expand } from "../../src/lab/study/cells.ts";
import { forecast } from "../../src/lab/study/forecast.ts";
import { tinyStudy, writeTinyModel } from "./tiny.ts";

test("counts every cell and row, plans the memory of each model, and writes nothing", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "edgewise-forecast-"));
  try {
    const study = tinyStudy(await writeTinyModel(folder));
    const found = await forecast(study, { threads: 1 });
    const cells = expand(study);
    const baselines = cells.filter(({ settings }) => settings.model === "-").length;
    expect([found.cells, found.baseline_cells]).toEqual([cells.length, baselines]);
    expect(found.rows).toBe(
      cells.reduce((sum, { dev }) => sum + study.users + (dev ? study.dev_users : 0), 0),
    );
    expect(found.models.map(({ compression }) => compression)).toEqual(["f32", "q8_0"]);
    expect(found.models.reduce((sum, model) => sum + model.cells, 0)).toBe(cells.length - baselines);
    for (const model of found.models) {
      expect(model.seconds).toBeGreaterThan(0);
      expect(model.tokens_per_second.training).toBeGreaterThan(0);
      expect(model.person_bytes).toBeGreaterThan(2 ** 20);
      expect(model.study_bytes).toBeGreaterThanOrEqual(model.person_bytes);
    }
    expect(found.peak_bytes).toBe(Math.max(...found.models.map(({ study_bytes }) => study_bytes)));
    expect(forecastRows(found).length).toBe(4);
    for (const part of ["rests on", "Not in it", "exact to the byte", "Nothing was run or written"])
      expect(forecastNotes(found).join(" ")).toContain(part);
    expect(readdirSync(folder)).toEqual(["tiny.gguf"]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
