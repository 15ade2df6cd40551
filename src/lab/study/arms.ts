/** Rows gathered into arms: a cell without its seed, with one value per user. */
import type { Row } from "./row.ts";
import { SETTINGS, type Settings } from "./settings.ts";
import { mean } from "./statistics.ts";

export interface Arm {
  /** Settings of its first row; the seed is no part of an arm. */
  settings: Settings;
  key: string;
  metric: Row["quality"]["metric"];
  rows: Row[];
  /** Quality per user, the mean over seeds: the user stays the unit however many seeds ran. */
  test: Map<string, number>;
  dev: Map<string, number>;
}

/** Settings without the seed, as text. */
export function armKey(settings: Settings): string {
  return ARM.map((name) => settings[name]).join("|");
}

const ARM = SETTINGS.filter((name) => name !== "seed");

export function gatherArms(rows: readonly Row[]): Arm[] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const key = armKey(row.settings);
    const group = groups.get(key);
    if (group) group.push(row);
    else groups.set(key, [row]);
  }
  return [...groups].map(([key, group]) => ({
    settings: group[0].settings,
    key,
    metric: group[0].quality.metric,
    rows: group,
    test: perUser(group, "test"),
    dev: perUser(group, "dev"),
  }));
}

function perUser(rows: readonly Row[], split: Row["split"]): Map<string, number> {
  const values = new Map<string, number[]>();
  for (const row of rows) {
    if (row.split !== split) continue;
    const before = values.get(row.user);
    if (before) before.push(row.quality.value);
    else values.set(row.user, [row.quality.value]);
  }
  return new Map([...values].map(([user, list]) => [user, list.length === 1 ? list[0] : mean(list)]));
}

/** Users of both arms with a − b, turned so that positive is better for a. */
export function pairedDifferences(a: Arm, b: Arm, split: Row["split"] = "test"): Map<string, number> {
  const sign = a.metric === "accuracy" ? 1 : -1;
  const differences = new Map<string, number>();
  for (const [user, value] of a[split]) {
    const other = b[split].get(user);
    if (other !== undefined) differences.set(user, sign * (value - other));
  }
  return differences;
}

/** The arm of the same weights that has seen no history. */
export function noneOf(arms: readonly Arm[], { task, model, compression }: Settings): Arm | undefined {
  return arms.find(
    ({ settings: s }) =>
      s.method === "none" && s.task === task && s.model === model && s.compression === compression,
  );
}

export interface BayesBound {
  accuracy0: number;
  accuracyH: number;
  bits0: number;
  bitsH: number;
}

/** Mean over users of the bounds of a task with h items stored; undefined where rows carry none (real text). */
export function bayesOf(
  arms: readonly Arm[],
  task: string,
  h: number,
  split: Row["split"] = "test",
): BayesBound | undefined {
  const users = new Map<string, NonNullable<Row["bayes"]>>();
  for (const arm of arms) {
    if (arm.settings.task !== task || arm.settings.h !== h) continue;
    for (const row of arm.rows) if (row.bayes && row.split === split) users.set(row.user, row.bayes);
  }
  if (users.size === 0) return undefined;
  const all = [...users.values()];
  return {
    accuracy0: mean(all.map((b) => b.accuracy_0)),
    accuracyH: mean(all.map((b) => b.accuracy_h)),
    bits0: mean(all.map((b) => b.bits_0)),
    bitsH: mean(all.map((b) => b.bits_h)),
  };
}

/** The best possible accuracy with what an arm has stored: another user's history tells nothing of this one. */
export function knownWith(arms: readonly Arm[], { settings: s }: Arm): number | undefined {
  if (s.h > 0) {
    const bayes = bayesOf(arms, s.task, s.h);
    return s.history === "own" ? bayes?.accuracyH : bayes?.accuracy0;
  }
  const sizes = arms.filter((arm) => arm.settings.task === s.task && arm.settings.h > 0);
  return sizes.length > 0 ? bayesOf(arms, s.task, sizes[0].settings.h)?.accuracy0 : undefined;
}

export interface Scale {
  /** Differences of quality times this are in the unit. */
  factor: number;
  unit: "S" | "accuracy" | "of none's bits/byte";
  /** The margin where the study file names none. */
  margin: number;
}

/** Below this a history tells so little that S, a quotient by it, would be noise. */
const LEAST_GAIN = 0.02;

/**
 * In which unit a task's differences are judged. S = (accuracy − Bayes₀) / (Bayes_h − Bayes₀) on generated users, with
 * the bounds' means over users, so that a contrast stays a plain paired difference. Text: a word on why there is none.
 */
export function scaleOf(arms: readonly Arm[], { settings, metric }: Arm, h: number): Scale | string {
  if (metric === "bits_per_byte") {
    const none = noneOf(arms, settings);
    if (!none || none.test.size === 0)
      return `needs method none on ${settings.model} ${settings.compression}`;
    return { factor: 1 / mean([...none.test.values()]), unit: "of none's bits/byte", margin: 0.02 };
  }
  if (settings.data === "real") return { factor: 1, unit: "accuracy", margin: 0.05 };
  const bayes = bayesOf(arms, settings.task, h);
  if (!bayes) return `has no Bayes bound at h ${h}`;
  const gain = bayes.accuracyH - bayes.accuracy0;
  if (gain < LEAST_GAIN) return `the history can gain only ${gain.toFixed(3)} of accuracy at h ${h}`;
  return { factor: 1 / gain, unit: "S", margin: 0.1 };
}
