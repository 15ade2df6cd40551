/** What every cell came to: quality over its users, and the time and memory of one of them. For the terminal, Markdown and JSON. */
import type { Arm } from "../study/arms.ts";
import type { Row } from "../study/row.ts";
import { describeWithin, isBaseline, type Settings } from "../study/settings.ts";
import { mean } from "../study/statistics.ts";
import type { Verdicts } from "../study/verdicts.ts";
import { levelOf, levelText } from "./series.ts";
import { bytesPair, durationWithin, NO_MODEL } from "./words.ts";

/** One cell, as `--json` prints it; null where nothing is known. */
export interface CellSummary extends Omit<Settings, "seed"> {
  readonly users: number;
  readonly metric: Row["quality"]["metric"];
  /** Mean over users, and its 95 % interval. */
  readonly quality: number | null;
  readonly quality_interval: readonly [number, number] | null;
  /** That one person's own machine takes to learn and to answer the test items, with the quartiles of the timing pass. */
  readonly seconds: number | null;
  readonly seconds_quartiles: readonly [number, number] | null;
  /** Of a process that holds one person's larger program. */
  readonly predicted_peak_bytes: number | null;
  readonly measured_peak_bytes: number | null;
  /** Not above the best answer that needs no model. */
  readonly no_model_needed: boolean;
}

/** By task, model, compression, history and method, then by size. */
export function inOrder(arms: readonly Arm[]): Arm[] {
  const order = ({ settings: s }: Arm) => {
    const numbers = [s.h, s.k, s.training_tokens, s.rank].map((value) => String(value).padStart(9, "0"));
    return [s.task, s.model, s.compression, s.history, s.method, ...numbers].join("|");
  };
  return [...arms].sort((a, b) => order(a).localeCompare(order(b)));
}

type Found = Pick<Verdicts, "arms" | "baselines">;

export function cellSummaries(found: Found): CellSummary[] {
  return inOrder(found.arms).map((arm) => {
    const { seed: _, ...settings } = arm.settings;
    const { mean: quality, interval } = levelOf(arm);
    const computes = !isBaseline(settings.method);
    return {
      ...settings,
      ...{ users: arm.test.size, metric: arm.metric },
      quality: arm.test.size > 0 ? quality : null,
      quality_interval: interval ?? null,
      seconds: computes ? secondsOf(arm) : null,
      seconds_quartiles: computes ? quartilesOf(arm) : null,
      predicted_peak_bytes: computes ? peakOf(arm, "predicted_peak_bytes") : null,
      measured_peak_bytes: computes ? peakOf(arm, "measured_peak_bytes") : null,
      no_model_needed: isUnneeded(found, arm),
    };
  });
}

/** The cells of one task after the other: what it is, its users, quality, time and memory. */
export function cellTexts(found: Found): { task: string; rows: [cell: string, ...values: string[]][] }[] {
  const arms = inOrder(found.arms);
  return [...new Set(arms.map(({ settings }) => settings.task))].map((task) => ({
    task,
    rows: arms
      .filter(({ settings }) => settings.task === task)
      .map((arm) => {
        const mark = isUnneeded(found, arm) ? `; ${NO_MODEL}` : "";
        const quality = arm.test.size > 0 ? levelText(arm, 2) : "–";
        return [describeWithin(arm.settings) + mark, String(arm.test.size), quality, ...costTexts(arm)];
      }),
  }));
}

export const CELL_HEAD = [
  "Cell",
  "users",
  "quality [95 %]",
  "time a user [quartiles]",
  "peak: predicted, measured",
];

function costTexts(arm: Arm): [time: string, memory: string] {
  if (isBaseline(arm.settings.method)) return ["no model", "no model"];
  const peaks = bytesPair(peakOf(arm, "predicted_peak_bytes"), peakOf(arm, "measured_peak_bytes"));
  return [durationWithin(secondsOf(arm), quartilesOf(arm)), peaks];
}

function isUnneeded({ baselines }: Found, arm: Arm): boolean {
  return baselines.some((mark) => mark.arm === arm && mark.noModelNeeded);
}

/** Mean seconds of one user: training, then answering all test items. */
export function secondsOf({ rows }: Arm): number {
  return mean(rows.map(({ cost }) => cost.training_seconds + cost.evaluation_seconds));
}

/** Quartiles of the timing pass for the same. */
export function quartilesOf({ rows }: Arm): [number, number] {
  const sumAt = (end: 0 | 1) =>
    mean(rows.map(({ cost: c }) => c.training_seconds_quartiles[end] + c.evaluation_seconds_quartiles[end]));
  return [sumAt(0), sumAt(1)];
}

/** The largest of its users. */
function peakOf({ rows }: Arm, key: "predicted_peak_bytes" | "measured_peak_bytes"): number {
  return Math.max(...rows.map(({ memory }) => memory[key] ?? 0));
}
