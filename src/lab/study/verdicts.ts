/** The verdicts of a study: declared contrasts, the guidelines they speak for, and what stands beside them. */
import { random } from "../../engine/random.ts";
import { admit, type TaskState } from "./admission.ts";
import { type Alarm, findAlarms } from "./alarms.ts";
import { type Arm, type BayesBound, bayesOf, gatherArms } from "./arms.ts";
import { timeAlarm } from "./busy.ts";
import { expand } from "./cells.ts";
import { historySizes, measure, type Pair, type Sample } from "./contrasts.ts";
import {
  againstBaselines,
  type BaselineMark,
  belowNone,
  type Comparison,
  gainsOverNone,
  personalParts,
} from "./exploration.ts";
import { besideThePoint, GUIDELINE_TITLES } from "./guidelines.ts";
import { type Judgement, judge, nullEffect, type Question, type Status } from "./judge.ts";
import type { Row } from "./row.ts";
import { cellKey, describe, methodLabel, type Settings } from "./settings.ts";
import { signFlipTest } from "./statistics.ts";
import { type Contrast, declaredDigest, GUIDELINES, type Guideline, type Study } from "./study_file.ts";
import { usersAsked } from "./users.ts";

export type Data = Settings["data"];

export type Verdict =
  | ({
      contrast: Contrast;
      data: Data;
      unit: string;
      margin: number;
      tasks: string[];
      left: string[];
      pSignFlip: number;
      /** On generated users: what the best possible method gains here, if anything was planted. */
      implied?: number;
      /** Why it says nothing of its guideline, whatever it says of its own claim. */
      aside?: string;
    } & Judgement)
  | { contrast: Contrast; data: Data; status: "not tested"; reason: string };

export interface GuidelineVerdict {
  guideline: Guideline;
  title: string;
  /** Never evidence. */
  generated: { status: Status; verdicts: Verdict[] };
  real: { status: Status; verdicts: Verdict[] };
}

export interface TaskSummary extends TaskState {
  data: Data;
  bayes?: BayesBound;
}

export interface Verdicts {
  verdicts: Verdict[];
  guidelines: GuidelineVerdict[];
  tasks: TaskSummary[];
  /** Own − placebo. */
  personal: Comparison[];
  gains: Comparison[];
  baselines: BaselineMark[];
  warnings: string[];
  alarms: Alarm[];
  /** Why no time of this study is to be trusted, if so. No verdict rests on one. */
  timeAlarm?: string;
  arms: Arm[];
  /** Samples of the tested contrasts, in the order of the verdicts that are tested. */
  samples: Sample[];
}

/** Everything a study can say, from its file and its rows. */
export function studyVerdicts(study: Study, rows: readonly Row[]): Verdicts {
  const arms = gatherArms(rows);
  const alarms = findAlarms(arms);
  const measured = study.contrasts.map((contrast) => {
    const one = measure(study, arms, contrast);
    if ("reason" in one) return one;
    const touches = ({ a, b }: Pair, touched: Alarm["arms"]) => touched.has(a.key) || touched.has(b.key);
    const alarm = alarms.find(({ arms: touched }) => one.pairs.some((pair) => touches(pair, touched)));
    return alarm ? { ...one, reason: `alarm: ${alarm.name}` } : one;
  });
  const samples = measured.filter((one): one is Sample => !("reason" in one));
  const judgements = judge(samples.map(question));
  const baselines = againstBaselines(arms);
  const verdicts = measured.map((one): Verdict => {
    if ("reason" in one) {
      return { contrast: one.contrast, data: one.data, status: "not tested", reason: one.reason };
    }
    const { contrast, data, unit, margin, tasks, left, implied } = one;
    const judgement = judgements[samples.indexOf(one)];
    const aside =
      besideThePoint(study, arms, one) ??
      (judgement.status === "supported" ? unneededModel(one, baselines) : undefined);
    return {
      ...{ contrast, data, unit, margin, tasks, left, pSignFlip: signFlip(one) },
      ...(implied !== undefined && { implied }),
      ...(aside !== undefined && { aside }),
      ...judgement,
    };
  });
  return {
    verdicts,
    guidelines: GUIDELINES.map((guideline) => guidelineVerdict(guideline, verdicts)),
    tasks: taskSummaries(arms),
    personal: personalParts(arms),
    gains: gainsOverNone(arms),
    baselines,
    warnings: [
      ...unfinished(study, rows),
      ...belowNone(arms),
      ...cutItems(arms),
      ...lateDeclaration(study, rows),
      ...changedUsers(rows),
    ],
    alarms,
    timeAlarm: timeAlarm(rows),
    arms,
    samples,
  };
}

