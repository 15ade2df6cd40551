/** What the colours and lines of the panels mean. */
import type { Arm } from "../study/arms.ts";
import { METHODS } from "../study/settings.ts";
import { Html, html } from "./html.ts";
import { COLOURS } from "./series.ts";
import { SHORT_METHODS } from "./words.ts";

export interface LegendItem {
  name: string;
  /** Content of a drawing 26 wide and 12 high. */
  swatch: Html;
}

export function legendItems(arms: readonly Arm[]): LegendItem[] {
  const used = new Set(arms.map((arm) => arm.settings.method));
  const methods = (Object.keys(METHODS) as (keyof typeof METHODS)[]).filter((method) => used.has(method));
  return [
    ...methods.map((method) => ({
      name: SHORT_METHODS[method],
      swatch: html`${line(COLOURS[method])}${dot(COLOURS[method], COLOURS[method])}`,
    })),
    {
      name: "placebo history",
      swatch: html`${line("var(--soft)", `stroke-dasharray="2,3"`)}${dot("var(--card)", "var(--soft)")}`,
    },
    { name: "no-model arms", swatch: line("var(--baseline)") },
    {
      name: "Bayes: the best possible",
      swatch: line("var(--ink)", `stroke-dasharray="1,3" stroke-linecap="round"`),
    },
  ];
}

function line(colour: string, dashes = ""): Html {
  return new Html(`<line x1="1" x2="25" y1="6" y2="6" stroke="${colour}" stroke-width="2" ${dashes}/>`);
}

function dot(fill: string, stroke: string): Html {
  return new Html(`<circle cx="13" cy="6" r="3.2" fill="${fill}" stroke="${stroke}" stroke-width="1.5"/>`);
}

export function legend(arms: readonly Arm[]): Html {
  return html`<ul class="legend">${legendItems(arms).map(
    ({ name, swatch }) =>
      html`<li><svg width="26" height="12" aria-hidden="true">${swatch}</svg>${name}</li>`,
  )}</ul>`;
}
