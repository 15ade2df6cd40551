/** The verdicts of a study: declared contrasts, the guidelines they speak for, and what stands beside them. */
import { random } from "../../engine/random.ts";
import { admit, type TaskState } from "./admission.ts";
import { type Alarm, findAlarms } from "./alarms.ts";
import { type Arm, type BayesBound, bayesOf, gatherArms } from "./arms.ts";
import { historySizes, measure, type Sample } from "./contrasts.ts";
import {
  againstBaselines,
  type BaselineMark,
  belowNone,
  type Comparison,
  gainsOverNone,
  personalParts,
} from "./exploration.ts";
import { type Judgement, judge, nullEffect, type Question, type Status } from "./judge.ts";
import type { Row } from "./row.ts";
import type { Settings } from "./settings.ts";
import { signFlipTest } from "./statistics.ts";
import { type Contrast, declaredDigest, GUIDELINES, type Guideline, type Study } from "./study_file.ts";

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
    } & Judgement)
  | { contrast: Contrast; data: Data; status: "not tested"; reason: string };

export interface GuidelineVerdict {
  guideline: Guideline;
  title: string;
  /** On generated users: recovery of what was planted, never evidence. */
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
  arms: Arm[];
  /** Samples of the tested contrasts, in the order of the verdicts that are tested. */
  samples: Sample[];
}

/** In own words, after arXiv 2406.03777. */
export const GUIDELINE_TITLES: Record<Guideline, string> = {
  G1: "The harder the task, the more retrieval gains on parameter learning",
  G2: "For LoRA a small rank and a small alpha are enough",
  G3: "Longer training is not automatically better",
  G4: "A limited amount of history is enough for retrieval",
  G5: "With little personal data a compressed model can be the better choice",
  G6: "Take the strongest model that fits the memory",
};

/** Everything a study can say, from its file and its rows. */
export function studyVerdicts(study: Study, rows: readonly Row[]): Verdicts {
  const arms = gatherArms(rows);
  const alarms = findAlarms(arms);
  const measured = study.contrasts.map((contrast) => {
    const one = measure(study, arms, contrast);
    if ("reason" in one) return one;
    const alarm = alarms.find(({ arms: touched }) => one.arms.some((arm) => touched.has(arm.key)));
    return alarm ? { ...one, reason: `alarm: ${alarm.name}` } : one;
  });
  const samples = measured.filter((one): one is Sample => !("reason" in one));
  const judgements = judge(samples.map(question));
  const verdicts = measured.map((one): Verdict => {
    if ("reason" in one) {
      return { contrast: one.contrast, data: one.data, status: "not tested", reason: one.reason };
    }
    const { contrast, data, unit, margin, tasks, left } = one;
    const judgement = judgements[samples.indexOf(one)];
    return { contrast, data, unit, margin, tasks, left, pSignFlip: signFlip(one), ...judgement };
  });
  return {
    verdicts,
    guidelines: GUIDELINES.map((guideline) => guidelineVerdict(guideline, verdicts)),
    tasks: taskSummaries(arms),
    personal: personalParts(arms),
    gains: gainsOverNone(arms),
    baselines: againstBaselines(arms),
    warnings: [...belowNone(arms), ...lateDeclaration(study, rows)],
    alarms,
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
    return { status: together(mine.map((verdict) => verdict.status)), verdicts: mine };
  };
  return { guideline, title: GUIDELINE_TITLES[guideline], generated: of("generated"), real: of("real") };
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

/** Contrasts that were not declared when the rows were measured are not primary, whatever the file says now. */
function lateDeclaration(study: Study, rows: readonly Row[]): string[] {
  const declared = declaredDigest(study);
  const late = rows.filter((row) => row.declared !== declared).length;
  if (late === 0) return [];
  return [
    `${late} of ${rows.length} rows were measured before the contrasts were declared as they are now: read all verdicts as exploratory`,
  ];
}
