/** Numbers per user in, verdicts out: t intervals, Holm, margins. Nothing here knows of rows or files. */
import {
  detectableEffect,
  holm,
  type Interval,
  leastFlipP,
  type Summary,
  summarizeGroups,
  tInterval,
  tTest,
  unlikeMost,
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
  /** Two-sided t test of the claim's null, alone and after Holm; never less than exact sign flips of so few people could give. */
  p: number;
  pHolm: number;
  /** Users that would see an effect of the margin with power .8. */
  usersNeeded: number;
  /** The smallest effect that these users would show with power .8. */
  detectable: number;
  /** Why nothing is decided, whatever the interval says. */
  reservation?: string;
}

/** A spread that rests on fewer people than this is no spread to judge others by. */
const UNLIKE_MIN = 5;

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
  const ps = questions.map(({ claim, margin }, i) =>
    Math.max(tTest(summaries[i], nullEffect(claim, margin)), leastFlipP(summaries[i].people)),
  );
  const steps = holm(ps, alpha);
  return questions.map(({ claim, margin, groups }, i) => {
    const summary = summaries[i];
    const interval = tInterval(summary, steps[i].alpha);
    const reservation = reserve(summary, groups, steps[i].alpha);
    return {
      status: reservation ? "not enough evidence" : decide(claim, summary.mean, interval, margin),
      n: summary.n,
      estimate: summary.mean,
      sd: summary.sd,
      interval,
      plainInterval: tInterval(summary, alpha),
      p: ps[i],
      pHolm: steps[i].p,
      usersNeeded: usersNeeded(summary.sd, margin),
      detectable: detectableEffect(summary),
      ...(reservation && { reservation }),
    };
  });
}

/** Text if the people are too few, or too much alike, for their spread to say anything of other people. */
function reserve(
  { people }: Summary,
  groups: readonly ArrayLike<number>[],
  alpha: number,
): string | undefined {
  const least = leastFlipP(people);
  if (least > alpha)
    return `${people} people: exact sign flips give p ${Number(least.toPrecision(2))} at least, and ${Number(alpha.toPrecision(2))} is asked for`;
  const unlike = groups.reduce((sum, group) => sum + unlikeMost(group), 0);
  if (unlike === 0) return `all ${people} people have the same difference: no spread is no certainty`;
  if (unlike < UNLIKE_MIN)
    return `only ${unlike} of ${people} people ${unlike === 1 ? "differs" : "differ"} from the others: too few to know the spread`;
  return undefined;
}
