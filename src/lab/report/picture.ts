/** The history panels as one SVG file, for a README: light or dark by the reader's setting. */
import type { Verdicts } from "../study/verdicts.ts";
import { Html, html } from "./html.ts";
import { legendItems } from "./legend.ts";
import { historyPanel, weightsOf } from "./panels.ts";
import { HEIGHT, WIDTH } from "./series.ts";
import { DARK, LIGHT } from "./style.ts";

const GAP = 12;
const TITLE = 22;
const LEGEND = 26;
const COLUMNS = 4;

/** Quality against history of every task, with the first weights of the study. */
export function historyPicture({ arms }: Verdicts): string {
  const tasks = [...new Set(arms.map((arm) => arm.settings.task))];
  const [weights] = weightsOf(arms);
  const columns = Math.min(COLUMNS, tasks.length);
  const width = columns * (WIDTH + GAP) + GAP;
  const height = LEGEND + Math.ceil(tasks.length / columns) * (HEIGHT + TITLE + GAP) + GAP;
  const panels = tasks.map((task, i) => {
    const [x, y] = [
      GAP + (i % columns) * (WIDTH + GAP),
      LEGEND + Math.floor(i / columns) * (HEIGHT + TITLE + GAP),
    ];
    return html`<g transform="translate(${x},${y + GAP})"><text class="title" x="4" y="14">${task}</text>
<g transform="translate(0,${TITLE})">${historyPanel(arms, task, weights)}</g></g>`;
  });
  const style = `:root {${LIGHT}} @media (prefers-color-scheme: dark) { :root {${DARK}} }
.page { fill: var(--card); } .plot, text { color: var(--soft); fill: var(--soft); font-family: system-ui, sans-serif; }
.title { font-size: 13px; font-weight: 600; fill: var(--ink); } .name { font-size: 12px; }`;
  return html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">
<style>${new Html(style)}</style><rect class="page" width="100%" height="100%" rx="10"/>${legendRow(arms)}${panels}</svg>
`.text;
}

function legendRow(arms: Verdicts["arms"]): Html {
  let x = GAP;
  return html`${legendItems(arms).map(({ name, swatch }) => {
    const at = x;
    x += 48 + 6.6 * name.length; // 6.6: a little over the mean width of a character at 12 pixels
    return html`<g transform="translate(${at},10)">${swatch}<text class="name" x="32" y="10">${name}</text></g>`;
  })}`;
}
