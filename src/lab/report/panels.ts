/** Small plots of quality, one task a panel: mean over users with its 95 % interval. */
import * as Plot from "@observablehq/plot";
import { bestK } from "../study/admission.ts";
import { type Arm, bayesOf, noneOf } from "../study/arms.ts";
import { historySizes } from "../study/contrasts.ts";
import type { Comparison } from "../study/exploration.ts";
import { isBaseline, type Settings, trains } from "../study/settings.ts";
import { type Interval, mean } from "../study/statistics.ts";
import { quartilesOf, secondsOf } from "./cell_summary.ts";
import type { Html } from "./html.ts";
import { plot } from "./plot.ts";
import {
  apart,
  COLOURS,
  colourOf,
  draw,
  FONT,
  INSET,
  type Point,
  pointOf,
  series,
  WIDTH,
  yScale,
} from "./series.ts";
import { duration, number, range, shortMethod, signed, whole } from "./words.ts";

/**
 * Of several arms of one method at one h, the one that panels show: most training, the smallest rank, and as many items
 * shown as did best on dev users (most, where none of them ran it).
 */
function mainArm(all: readonly Arm[], arms: readonly Arm[]): Arm {
  const k = bestK(all, arms);
  const among = arms.filter(({ settings }) => typeof k === "string" || settings.k === k);
  const order = ({ settings: s }: Arm) => [s.training_tokens, s.k, -s.rank];
  return among.reduce((best, arm) => {
    const [a, b] = [order(arm), order(best)];
    const i = a.findIndex((value, at) => value !== b[at]);
    return i >= 0 && a[i] > b[i] ? arm : best;
  });
}

export interface Weights {
  model: string;
  compression: Settings["compression"];
}

/** Every model and compression that rows were measured with, in their order. */
export function weightsOf(arms: readonly Arm[]): Weights[] {
  const found = new Map<string, Weights>();
  for (const { settings } of arms) {
    const { model, compression } = settings;
    if (model !== "-") found.set(`${model} ${compression}`, { model, compression });
  }
  return [...found.values()];
}

/** Quality against history: none at 0, then every method at each h, own and placebo, between baselines and Bayes. */
export function historyPanel(arms: readonly Arm[], task: string, weights: Weights): Html {
  const here = arms.filter(({ settings: s }) => s.task === task);
  const same = here.filter(
    ({ settings: s }) => s.model === weights.model && s.compression === weights.compression,
  );
  const sizes = historySizes(arms, task);
  const none = same.find((arm) => arm.settings.method === "none");
  const kinds = [...new Set(same.filter((arm) => arm !== none).map(kindOf))];
  const marks: Plot.Markish[] = [...bayesMarks(arms, task, sizes), ...baselineMarks(here, sizes)];
  kinds.forEach((kind, i) => {
    const of = same.filter((arm) => kindOf(arm) === kind);
    const points = sizes.flatMap((h, at) => {
      const found = of.filter((arm) => arm.settings.h === h);
      return found.length > 0
        ? [pointOf(mainArm(arms, found), at + 1 + 0.07 * (i - (kinds.length - 1) / 2))]
        : [];
    });
    const { method, history } = of[0].settings;
    marks.push(
      series(none ? [pointOf(none, 0), ...points] : points, colourOf(method), {
        hollow: history === "placebo",
      }),
    );
  });
  if (none) marks.push(series([pointOf(none, 0)], COLOURS.none));
  const labels = ["0", ...sizes.map(String)];
  const x: Plot.ScaleOptions = {
    domain: [-0.2, sizes.length + 0.3],
    ticks: labels.map((_, i) => i),
    tickFormat: (i: number) => labels[i],
    label: "history items stored (h)",
    labelAnchor: "center",
    labelArrow: "none",
  };
  return draw(
    { x, y: yScale(arms, task), marks },
    `${task}: quality against history, ${weights.model} ${weights.compression}`,
  );
}

function kindOf({ settings }: Arm): string {
  return `${settings.method}|${settings.history}`;
}

function bayesMarks(arms: readonly Arm[], task: string, sizes: number[]): Plot.Markish[] {
  const bounds = sizes.map((h) => bayesOf(arms, task, h));
  if (!bounds[0]) return [];
  const line = [
    { x: 0, y: bounds[0].accuracy0 },
    ...bounds.flatMap((bound, i) => (bound ? [{ x: i + 1, y: bound.accuracyH }] : [])),
  ].map((point) => ({ ...point, title: `Bayes: ${number(point.y, 3)}` }));
  return [
    Plot.line(line, {
      x: "x",
      y: "y",
      stroke: "var(--ink)",
      strokeWidth: 1.1,
      strokeDasharray: "1,3",
      strokeLinecap: "round",
    }),
    Plot.dot(line, { x: "x", y: "y", r: 2, fill: "var(--ink)", title: "title" }),
  ];
}

