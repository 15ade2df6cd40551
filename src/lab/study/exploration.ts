/** What is looked at beside the primary contrasts: unadjusted 95 % intervals, always called exploratory. */
import { type Arm, armKey, noneOf, pairedDifferences } from "./arms.ts";
import { describe, isBaseline } from "./settings.ts";
import { type Interval, summarize, tInterval } from "./statistics.ts";

export interface Comparison {
  arm: Arm;
  against: Arm;
  n: number;
  /** In accuracy, or in bits per byte saved. */
  estimate: number;
  interval: Interval;
}

function compare(arm: Arm, against: Arm, alpha = 0.05): Comparison {
  const summary = summarize([...pairedDifferences(arm, against).values()]);
  return { arm, against, n: summary.n, estimate: summary.mean, interval: tInterval(summary, alpha) };
}

/** Own − placebo for every method: the personal part of its gain, apart from format and domain. */
export function personalParts(arms: readonly Arm[]): Comparison[] {
  const byKey = new Map(arms.map((arm) => [arm.key, arm]));
  return arms.flatMap((arm) => {
    if (arm.settings.history !== "own") return [];
    const placebo = byKey.get(armKey({ ...arm.settings, history: "placebo" }));
    return placebo ? [compare(arm, placebo)] : [];
  });
}

/** Every arm with a history against `none` on the same weights. */
export function gainsOverNone(arms: readonly Arm[]): Comparison[] {
  return arms.flatMap((arm) => {
    const none = arm.settings.method === "none" ? undefined : noneOf(arms, arm.settings);
    return none ? [compare(arm, none)] : [];
  });
}

export interface BaselineMark extends Comparison {
  /** true: the method is not above the best no-model baseline, so no model is needed for this. */
  noModelNeeded: boolean;
}

/** Every arm with the user's own history against the best baseline of the task with as many items stored. */
export function againstBaselines(arms: readonly Arm[]): BaselineMark[] {
  const own = arms.filter(({ settings }) => settings.history === "own" && settings.method !== "none");
  return own.flatMap((arm) => {
    const { task, h, method } = arm.settings;
    if (isBaseline(method)) return [];
    const all = own
      .filter(({ settings: s }) => isBaseline(s.method) && s.task === task && s.h === h)
      .map((baseline) => compare(arm, baseline));
    if (all.length === 0) return [];
    const best = all.reduce((worst, one) => (one.estimate < worst.estimate ? one : worst));
    return [{ ...best, noModelNeeded: !(best.interval[0] > 0) }];
  });
}

/** Arms that are clearly worse than no method at all, at 99 %: more often a broken prompt than a finding. */
export function belowNone(arms: readonly Arm[]): string[] {
  return arms.flatMap((arm) => {
    if (isBaseline(arm.settings.method) || arm.settings.history === "placebo") return [];
    const none = arm.settings.method === "none" ? undefined : noneOf(arms, arm.settings);
    if (!none) return [];
    const { estimate, interval } = compare(arm, none, 0.01);
    if (!(interval[1] < 0)) return [];
    return [
      `${describe(arm.settings)} is clearly below none: ${estimate.toFixed(3)}, 99 % interval to ${interval[1].toFixed(3)}`,
    ];
  });
}
