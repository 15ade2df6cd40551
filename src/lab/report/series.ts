/** What all panels share: a mean with its interval, the scale of quality, colours, lines and dots. */
import * as Plot from "@observablehq/plot";
import type { Arm } from "../study/arms.ts";
import { isBaseline, type Method } from "../study/settings.ts";
import { type Interval, summarize, tInterval } from "../study/statistics.ts";
import type { Html } from "./html.ts";
import { plot } from "./plot.ts";
import { number, shortMethod, whole } from "./words.ts";

/** Plots in vector form: their size on the page is the page's. */
export const WIDTH = 260;
export const HEIGHT = 220;
export const FONT = { fontSize: "11px" };

export const COLOURS = {
  none: "var(--none)",
  rag: "var(--rag)",
  lora: "var(--lora)",
  "rag+lora-reused": "var(--reused)",
  "rag+lora-trained": "var(--trained)",
} as const;

export function colourOf(method: Method): string {
  return isBaseline(method) ? "var(--baseline)" : COLOURS[method as keyof typeof COLOURS];
}

export interface Point {
  x: number;
  y: number;
  /** Both y where the interval is unknown. */
  low: number;
  high: number;
  title: string;
}

/** Mean over test users with its 95 % interval, within what the metric can be; undefined where users have no spread. */
export function levelOf({ test, metric }: Arm): { mean: number; n: number; interval?: Interval } {
  const summary = summarize([...test.values()]);
  const { mean, n } = summary;
  const [low, high] = tInterval(summary);
  if (!Number.isFinite(low)) return { mean, n };
  return { mean, n, interval: [Math.max(0, low), metric === "accuracy" ? Math.min(1, high) : high] };
}

export function pointOf(arm: Arm, x: number): Point {
  const { mean, interval = [mean, mean] } = levelOf(arm);
  return { x, y: mean, low: interval[0], high: interval[1], title: titleOf(arm) };
}

/** "0.750 [0.70, 0.80]", or that no spread is known. */
export function levelText(arm: Arm, digits: number): string {
  const { mean, interval } = levelOf(arm);
  if (!interval) return `${number(mean, 3)}, no spread`;
  return `${number(mean, 3)} [${interval.map((end) => number(end, digits)).join(", ")}]`;
}

function titleOf(arm: Arm): string {
  const { settings: s, test } = arm;
  const what = [
    shortMethod(s.method) + (s.history === "placebo" ? " (placebo)" : ""),
    s.model === "-" ? "" : `${s.model} ${s.compression}`,
    s.h > 0 ? `h ${s.h}` : "",
    s.k > 0 ? `k ${s.k}` : "",
    s.training_tokens > 0 ? `${whole(s.training_tokens)} tokens, r ${s.rank}` : "",
  ];
  return `${what.filter(Boolean).join(" · ")}\n${levelText(arm, 3)}, n ${test.size}`;
}

/** Of ascending values on a logarithmic axis, those whose labels do not run into the one before. */
export function apart(values: readonly number[], low: number, high: number): number[] {
  const least = (high / low) ** LABEL_SHARE;
  const kept: number[] = [];
  for (const value of values)
    if (kept.length === 0 || value >= kept[kept.length - 1] * least) kept.push(value);
  return kept;
}

/** A label's share of the axis, with some room. */
const LABEL_SHARE = 0.22;
/** Pixels between the axis and the first mark, which would cover its labels. */
export const INSET = 8;

/** Accuracy from a little below the lowest interval to 1, the same in all panels of a task. */
export function yScale(arms: readonly Arm[], task: string): Plot.ScaleOptions {
  const points = arms.filter((arm) => arm.settings.task === task).map((arm) => pointOf(arm, 0));
  const finite = points.flatMap(({ low, high, y }) => [low, high, y]).filter(Number.isFinite);
  const accuracy = arms.some((arm) => arm.settings.task === task && arm.metric === "accuracy");
  const low = Math.min(...finite);
  const high = accuracy ? 1 : Math.max(...finite);
  const pad = 0.04 * (high - low);
  const domain = [accuracy ? Math.max(0, low - pad) : low - pad, high + (accuracy ? 0.01 : pad)];
  return { domain, label: accuracy ? "accuracy" : "bits per byte (less is better)", ticks: 5 };
}

export function draw(options: Plot.PlotOptions, label: string): Html {
  const grid = Plot.gridY({ stroke: "var(--grid)", strokeOpacity: 1 });
  const margins = { marginLeft: 34, marginRight: 12, marginTop: 24, marginBottom: 36 };
  return plot(
    {
      width: WIDTH,
      height: HEIGHT,
      ...margins,
      style: FONT,
      ...options,
      marks: [grid, ...(options.marks ?? [])],
    },
    label,
  );
}

/** Intervals, a line and dots of one series. Hollow and dashed where the history is a placebo's. */
export function series(
  points: Point[],
  colour: string,
  { hollow = false, dashed = false } = {},
): Plot.Markish[] {
  const dash = hollow ? "2,3" : dashed ? "5,3" : undefined;
  return [
    Plot.ruleX(points, {
      x: "x",
      y1: "low",
      y2: "high",
      stroke: colour,
      strokeOpacity: 0.55,
      strokeWidth: 1.5,
    }),
    Plot.line(points, { x: "x", y: "y", stroke: colour, strokeWidth: 1.8, strokeDasharray: dash }),
    Plot.dot(points, {
      x: "x",
      y: "y",
      r: 3.2,
      fill: hollow ? "var(--card)" : colour,
      stroke: colour,
      strokeWidth: 1.5,
      title: "title",
    }),
  ];
}
