/** report.html: one file with everything in it, made from a study file and its rows. */
import fs from "node:fs";
import path from "node:path";
import { InputError } from "../../errors.ts";
import type { Arm } from "../study/arms.ts";
import { type SelfCheck, selfCheck } from "../study/calibration.ts";
import type { Row } from "../study/row.ts";
import { declaredDigest, type Study, studyDigest } from "../study/study_file.ts";
import { studyVerdicts, type Verdicts } from "../study/verdicts.ts";
import { quartilesOf, secondsOf } from "./cell_summary.ts";
import { cellsTable, taskTable } from "./cells_table.ts";
import { contrastTable, guidelineTable } from "./contrasts_table.ts";
import { Html, html } from "./html.ts";
import { legend } from "./legend.ts";
import {
  historyPanel,
  memoryPanel,
  personalPanel,
  timePanel,
  tokensPanel,
  type Weights,
  weightsOf,
} from "./panels.ts";
import { STYLE } from "./style.ts";
import { bytes, durationWithin, effect, NO_MODEL, number, whole } from "./words.ts";

/** Writes the report beside its final place and renames it there: it is whole, or it is not there. */
export function writeReport(file: string, study: Study, rows: readonly Row[]): void {
  const half = `${file}.${process.pid}.tmp`;
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(half, reportHtml(study, rows));
    fs.renameSync(half, file);
  } catch (error) {
    if (fs.existsSync(half)) fs.rmSync(half);
    throw new InputError(`${file}: the report could not be written: ${(error as Error).message}`);
  }
}

