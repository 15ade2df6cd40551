/** The tables of tasks and of all cells. */
import { type Arm, armKey } from "../study/arms.ts";
import type { Comparison } from "../study/exploration.ts";
import { describeWithin, isBaseline } from "../study/settings.ts";
import type { TaskSummary, Verdicts } from "../study/verdicts.ts";
import { inOrder, quartilesOf, secondsOf } from "./cell_summary.ts";
import { type Html, html } from "./html.ts";
import { levelText } from "./series.ts";
import { bytes, durationWithin, NO_MODEL, number, signed } from "./words.ts";

export function taskTable({ tasks, baselines }: Verdicts): Html {
  return html`<div class="wide"><table>
<thead><tr><th>Task</th><th>Users</th><th class="right">h</th><th>Bayes accuracy</th><th>Bits unknown</th><th>Verdicts</th><th>Cells above every no-model arm</th></tr></thead>
<tbody>${tasks.map((state) => taskRow(state, baselines))}</tbody></table></div>
<p class="note">Bayes: the best possible accuracy, without history → with the h items at hand; bits: what stays unknown of an answer then.
A task enters verdicts at h only if some method reaches .15 to .85 of the achievable gain on dev users. A method that does not beat the best
no-model arm (its 95 % interval reaches 0) is marked <em>${NO_MODEL}</em> in the table of cells; where none does, the whole task is.</p>`;
}

function taskRow(
  { task, data, h, bayes, admission, best }: TaskSummary,
  baselines: Verdicts["baselines"],
): Html {
  const marks = baselines.filter(({ arm }) => arm.settings.task === task && arm.settings.h === h);
  const above = marks.filter((mark) => !mark.noModelNeeded).length;
  const share = Number.isNaN(best) ? "" : `best method at ${number(best)} of the gain`;
  return html`<tr><td>${task}</td><td>${data}</td><td class="right">${h}</td>
<td>${bayes ? `${number(bayes.accuracy0)} → ${number(bayes.accuracyH)}` : "–"}</td>
<td>${bayes ? `${number(bayes.bits0)} → ${number(bayes.bitsH)}` : "–"}</td>
<td>${admission}<small>${share}</small></td><td>${marks.length > 0 ? `${above} of ${marks.length}` : "–"}${
    marks.length > 0 && above === 0 && html` <span class="mark">${NO_MODEL}</span>`
  }</td></tr>`;
}

export function cellsTable({ arms, gains, personal, baselines }: Verdicts): Html {
  const find = (list: readonly Comparison[], arm: Arm) => list.find((one) => one.arm === arm);
  const rows = inOrder(arms);
  const head = [
    "Cell", "Users", "Quality [95 %]", "Over none", "Own − placebo", "Time a user [quartiles]", "Program",
    "Predicted peak", "Measured peak",
  ]; // biome-ignore format: one line reads as the table's head does
  const tasks = [...new Set(rows.map(({ settings }) => settings.task))];
  const body = tasks.map((task) => {
    const here = rows.filter(({ settings }) => settings.task === task);
    return html`<tr class="group"><th colspan="${head.length}">${task}</th></tr>${here.map((arm) => {
      const mark = baselines.find((one) => one.arm === arm);
      return cellRow(arm, find(gains, arm), find(personal, arm), mark?.noModelNeeded ?? false);
    })}`;
  });
  return html`<div class="wide"><table class="cells"><thead><tr>${head.map((text) => html`<th>${text}</th>`)}</tr></thead>
<tbody>${body}</tbody></table></div>`;
}

function cellRow(
  arm: Arm,
  gain: Comparison | undefined,
  own: Comparison | undefined,
  unneeded: boolean,
): Html {
  const { settings: s, rows } = arm;
  const baseline = isBaseline(s.method);
  const most = (of: (row: Arm["rows"][number]) => number | null) =>
    Math.max(...rows.map((row) => of(row) ?? 0));
  const measured = most((row) => row.memory.measured_peak_bytes);
  const values = [
    arm.test.size,
    levelText(arm, 2),
    gain ? signed(gain.estimate, 3) : "",
    own ? signed(own.estimate, 3) : "",
    baseline ? "" : durationWithin(secondsOf(arm), quartilesOf(arm)),
    baseline ? "" : bytes(most((row) => row.memory.program_bytes)),
    baseline ? "" : bytes(most((row) => row.memory.predicted_peak_bytes)),
    measured > 0 ? bytes(measured) : "",
  ];
  return html`<tr id="${armKey(s).replaceAll(/[^\w.-]+/g, "-")}"><td class="cell">${describeWithin(s)}${
    unneeded && html` <span class="mark">${NO_MODEL}</span>`
  }</td>${values.map((value) => html`<td>${value}</td>`)}</tr>`;
}