export function question({ contrast, margin, groups }: Sample): Question {
  return { claim: contrast.claim, margin, groups: groups.map(({ differences }) => differences) };
}

const SIGN_FLIP_SEED = 1;

function signFlip(sample: Sample): number {
  const bits = (flip: number, word: number) => random(SIGN_FLIP_SEED, flip, word);
  const { claim, margin, groups } = question(sample);
  return signFlipTest(groups, bits, nullEffect(claim, margin));
}

function guidelineVerdict(guideline: Guideline, verdicts: readonly Verdict[]): GuidelineVerdict {
  const of = (data: Data) => {
    const mine = verdicts.filter(
      (verdict) => verdict.contrast.guideline === guideline && verdict.data === data,
    );
    return { status: together(mine.map(towards)), verdicts: mine };
  };
  return { guideline, title: GUIDELINE_TITLES[guideline], generated: of("generated"), real: of("real") };
}

/** What a verdict says of its guideline. */
export function towards(verdict: Verdict): Status {
  return verdict.status !== "not tested" && verdict.aside ? "not tested" : verdict.status;
}

/** Text if on one of the tasks no method of the contrast is above the best no-model arm: then nothing is learned of methods. */
function unneededModel({ contrast, pairs }: Sample, baselines: readonly BaselineMark[]): string | undefined {
  if (!contrast.guideline) return undefined;
  const reasons = pairs.map(({ a, b }) => {
    const marks = baselines.filter(({ arm }) => arm === a || arm === b);
    if (marks.length === 0 || marks.some(({ noModelNeeded }) => !noModelNeeded)) return undefined;
    const { task, method } = marks[0].against.settings;
    return `no model is needed for ${task}: ${methodLabel(method)} does as well`;
  });
  return reasons.find((reason) => reason !== undefined);
}

/** A guideline needs all of its contrasts; one that is refuted refutes it; one that is open leaves it open. */
export function together(statuses: readonly Status[]): Status {
  if (statuses.every((status) => status === "not tested")) return "not tested";
  if (statuses.includes("not supported")) return "not supported";
  return statuses.every((status) => status === "supported") ? "supported" : "not enough evidence";
}

function taskSummaries(arms: readonly Arm[]): TaskSummary[] {
  const tasks = new Map(arms.map((arm) => [arm.settings.task, arm.settings.data]));
  return [...tasks].flatMap(([task, data]) =>
    historySizes(arms, task).map((h) => ({ ...admit(arms, task, h), data, bayes: bayesOf(arms, task, h) })),
  );
}

/** Cells that have no row yet, or not of everybody. */
function unfinished(study: Study, rows: readonly Row[]): string[] {
  const cells = expand(study);
  const counts = new Map<string, number>();
  for (const row of rows) {
    const key = cellKey(row.settings);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const planned = new Map(rows.map((row) => [row.settings.task, row.planned]));
  const whole = cells.filter(({ key, settings, dev }) => {
    const { users = 1, dev_users = 0 } = planned.get(settings.task) ?? {};
    return (counts.get(key) ?? 0) >= users + (dev ? dev_users : 0);
  });
  if (whole.length === cells.length) return [];
  return [
    `not finished: ${whole.length} of ${cells.length} cells have the rows of everybody; verdicts and means are of what is there; go on with --resume`,
  ];
}

/** Who looks at results before deciding how many users to take finds more by chance. */
function changedUsers(rows: readonly Row[]): string[] {
  const asked = usersAsked(rows);
  if (asked.length < 2) return [];
  return [
    `the number of users was changed between runs (${asked.join(", ")}): read all verdicts as exploratory`,
  ];
}

/** Contrasts that were not declared when the rows were measured are not primary, whatever the file says now. */
function lateDeclaration(study: Study, rows: readonly Row[]): string[] {
  const declared = declaredDigest(study);
  const late = rows.filter((row) => row.declared !== declared).length;
  if (late === 0) return [];
  return [
    `${late} of ${rows.length} rows were measured before the contrasts were declared as they are now: read all verdicts as exploratory`,
  ];
}

/** Adapters that learned from items longer than their model's context, of which a part was left out. */
function cutItems(arms: readonly Arm[]): string[] {
  return arms.flatMap(({ settings, rows }) => {
    const cut = rows.reduce((sum, { audit }) => sum + audit.items_cut, 0);
    if (cut === 0) return [];
    const all = rows.reduce((sum, { audit }) => sum + audit.trained_items.length, 0);
    return [
      `${describe(settings)}: ${cut} of ${all} items to learn from are longer than the model's context and were cut`,
    ];
  });
}
