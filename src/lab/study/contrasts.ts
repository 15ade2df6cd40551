/** From a declared contrast and the rows to one number per user: what the verdict is then about. */
import { admit, bestK, CEILING, FLOOR, plateau, shareOfGain, type TaskState } from "./admission.ts";
import { type Arm, bayesOf, knownWith, pairedDifferences, type Scale, scaleOf } from "./arms.ts";
import { differences, matching } from "./cells.ts";
import { describeWithin, type Settings } from "./settings.ts";
import { mean } from "./statistics.ts";
import type { Contrast, Selector, Study } from "./study_file.ts";

export interface Sample {
  contrast: Contrast;
  data: Settings["data"];
  unit: Scale["unit"];
  margin: number;
  tasks: string[];
  /** One number per user, positive where a is better. Users who are in all tasks make one group; else one a task. */
  groups: { users: string[]; differences: number[] }[];
  /** Tasks of the contrast that could not be used, with the reason. */
  left: string[];
  /** Arms that the numbers come from, task by task: an alarm on one of them takes the verdict away. */
  pairs: Pair[];
  /** What the best possible method gains on this contrast, where a and b differ in what they can know; else undefined. */
  implied: number | undefined;
}

/** The two sides of a contrast on one task; of a regret, one pair a memory limit. */
export interface Pair {
  a: Arm;
  b: Arm;
}

/** Why a contrast is not tested. */
export interface Untested {
  contrast: Contrast;
  data: Settings["data"];
  reason: string;
}

export type Measured = Sample | Untested;

interface Part {
  task: string;
  scale: Scale;
  differences: Map<string, number>;
  pairs: Pair[];
}

/** The rows' answer to one contrast. */
export function measure(study: Study, arms: readonly Arm[], contrast: Contrast): Measured {
  const tasks = contrast.on.task;
  const data = study.data[tasks[0]];
  const untested = (reason: string): Untested => ({ contrast, data, reason });
  const parts: Part[] = [];
  const reasons = new Map<string, string[]>();
  for (const task of tasks) {
    const part = contrast.limits ? regret(study, arms, contrast, task) : difference(arms, contrast, task);
    if (typeof part !== "string") parts.push(part);
    else reasons.set(part, [...(reasons.get(part) ?? []), task]);
  }
  const left = [...reasons].map(([reason, names]) => `${names.join(", ")}: ${reason}`);
  if (parts.length === 0) return untested(left.join("; "));
  const weights =
    contrast.combine === "mean" ? parts.map(() => 1 / parts.length) : slopeWeights(study, arms, parts);
  if (typeof weights === "string") return untested([weights, ...left].join("; "));
  if (new Set(parts.map((part) => part.scale.unit)).size > 1)
    return untested("the tasks have different units");
  const groups = combine(parts, weights);
  const fewest = Math.min(...groups.map(({ users }) => users.length));
  if (fewest < 2) return untested(`${fewest} users are in both arms`);
  return {
    contrast,
    data,
    unit: parts[0].scale.unit,
    margin: contrast.margin ?? parts[0].scale.margin,
    tasks: parts.map((part) => part.task),
    groups,
    left,
    pairs: parts.flatMap((part) => part.pairs),
    implied: impliedEffect(arms, parts, weights),
  };
}

/**
 * What the generator implies: the contrast of the best possible answers, which depend on whose items are stored and how
 * many. undefined where both sides can know the same, so that nothing was planted about their difference.
 */
function impliedEffect(
  arms: readonly Arm[],
  parts: readonly Part[],
  weights: readonly number[],
): number | undefined {
  let effect = 0;
  for (const [i, { pairs, scale }] of parts.entries()) {
    if (pairs.length !== 1) return undefined;
    const [{ a, b }] = pairs;
    if (!sameLearner(a, b)) return undefined;
    const [knownA, knownB] = [a, b].map((arm) => knownWith(arms, arm));
    if (knownA === undefined || knownB === undefined || knownA === knownB) return undefined;
    effect += weights[i] * (knownA - knownB) * scale.factor;
  }
  return effect;
}

/** Whether two arms differ in their history alone: the same weights and method, or no method on one side. */
function sameLearner({ settings: a }: Arm, { settings: b }: Arm): boolean {
  if (a.model !== b.model || a.compression !== b.compression) return false;
  return a.method === b.method || a.method === "none" || b.method === "none";
}