/** No-model arms as short ticks beside the methods. */
function baselineMarks(here: readonly Arm[], sizes: number[]): Plot.Markish[] {
  const ticks = here
    .filter((arm) => isBaseline(arm.settings.method))
    .map((arm) => pointOf(arm, sizes.indexOf(arm.settings.h) + 1));
  if (ticks.length === 0) return [];
  return [
    Plot.ruleY(ticks, {
      y: "y",
      x1: (d: Point) => d.x - 0.24,
      x2: (d: Point) => d.x + 0.24,
      stroke: "var(--baseline)",
      strokeWidth: 2,
      title: "title",
    }),
  ];
}

/** Quality against training tokens: a line for each h and weights; none as a level. */
export function tokensPanel(arms: readonly Arm[], task: string): Html | undefined {
  const trained = arms.filter(
    ({ settings: s }) => s.task === task && trains(s.method) && s.history === "own",
  );
  if (trained.length === 0) return undefined;
  const lines = new Map<string, Arm[]>();
  for (const arm of trained) {
    const { method, model, compression, h, k, rank } = arm.settings;
    const key = [method, model, compression, h, k, rank].join();
    lines.set(key, [...(lines.get(key) ?? []), arm]);
  }
  const plain = trained[0].settings;
  const none = noneOf(arms, plain);
  const level = none ? mean([...none.test.values()]) : undefined;
  const marks: Plot.Markish[] =
    level === undefined
      ? []
      : [Plot.ruleY([level], { stroke: COLOURS.none, strokeDasharray: "2,3", strokeWidth: 1.5 })];
  for (const line of lines.values()) {
    line.sort((a, b) => a.settings.training_tokens - b.settings.training_tokens);
    const { method, model, compression, h } = line[0].settings;
    const points = line.map((arm) => pointOf(arm, arm.settings.training_tokens));
    const first = model === plain.model && compression === plain.compression;
    marks.push(series(points, colourOf(method), { dashed: !first }));
    const name = {
      x: "x",
      y: "y",
      text: () => `h ${h}`,
      textAnchor: "start",
      dx: 7,
      fill: "var(--soft)",
    } as const;
    if (first) marks.push(Plot.text(points.slice(-1), name));
  }
  const levels = [...new Set(trained.map((arm) => arm.settings.training_tokens))].sort((a, b) => a - b);
  const x: Plot.ScaleOptions = {
    type: "log",
    insetLeft: INSET,
    label: "training tokens",
    labelAnchor: "center",
    labelArrow: "none",
    ticks: apart(levels, levels[0], levels.at(-1)!),
    tickFormat: (tokens: number) => (tokens >= 1000 ? `${tokens / 1000}k` : String(tokens)),
  };
  return draw(
    { x, y: yScale(arms, task), marginRight: 34, marks },
    `${task}: quality against training tokens`,
  );
}

const SYMBOLS: Partial<Record<Settings["compression"], Plot.SymbolType>> = {
  f32: "circle",
  f16: "diamond2",
  q8_0: "square2",
  q4_0: "triangle2",
};

function scatter(
  arms: readonly Arm[],
  task: string,
  xOf: (arm: Arm) => number,
  x: Plot.ScaleOptions,
  label: string,
  spreadOf?: (arm: Arm) => readonly [low: number, high: number],
): Html {
  const shown = arms.filter(
    ({ settings: s }) => s.task === task && s.history === "own" && !isBaseline(s.method),
  );
  const marks = shown
    .filter((arm) => xOf(arm) > 0)
    .flatMap((arm): Plot.Markish[] => {
      const { method, compression, h } = arm.settings;
      const [point] = [pointOf(arm, xOf(arm))];
      const colour = colourOf(method);
      const spread = spreadOf ? [spreadOf(arm)] : [];
      return [
        Plot.ruleY(spread, {
          y: () => point.y,
          x1: ([low]: readonly [number, number]) => low,
          x2: ([, high]: readonly [number, number]) => high,
          stroke: colour,
          strokeOpacity: 0.35,
          strokeWidth: 1.5,
        }),
        Plot.ruleX([point], {
          x: "x",
          y1: "low",
          y2: "high",
          stroke: colour,
          strokeOpacity: 0.35,
          strokeWidth: 1.5,
        }),
        Plot.dot([point], {
          x: "x",
          y: "y",
          r: h > 16 || h === 0 ? 4.5 : 3,
          symbol: SYMBOLS[compression],
          fill: colour,
          fillOpacity: 0.85,
          title: "title",
        }),
      ];
    });
  return draw(
    {
      x: { labelAnchor: "center", labelArrow: "none", insetLeft: INSET, ...x },
      y: yScale(arms, task),
      marks,
    },
    label,
  );
}

