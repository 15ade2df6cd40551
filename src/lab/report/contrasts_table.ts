/** The guidelines and the primary contrasts behind them, with an interval drawn for each. */
import * as Plot from "@observablehq/plot";
import { GUIDELINE_TITLES } from "../study/guidelines.ts";
import type { Status } from "../study/judge.ts";
import { type GuidelineVerdict, towards, type Verdict } from "../study/verdicts.ts";
import { type Html, html } from "./html.ts";
import { plot } from "./plot.ts";
import {
  contrastWord,
  effect,
  guidelineWord,
  impliedWord,
  number,
  range,
  remarks,
  sentence,
} from "./words.ts";

const BADGES: Record<Status, string> = {
  supported: "supported",
  "not supported": "refuted",
  "not enough evidence": "open",
  "not tested": "untested",
};

function badge(status: Status, word: string): Html {
  return html`<span class="badge ${BADGES[status]}">${word}</span>`;
}

export function guidelineTable(guidelines: readonly GuidelineVerdict[]): Html {
  return html`<div class="wide"><table class="guidelines stack">
<thead><tr><th></th><th>Guideline</th><th>Generated users<br>(never evidence)</th><th>Real users<br>(evidence)</th></tr></thead>
<tbody>${guidelines.map(
    ({ guideline, title, generated, real }) => html`
<tr><td>${guideline}</td><td>${title}</td><td data-name="Generated users">${badge(generated.status, guidelineWord(generated.status, "generated", generated.verdicts))}${parts(generated.verdicts)}</td>
<td data-name="Real users">${badge(real.status, guidelineWord(real.status, "real", real.verdicts))}${parts(real.verdicts)}</td></tr>`,
  )}</tbody></table></div>`;
}

/** "2 of 3 contrasts": how many of a guideline's contrasts say so. */
function parts(verdicts: readonly Verdict[]): Html | false {
  if (verdicts.length < 2) return false;
  const supported = verdicts.filter((verdict) => towards(verdict) === "supported").length;
  return html`<small>${supported} of ${verdicts.length} contrasts hold</small>`;
}

/** Intervals are drawn in margins, so that contrasts in different units stand on one axis; wider ones are cut there. */
const MOST_MARGINS = 8;

export function contrastTable(verdicts: readonly Verdict[]): Html {
  const ends = verdicts.flatMap((verdict) =>
    verdict.status === "not tested" ? [] : verdict.interval.map((end) => Math.abs(end / verdict.margin)),
  );
  const reach = Math.min(MOST_MARGINS, Math.max(2, ...ends.filter(Number.isFinite)) * 1.05);
  return html`<div class="wide"><table class="contrasts stack">
<thead><tr><th>Primary contrast</th><th>Users</th><th>Verdict</th><th>Interval, in margins δ</th><th>Estimate</th><th>p</th></tr></thead>
<tbody>${verdicts.map((verdict) => contrastRow(verdict, reach))}</tbody></table></div>
<p class="note">Shaded: where the claim holds. Solid line: no difference; dashed: the margin. Interval and p are adjusted by Holm over all
primary contrasts; alone: as if there were no other; sign flip: the same without assuming a normal distribution.
S: share of the gain in accuracy that Bayes allows. Implied: what the best possible answers gain on the same contrast; nothing is implied
where both sides know the same. n: users, of each task where they are different people.</p>`;
}

function contrastRow(verdict: Verdict, reach: number): Html {
  const { contrast, data, status } = verdict;
  const { claim, where } = sentence(contrast);
  const guideline = contrast.guideline
    ? html`<b title="${GUIDELINE_TITLES[contrast.guideline]}">${contrast.guideline}</b> `
    : false;
  const left = verdict.status === "not tested" ? [] : verdict.left;
  const first = html`<td>${guideline}${claim}<small>${where}</small>${left.map((text) => html`<small>without ${text}</small>`)}</td>
<td data-name="Users">${data}</td>`;
  if (verdict.status === "not tested") {
    return html`<tr>${first}<td>${badge(status, contrastWord(verdict))}</td><td colspan="3"><small>${verdict.reason}</small></td></tr>`;
  }
  const { estimate, unit, interval, margin, n, p, pHolm, pSignFlip } = verdict;
  const implied = impliedWord(verdict);
  const numbers = html`${effect(estimate, unit)}<small>${range(interval, unit)}<br>${unit}, δ ${effect(margin, unit).replace("+", "")}, n ${n}${implied && html`<br>${implied}`}</small>`;
  return html`<tr>${first}<td>${badge(status, contrastWord(verdict))}${remarks(verdict).map((text) => html`<small>${text}</small>`)}</td><td class="middle">${intervalGraphic(verdict, reach)}</td>
<td class="p">${numbers}</td><td data-name="p" class="p">${pValue(pHolm)}<small>alone ${pValue(p)}<br>sign flip ${pValue(pSignFlip)}</small></td></tr>`;
}

function pValue(p: number): string {
  return p < 0.001 ? "< .001" : number(p, 3).replace(/^0/, "");
}

type Tested = Exclude<Verdict, { status: "not tested" }>;

function intervalGraphic({ contrast, interval, estimate, margin, status }: Tested, reach: number): Html {
  const cut = (value: number) => Math.max(-reach, Math.min(reach, value / margin));
  const [low, high] = interval.map(cut);
  const critical = contrast.claim === "no-worse" ? -1 : 1;
  const zone = contrast.claim === "gain-below" ? { x1: -reach, x2: critical } : { x1: critical, x2: reach };
  const colour = {
    supported: "var(--good)",
    "not supported": "var(--bad)",
    "not enough evidence": "var(--open)",
  }[status];
  const options: Plot.PlotOptions = {
    width: 200,
    height: 30,
    margin: 0,
    axis: null,
    x: { domain: [-reach, reach] },
    y: { domain: [-1, 1] },
    marks: [
      Plot.rect([zone], { x1: "x1", x2: "x2", y1: -1, y2: 1, fill: "var(--zone)" }),
      Plot.ruleX([0], { stroke: "var(--soft)", strokeOpacity: 0.7 }),
      Plot.ruleX([critical], { stroke: "var(--soft)", strokeDasharray: "2,3" }),
      Plot.ruleY([0], { x1: low, x2: high, stroke: colour, strokeWidth: 2.5, strokeLinecap: "round" }),
      Plot.dot([0], { x: cut(estimate), y: 0, r: 5, fill: colour, stroke: "var(--card)", strokeWidth: 1.5 }),
    ],
  };
  return plot(
    options,
    `${number(estimate / margin, 1)} margins, from ${number(low, 1)} to ${number(high, 1)}`,
  );
}