/** Weighted differences: summed for a user who is in all tasks, apart where the tasks' users are different people. */
function combine(parts: readonly Part[], weights: readonly number[]): Sample["groups"] {
  const number = (user: string, i: number) =>
    weights[i] * parts[i].differences.get(user)! * parts[i].scale.factor;
  const shared = [...parts[0].differences.keys()].filter((user) =>
    parts.every((p) => p.differences.has(user)),
  );
  if (shared.length > 0) {
    const sum = (user: string) => parts.reduce((total, _, i) => total + number(user, i), 0);
    return [{ users: shared, differences: shared.map(sum) }];
  }
  return parts.map(({ differences }, i) => {
    const users = [...differences.keys()];
    return { users, differences: users.map((user) => number(user, i)) };
  });
}

/** a − b on one task. Text: why there is no answer. */
function difference(arms: readonly Arm[], contrast: Contrast, task: string): Part | string {
  const level = (selector: Selector) => findArm(arms, { ...contrast.on, ...selector }, task, contrast.margin);
  const a = level(contrast.a);
  if (typeof a === "string") return `side a: ${a}`;
  const b = level(contrast.b);
  if (typeof b === "string") return `side b: ${b}`;
  const stored = [a.settings.h, b.settings.h].filter((h) => h > 0);
  const closed = closedTask(arms, task, stored);
  if (closed) return closed;
  // Both sides on one scale: that of the larger history, or, where neither has one, of the largest there is.
  const scale = scaleOf(arms, b, stored.length > 0 ? Math.max(...stored) : largestHistory(arms, task));
  if (typeof scale === "string") return scale;
  const out = outOfRange(arms, contrast, [a, b]);
  if (out) return out;
  if (contrast.equal_bytes) {
    const [bytesA, bytesB] = [a, b].map((arm) => Math.max(...arm.rows.map((row) => row.memory.model_bytes)));
    if (Math.abs(bytesA / bytesB - 1) > 0.15)
      return `weights of ${bytesA} and ${bytesB} bytes are not equal within 15 %`;
  }
  return { task, scale, differences: pairedDifferences(a, b), pairs: [{ a, b }] };
}

/**
 * Text if an arm has no room to show what would refute the claim. A gain or a loss that is not there is no finding where
 * dev users are at the floor or at the ceiling on either side; where both are at the ceiling nothing can beat anything.
 */
function outOfRange(arms: readonly Arm[], { claim }: Contrast, sides: readonly Arm[]): string | undefined {
  const out = sides.flatMap((arm) => {
    const share = shareOfGain(arms, arm);
    if (share === undefined || (share >= FLOOR && share <= CEILING)) return [];
    const place = share > CEILING ? "at the ceiling" : "at the floor";
    return [
      {
        place,
        text: `${describeWithin(arm.settings)} is ${place} on dev users (${share.toFixed(2)} of the gain)`,
      },
    ];
  });
  if (claim !== "beats") return out[0]?.text;
  return out.length === 2 && out.every(({ place }) => place === "at the ceiling") ? out[0].text : undefined;
}

/** Text if the task may not enter a verdict at any of these history sizes. */
function closedTask(arms: readonly Arm[], task: string, stored: number[]): string | undefined {
  const sizes = stored.length > 0 ? stored : historySizes(arms, task);
  const states = sizes.map((h) => admit(arms, task, h));
  if (states.some((state) => state.admission === "admitted")) return undefined;
  return [...new Set(states.map(describeState))].join(", ") || "no history in the grid";
}

function describeState({ admission, best, h }: TaskState): string {
  return admission === "no dev users"
    ? admission
    : `${admission} at h ${h} (best method at ${best.toFixed(2)} of the gain)`;
}

export function historySizes(arms: readonly Arm[], task: string): number[] {
  const sizes = new Set(arms.filter((arm) => arm.settings.task === task).map((arm) => arm.settings.h));
  return [...sizes].filter((h) => h > 0).sort((a, b) => a - b);
}

function largestHistory(arms: readonly Arm[], task: string): number {
  return historySizes(arms, task).at(-1) ?? 0;
}

/** The one arm that a selector means. Text: why there is none. */
function findArm(arms: readonly Arm[], selector: Selector, task: string, margin?: number): Arm | string {
  const cells = new Set(
    matching(
      selector,
      task,
      arms.map((arm) => arm.settings),
    ),
  );
  let found = arms.filter((arm) => cells.has(arm.settings));
  const { training_tokens: tokens } = selector;
  if (selector.k === "best" && found.length > 0) {
    const k = bestK(arms, found);
    if (typeof k === "string") return k;
    found = found.filter((arm) => arm.settings.k === k);
  }
  if (typeof tokens === "string" && found.length > 0) {
    const wanted = tokenLevel(arms, found, tokens, margin);
    if (typeof wanted === "string") return wanted;
    found = found.filter((arm) => arm.settings.training_tokens === wanted);
    if (found.length === 0) return `${wanted} training tokens are outside the grid`;
  }
  if (found.length > 1)
    return `${found.length} cells fit, differing in ${differences([...cells]).join(", ")}`;
  return found[0] ?? "outside the grid";
}

