/** A forecast for the terminal: what a study would take, and what each number rests on. */
import type { Forecast } from "../study/forecast.ts";
import { bytes, duration, whole } from "./words.ts";

export const FORECAST_HEAD = ["Model", ">cells", ">rows", ">time", ">this process", ">one person's"];

export function forecastRows({ models, cells, rows, baseline_cells }: Forecast): string[][] {
  const counted = models.reduce((sum, model) => sum + model.rows, 0);
  return [
    ...models.map((model) => [
      `${model.model} ${model.compression}`,
      String(model.cells),
      whole(model.rows),
      duration(model.seconds),
      bytes(model.study_bytes),
      bytes(model.person_bytes),
    ]),
    ...(baseline_cells > 0
      ? [["no model", String(baseline_cells), whole(rows - counted), "–", "–", "–"]]
      : []),
    ...(models.length > 0 ? [["all", String(cells), whole(rows), "", "", ""]] : []),
  ];
}

export function forecastNotes(found: Forecast): string[] {
  const users = Object.entries(found.users).map(([task, count]) => `${task} ${count}`);
  const rates = found.models.map(({ model, compression, tokens_per_second: { evaluation, training } }) => {
    const learned = training > 0 ? `, ${whole(training)} learned` : "";
    return `${model} ${compression} ${whole(evaluation)} answered${learned}`;
  });
  return [
    `Test users: ${users.join(", ")}; dev users: ${found.dev_users}.`,
    `Time: about ${duration(found.seconds)}. It rests on the tokens of one person in each cell times people, and on rates that were measured ` +
      `just now for a moment, ${found.threads === 1 ? "on one thread" : `on ${found.threads} threads`}, tokens a second: ${rates.join("; ") || "none"}. ` +
      "Not in it: the pass that times every kind of cell on its own, a process for each memory footprint, the report.",
    `Memory: at most ${bytes(found.peak_bytes)}: programs as planned, exact to the byte, and a measured model of Node and the study beside them. ` +
      "One person's: the larger program of one person alone, on a machine of their own.",
    `Disk: about ${bytes(found.results_bytes)} of results, by the size of rows that were written before.`,
    "Nothing was run or written.",
  ];
}
