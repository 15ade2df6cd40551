/** What is decided on dev users, before any test user is looked at: which tasks enter verdicts, where tokens level off, how many items are shown. */
import { type Arm, armKey, bayesOf, noneOf, pairedDifferences, scaleOf } from "./arms.ts";
import { isBaseline } from "./settings.ts";
import { mean } from "./statistics.ts";

export type Admission = "admitted" | "saturated" | "at chance" | "no dev users";

/** A task can tell methods apart only if some method is between these shares of the achievable gain. */
export const FLOOR = 0.15;
export const CEILING = 0.85;

export interface TaskState {
  task: string;
  h: number;
  admission: Admission;
  /** The highest share of the achievable gain that a method reached on dev users; NaN without dev users. */
  best: number;
}

/** Whether a task at h enters verdicts. */
export function admit(arms: readonly Arm[], task: string, h: number): TaskState {
  const shares = arms
    .filter(({ settings: s, dev }) => s.task === task && s.h === h && s.history === "own" && dev.size > 0)
    .filter(({ settings: s }) => s.method !== "none" && !isBaseline(s.method))
    .map((arm) => shareOfGain(arms, arm))
    .filter((share) => share !== undefined);
  if (shares.length === 0) return { task, h, admission: "no dev users", best: NaN };
  const best = Math.max(...shares);
  const between = shares.some((share) => share >= FLOOR && share <= CEILING);
  return { task, h, admission: between ? "admitted" : best > CEILING ? "saturated" : "at chance", best };
}

/**
 * Share of the achievable gain that an arm reaches on dev users; undefined where none of them ran it. Achievable is what Bayes allows; on real options, from `none` to all right.
 * On real text no ceiling is known and only the floor holds: a gain of one margin, 2 % of none's bits per byte.
 */
export function shareOfGain(arms: readonly Arm[], arm: Arm): number | undefined {
  if (arm.dev.size === 0 || arm.settings.method === "none") return undefined;
  const value = mean([...arm.dev.values()]);
  const { task, h } = arm.settings;
  const bayes = bayesOf(arms, task, h, "dev");
  if (arm.metric === "accuracy" && bayes) {
    return (value - bayes.accuracy0) / (bayes.accuracyH - bayes.accuracy0);
  }
  const none = noneOf(arms, arm.settings);
  if (!none || none.dev.size === 0) return undefined;
  const before = mean([...none.dev.values()]);
  if (arm.metric === "accuracy") return (value - before) / (1 - before);
  return Math.min(CEILING, ((before - value) / before) * (FLOOR / 0.02));
}

/**
 * The first training level after which the next gains less than the margin, the mean over dev users. `levels` are
 * checkpoints of one setting, ascending. undefined: no level of the grid is a plateau.
 */
export function plateau(arms: readonly Arm[], levels: readonly Arm[], margin?: number): number | undefined {
  for (let i = 0; i + 1 < levels.length; i++) {
    const gains = [...pairedDifferences(levels[i + 1], levels[i], "dev").values()];
    const scale = scaleOf(arms, levels[i], levels[i].settings.h);
    if (gains.length === 0 || typeof scale === "string") return undefined;
    if (mean(gains) * scale.factor < (margin ?? scale.margin)) return levels[i].settings.training_tokens;
  }
  return undefined;
}

/**
 * The k that does best on dev users among arms that differ in k alone; the smallest of equals. It is chosen with the
 * users' own history, and a placebo is shown as many. Text: why there is none.
 */
export function bestK(arms: readonly Arm[], found: readonly Arm[]): number | string {
  if (found.every(({ settings }) => settings.k === found[0].settings.k)) return found[0].settings.k;
  const byKey = new Map(arms.map((arm) => [arm.key, arm]));
  const levels = new Map<number, number>();
  for (const { settings } of [...found].sort((x, y) => x.settings.k - y.settings.k)) {
    const own = byKey.get(armKey({ ...settings, history: "own" }));
    if (!own || own.dev.size === 0) return `no dev users were shown ${settings.k} items`;
    const sign = own.metric === "accuracy" ? 1 : -1;
    levels.set(settings.k, sign * mean([...own.dev.values()]));
  }
  const most = Math.max(...levels.values());
  return [...levels].find(([, value]) => value === most)![0];
}