function tokenLevel(
  arms: readonly Arm[],
  found: readonly Arm[],
  word: "min" | "max" | "plateau" | "4*plateau",
  margin?: number,
): number | string {
  const levels = [...found].sort((x, y) => x.settings.training_tokens - y.settings.training_tokens);
  if (word === "min") return levels[0].settings.training_tokens;
  if (word === "max") return levels.at(-1)!.settings.training_tokens;
  const open = differences(found.map((arm) => arm.settings)).filter(
    (text) => !text.startsWith("training_tokens"),
  );
  if (open.length > 0) return `${found.length} cells fit, differing in ${open.join(", ")}`;
  const level = plateau(arms, levels, margin);
  if (level === undefined) return "no plateau on dev users within the grid";
  return word === "plateau" ? level : 4 * level;
}

/** Weights that turn per-task differences into their change from the easiest to the hardest task, least squares. */
function slopeWeights(study: Study, arms: readonly Arm[], parts: readonly Part[]): number[] | string {
  const x = parts.map(({ task }) => difficultyOf(study, arms, task));
  if (x.some((value) => value === undefined)) return "a slope needs the tasks' difficulty";
  const levels = x as number[];
  const centre = mean(levels);
  const spread = levels.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  const range = Math.max(...levels) - Math.min(...levels);
  if (range < 0.05) return "a slope needs tasks of different difficulty";
  return levels.map((value) => ((value - centre) / spread) * range);
}

/** Bits unknown without history on generated users; what the study file says on real ones. */
export function difficultyOf(study: Study, arms: readonly Arm[], task: string): number | undefined {
  return study.tasks[task].difficulty ?? bayesOf(arms, task, largestHistory(arms, task))?.bits0;
}

/**
 * What "the strongest model that fits" leaves on the table: per user, the mean over memory limits of the best feasible
 * arm (best on dev users) minus the strongest feasible one (the last in `models`, then the largest weights).
 */
function regret(study: Study, arms: readonly Arm[], contrast: Contrast, task: string): Part | string {
  const cells = new Set(
    matching(
      { ...contrast.on, ...contrast.a },
      task,
      arms.map((arm) => arm.settings),
    ),
  );
  const found = arms.filter((arm) => cells.has(arm.settings) && arm.dev.size > 0);
  const models = Object.keys(study.models);
  const present = new Set(found.map((arm) => arm.settings.model));
  if (present.size < 3) return `${present.size} models, and a regret needs 3`;
  const closed = closedTask(arms, task, [...new Set(found.map((arm) => arm.settings.h))]);
  if (closed) return closed;
  const scale = scaleOf(arms, found[0], found[0].settings.h);
  if (typeof scale === "string") return scale;
  const peak = (arm: Arm) => Math.max(...arm.rows.map((row) => row.memory.predicted_peak_bytes));
  const weights = (arm: Arm) => Math.max(...arm.rows.map((row) => row.memory.model_bytes));
  const sign = found[0].metric === "accuracy" ? 1 : -1;
  const chosen = contrast.limits!.flatMap((limit) => {
    const fits = found.filter((arm) => peak(arm) <= limit);
    if (fits.length === 0) return [];
    const best = largest(fits, (arm) => sign * mean([...arm.dev.values()]));
    const newest = largest(fits, (arm) => models.indexOf(arm.settings.model));
    const strongest = largest(
      fits.filter((arm) => arm.settings.model === newest.settings.model),
      weights,
    );
    return [{ best, strongest }];
  });
  if (chosen.length < 3)
    return `something fits only ${chosen.length} of the memory limits, and a regret needs 3`;
  const all = chosen.map(({ best, strongest }) => pairedDifferences(best, strongest));
  const users = [...all[0].keys()].filter((user) => all.every((one) => one.has(user)));
  const differences = new Map(users.map((user) => [user, mean(all.map((one) => one.get(user)!))]));
  return {
    task,
    scale,
    differences,
    pairs: chosen.map(({ best, strongest }) => ({ a: best, b: strongest })),
  };
}

function largest(arms: readonly Arm[], measureOf: (arm: Arm) => number): Arm {
  return arms.reduce((best, arm) => (measureOf(arm) > measureOf(best) ? arm : best));
}