/** The whole page as text. No external resource, no script, no text of any user's items. */
export function reportHtml(study: Study, rows: readonly Row[]): string {
  const verdicts = studyVerdicts(study, rows);
  const check = selfCheck(verdicts.samples);
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>${study.name} · edgewise study</title><style>${new Html(STYLE)}</style></head>
<body><main>
${header(study, verdicts, rows)}
${troubles(verdicts)}
<h2>What the guidelines come to here</h2>
<p>Each guideline stands on primary contrasts that were declared with their margins before anything was measured. On users drawn from a
generator a verdict reads <em>recovered</em> where the generator itself implies it, with the implied number beside it, and <em>holds here</em> where
nothing was planted; only real users are evidence.</p>
${guidelineTable(verdicts.guidelines)}
${verdicts.verdicts.length > 0 && html`<h3>Primary contrasts</h3>${contrastTable(verdicts.verdicts)}`}
${plots(verdicts)}
<h2>Tasks and their difficulty</h2>
${taskTable(verdicts)}
<h2>How far to trust this</h2>
${trust(verdicts, check)}
<h2>How it was made</h2>
${provenance(study, rows)}
<details class="all"><summary>All ${verdicts.arms.length} cells</summary>${cellsTable(verdicts)}</details>
<footer>Made by edgewise from results.jsonl. Points are means over users, bars 95 % t intervals with the user as the unit; what is not a primary
contrast is exploratory. All of it is given these base models.</footer>
</main></body></html>
`;
  return page.text;
}

function header(study: Study, { arms, verdicts }: Verdicts, rows: readonly Row[]): Html {
  const users = Math.max(0, ...arms.map((arm) => arm.test.size));
  const total = (of: (arm: Arm) => number) => arms.reduce((sum, arm) => sum + of(arm) * arm.rows.length, 0);
  const seconds = durationWithin(total(secondsOf), [
    total((arm) => quartilesOf(arm)[0]),
    total((arm) => quartilesOf(arm)[1]),
  ]);
  const peak = Math.max(0, ...rows.map((row) => row.memory.predicted_peak_bytes));
  const detectable = smallestEffects(verdicts);
  const fact = (value: string, name: string) => html`<div><b>${value}</b><span>${name}</span></div>`;
  return html`<p class="overline">edgewise study</p><h1>${study.name}</h1>${study.description && html`<p class="soft">${study.description}</p>`}
<div class="facts">${fact(`${whole(users)} × ${study.items_per_user}`, "test users of a task × items each")}${fact(whole(arms.length), "cells")}
${fact(whole(rows.length), "rows")}${fact(seconds, "for all these people one after the other, median and quartiles")}${fact(bytes(peak), "largest predicted peak of one person's process")}
${detectable.map(([unit, size]) => fact(size, `smallest detectable effect, ${unit}`))}</div>`;
}

/** The smallest effect that the best-placed contrast of each unit could have shown, power .8. */
function smallestEffects(verdicts: Verdicts["verdicts"]): [unit: string, size: string][] {
  const smallest = new Map<string, number>();
  for (const verdict of verdicts) {
    if (verdict.status === "not tested" || !Number.isFinite(verdict.detectable)) continue;
    smallest.set(verdict.unit, Math.min(verdict.detectable, smallest.get(verdict.unit) ?? Infinity));
  }
  return [...smallest].map(([unit, value]) => [unit, effect(value, unit).replace("+", "")]);
}

function troubles({ alarms, timeAlarm, warnings }: Verdicts): Html {
  return html`${
    timeAlarm &&
    html`<div class="box alarm"><b>Alarm: the times of this study are not to be trusted.</b> ${timeAlarm}. No verdict rests on them.</div>`
  }${
    alarms.length > 0 &&
    html`<div class="box alarm"><b>Alarms: the verdicts that rest on these cells are withheld.</b><ul>${alarms.map(
      (alarm) =>
        html`<li><b>${alarm.name}</b>: ${alarm.message} (${whole(alarm.rows)} rows in ${alarm.arms.size} cells)</li>`,
    )}</ul></div>`
  }${
    warnings.length > 0 &&
    html`<div class="box warning"><b>Warnings</b><ul>${warnings.map((warning) => html`<li>${warning}</li>`)}</ul></div>`
  }`;
}

function plots({ arms, personal, baselines }: Verdicts): Html {
  const tasks = [...new Set(arms.map((arm) => arm.settings.task))];
  const weights = weightsOf(arms);
  const figure = (title: string, note: string, content: Html | undefined) =>
    content && html`<figure><figcaption>${title} <span>${note}</span></figcaption>${content}</figure>`;
  const taken = (task: string, { model, compression }: Weights) =>
    arms.some(({ settings: s }) => s.task === task && s.model === model && s.compression === compression);
  const unneeded = (task: string, { model, compression }: Weights) => {
    const marks = baselines.filter(
      ({ arm: { settings: s } }) => s.task === task && s.model === model && s.compression === compression,
    );
    return marks.length > 0 && marks.every(({ noModelNeeded }) => noModelNeeded) && ` · ${NO_MODEL}`;
  };
  return html`<h2>Quality against history</h2>
<p>How good each method gets with the user's own history, and with another user's of the same kind (placebo): what is between the two is
personal. Each method at its largest training budget (a placebo's may be smaller), and with as many items shown as did best on dev users.</p>${legend(arms)}
<div class="panels">${weights.flatMap((one) =>
    tasks
      .filter((task) => taken(task, one))
      .map((task) =>
        figure(
          task,
          `${one.model} ${one.compression}${unneeded(task, one) || ""}`,
          historyPanel(arms, task, one),
        ),
      ),
  )}</div>
<section><h2>Quality against training tokens</h2>
<p>Tokens through the backward pass; time is tokens over a rate. Solid: ${describeWeights(weights[0])}; dashed: other weights; dotted: no method.</p>
<div class="panels">${tasks.map((task) => figure(task, "", tokensPanel(arms, task)))}</div></section>
<section><h2>Quality against memory</h2>
<p>What one person's process takes for the larger of its programs, training or answering: predicted before a byte was allocated. Circles f32, squares q8_0, triangles q4_0,
diamonds f16; large marks are large histories.</p>
<div class="panels">${tasks.map((task) => figure(task, "", memoryPanel(arms, task)))}</div></section>
<section><h2>Quality against time</h2>
<p>Seconds to fit one user and answer the test items with that user's programs alone, from tokens and the rates of the timing pass.
Horizontal bars: quartiles of its turns.</p>
<div class="panels">${tasks.map((task) => figure(task, "", timePanel(arms, task)))}</div></section>
${
  personal.length > 0 &&
  html`<section><h2>The personal part of the gain</h2><p>Own history minus a placebo's of the same size and domain. What a method gains beyond this is format
and domain, not the person.</p><div class="panels">${tasks.map((task) => {
    const here = personal.filter(({ arm }) => arm.settings.task === task);
    return here.length > 0 && figure(task, "", personalPanel(arms, here, task));
  })}</div></section>`
}`;
}

function describeWeights(weights: Weights | undefined): string {
  return weights ? `${weights.model} ${weights.compression}` : "the model";
}

function trust({ verdicts, samples }: Verdicts, { flips, falseSupported, family }: SelfCheck): Html {
  if (samples.length === 0)
    return html`<p>No primary contrast could be tested, so there is nothing to check.</p>`;
  const worst = Math.max(...Object.values(falseSupported));
  return html`<p>With the signs of these users' differences flipped at random ${whole(flips)} times there is nothing left to find. The same verdict
code then called ${number(100 * worst, 1)} % of the flips supported in the worst contrast, and at least one contrast in
${number(100 * family, 1)} % of them; up to 5 % is by design. Flipped signs are symmetric, so this says nothing of losses that are rare or skewed.</p>
<p>${verdicts.length - samples.length} of ${verdicts.length} primary contrasts were not tested. Nothing was chosen on test users: tasks were
admitted, plateaus found and the number of items shown chosen on dev users, who are other people.</p>`;
}

function provenance(study: Study, rows: readonly Row[]): Html {
  const distinct = (of: (row: Row) => string) => [...new Set(rows.map(of))].join(", ");
  const machine = ({ provenance: { machine: m } }: Row) =>
    `${m.cpu}, ${m.cores} cores, ${bytes(m.memory_bytes)}, ${m.os}`;
  const finished = rows.map((row) => row.provenance.finished).sort();
  const weights = distinct(({ settings: s, audit }) =>
    audit.model ? `${s.model} ${s.compression}: ${audit.model}` : "",
  );
  const item = (name: string, value: string | Html) => html`<dt>${name}</dt><dd>${value}</dd>`;
  return html`<pre><code>${distinct((row) => row.provenance.command)}</code></pre>
<dl>${item("Measured", rows.length > 0 ? `${finished[0]} to ${finished.at(-1)}` : "nothing yet")}
${item("edgewise", `${distinct((row) => row.provenance.edgewise)}, build ${distinct((row) => row.provenance.build)}, Node ${distinct((row) => row.provenance.node)}`)}
${item("Machine", distinct(machine))}${item("Seeds", study.seeds.join(", "))}
${item("Weights", weights.split(", ").filter(Boolean).join(", "))}
${item("Study", html`<span class="mono">${studyDigest(study)}</span>, contrasts <span class="mono">${declaredDigest(study)}</span>`)}</dl>`;
}