export function memoryPanel(arms: readonly Arm[], task: string): Html {
  const peak = (arm: Arm) => Math.max(...arm.rows.map((row) => row.memory.predicted_peak_bytes));
  const most = Math.max(...arms.filter((arm) => arm.settings.task === task).map(peak));
  const [unit, size] = most < 2 ** 31 ? ["MiB", 2 ** 20] : ["GiB", 2 ** 30];
  const x: Plot.ScaleOptions = { label: `predicted peak, ${unit}`, ticks: 3, zero: true };
  return scatter(arms, task, (arm) => peak(arm) / size, x, `${task}: quality against memory`);
}

export function timePanel(arms: readonly Arm[], task: string): Html {
  const ticks = [-3, -2, -1, 0, 1, 2, 3, 4].flatMap((power) => [10 ** power, 3 * 10 ** power]);
  const seconds = arms.filter((arm) => arm.settings.task === task).map(secondsOf);
  const [low, high] = [Math.min(...seconds.filter((s) => s > 0)), Math.max(...seconds)];
  const shown = apart(
    ticks.filter((tick) => tick >= low && tick <= high),
    low,
    high,
  );
  const x: Plot.ScaleOptions = { type: "log", label: "time for a user", ticks: shown, tickFormat: duration };
  return scatter(arms, task, secondsOf, x, `${task}: quality against time`, quartilesOf);
}

/** Own − placebo, one line for each method, h and weights. */
export function personalPanel(arms: readonly Arm[], personal: readonly Comparison[], task: string): Html {
  const comparisons = personal.filter(({ arm }) => {
    const { method, h, model, compression } = arm.settings;
    const kin = personal.filter(
      ({ arm: { settings: s } }) =>
        s.method === method && s.h === h && s.model === model && s.compression === compression,
    );
    return (
      arm ===
      mainArm(
        arms,
        kin.map((one) => one.arm),
      )
    );
  });
  const lines = comparisons.map(({ arm, estimate, interval: [from, to], n }) => {
    const { method, h, k, training_tokens: tokens, model, compression } = arm.settings;
    const name = `${shortMethod(method)} · h ${h}${k > 0 ? `, k ${k}` : ""}`;
    const interval: Interval = Number.isFinite(from) ? [from, to] : [estimate, estimate];
    const detail = [`${model} ${compression}`, tokens > 0 && `${whole(tokens)} tokens`];
    const title = `${name} · ${detail.filter(Boolean).join(" · ")}\n${signed(estimate, 3)} ${range([from, to], "")}, n ${n}`;
    return { name, estimate, low: interval[0], high: interval[1], colour: colourOf(method), title };
  });
  // Arms of several weights get lines of their own.
  const rows = lines.map((line, i) => ({ ...line, y: i }));
  const marks: Plot.Markish[] = [
    Plot.ruleX([0], { stroke: "var(--soft)" }),
    Plot.ruleY(rows, {
      y: "y",
      x1: "low",
      x2: "high",
      stroke: "colour",
      strokeWidth: 2,
      strokeOpacity: 0.55,
    }),
    Plot.dot(rows, { x: "estimate", y: "y", fill: "colour", r: 4, title: "title" }),
  ];
  const spread = Math.max(...rows.map((row) => row.high)) - Math.min(...rows.map((row) => row.low));
  const accuracy = comparisons[0].arm.metric === "accuracy";
  const options: Plot.PlotOptions = {
    height: 44 + 24 * rows.length,
    width: WIDTH,
    marginLeft: 96,
    marginRight: 12,
    marginTop: 6,
    marginBottom: 36,
    style: FONT,
    x: {
      label: accuracy ? "accuracy, own − placebo" : "bits per byte saved, own − placebo",
      labelAnchor: "center",
      labelArrow: "none",
      ticks: 3,
      tickFormat: (value: number) => signed(value, spread < 0.3 ? 2 : 1),
    },
    y: {
      domain: [rows.length - 0.4, -0.6],
      ticks: rows.map((row) => row.y),
      tickFormat: (i: number) => rows[i].name,
      label: null,
      tickSize: 0,
    },
    color: { type: "identity" },
    marks,
  };
  return plot(options, `${task}: own minus placebo`);
}
