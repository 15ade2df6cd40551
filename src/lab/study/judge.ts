/** Numbers per user in, verdicts out: t intervals, Holm, margins. Nothing here knows of rows or files. */
import {
  detectableEffect,
  holm,
  type Interval,
  summarizeGroups,
  tInterval,
  tTest,
  usersNeeded,
} from "./statistics.ts";
import type { Contrast } from "./study_file.ts";

export type Claim = Contrast["claim"];
export type Status = "supported" | "not supported" | "not enough evidence" | "not tested";

export interface Question {
  claim: Claim;
  margin: number;
  /** a − b per user, positive where a is better; one group, or one for each task if their users are different people. */
  groups: readonly ArrayLike<number>[];
}

export interface Judgement {
  status: Exclude<Status, "not tested">;
  /** Users; of each task, where they differ. */
  n: number;
  estimate: number;
  sd: number;
  /** At Holm's level: what the status is read from. */
  interval: Interval;
  /** At 95 %, as if this were the only contrast. */
  plainInterval: Interval;
  /** Two-sided t test of the claim's null, alone and after Holm. */
  p: number;
  pHolm: number;
  /** Users that would see an effect of the margin with power .8. */
  usersNeeded: number;
  /** The smallest effect that these users would show with power .8. */
  detectable: number;
}

/** The effect at which a claim is just not true: support must exclude it. */
export function nullEffect(claim: Claim, margin: number): number {
  return { beats: 0, "gain-below": margin, "no-worse": -margin }[claim];
}

export function decide(
  claim: Claim,
  estimate: number,
  [low, high]: Interval,
  margin: number,
): Judgement["status"] {
  const [supported, refuted] = {
    beats: [low > 0 && estimate >= margin, high < margin],
    "gain-below": [high < margin, low > margin],
    "no-worse": [low > -margin, high < -margin],
  }[claim];
  if (supported) return "supported";
  return refuted ? "not supported" : "not enough evidence";
}

/** Judges one family of primary contrasts together, family-wise at `alpha`. */
export function judge(questions: readonly Question[], alpha = 0.05): Judgement[] {
  const summaries = questions.map(({ groups }) => summarizeGroups(groups));
  const ps = questions.map(({ claim, margin }, i) => tTest(summaries[i], nullEffect(claim, margin)));
  const steps = holm(ps, alpha);
  return questions.map(({ claim, margin }, i) => {
    const summary = summaries[i];
    const interval = tInterval(summary, steps[i].alpha);
    return {
      status: decide(claim, summary.mean, interval, margin),
      n: summary.n,
      estimate: summary.mean,
      sd: summary.sd,
      interval,
      plainInterval: tInterval(summary, alpha),
      p: ps[i],
      pHolm: steps[i].p,
      usersNeeded: usersNeeded(summary.sd, margin),
      detectable: detectableEffect(summary),
    };
  });
}
