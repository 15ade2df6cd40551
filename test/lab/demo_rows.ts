/** A simulated demo: users around what a pilot measured at this scale, so that the report is tried on likely numbers. */
import { demo } from "../../src/lab/study/demo.ts";
import type { Row } from "../../src/lab/study/row.ts";
import { isBaseline, rowKey, type Settings, trains } from "../../src/lab/study/settings.ts";
import { simulate, type World } from "../../src/lab/study/simulation.ts";
import { checkStudy, type StudyInput } from "../../src/lab/study/study_file.ts";

export const TASKS = {
  taste: "generated",
  tags: "generated",
  template: "generated",
  "sotu-choice": "real",
} as const;

export const demoStudy = checkStudy(demo, () => "demo", TASKS);

/** none, rag and lora at h 8, rag and lora at h 64. */
const ACCURACY: Record<string, number[]> = {
  taste: [0.5, 0.63, 0.66, 0.82, 0.93],
  tags: [0.11, 0.37, 0.48, 0.7, 0.92],
  template: [0.18, 0.8, 0.29, 0.93, 0.86],
  "sotu-choice": [0.52, 0.58, 0.61, 0.58, 0.61],
};

/** Bayes accuracy and bits without history, at h 8, at h 64. */
const BOUNDS: Record<string, number[][]> = {
  taste: [
    [0.5, 1],
    [0.69, 0.75],
    [0.955, 0.2],
  ],
  tags: [
    [0.14, 3.5],
    [0.5, 2],
    [0.96, 0.25],
  ],
  template: [
    [0.2, 2.58],
    [0.85, 0.7],
    [0.985, 0.1],
  ],
};

function accuracy({ task, method, history, h, k, training_tokens: tokens, compression }: Settings): number {
  const [none, rag8, lora8, rag64, lora64] = ACCURACY[task];
  if (method === "none") return none;
  if (isBaseline(method)) return none + (h === 64 ? 0.16 : 0.06);
  const [rag, lora] = h === 64 ? [rag64, lora64] : [rag8, lora8];
  const full = trains(method) ? lora : rag;
  const early = tokens === 400 ? 0.72 : 1;
  // With few items stored one shown item tells, with many a few more: what is beside the point drowns it.
  const shown = method === "rag" ? 1 - 0.25 * Math.abs(Math.log2(k) - (h === 64 ? 2 : 0)) : 1;
  const part = (history === "placebo" ? 0.08 : 1) * early * shown * (compression === "q4_0" ? 0.97 : 1);
  return none + (full - none) * part;
}

function bayes({ task, h }: Settings): Row["bayes"] {
  if (!BOUNDS[task]) return null;
  const [without, at8, at64] = BOUNDS[task];
  const [accuracy_h, bits_h] = h === 0 ? without : h === 8 ? at8 : at64;
  return { accuracy_0: without[0], accuracy_h, bits_0: without[1], bits_h };
}

const RATES = { f32: 4500, q4_0: 3900 } as Record<string, number>;

export const demoWorld: World = {
  accuracy,
  bayes,
  spread: 0.05,
  commonLuck: 0.5,
  cost({ compression, training_tokens, k, method }) {
    const rate = RATES[compression] ?? 1e6;
    const evaluated = isBaseline(method) ? 0 : 16 * (20 + 14 * k);
    return {
      evaluated_tokens: evaluated,
      training_seconds: training_tokens / rate,
      training_seconds_quartiles: [(0.9 * training_tokens) / rate, (1.1 * training_tokens) / rate],
      evaluation_seconds: evaluated / (3 * rate),
      evaluation_seconds_quartiles: [(0.9 * evaluated) / (3 * rate), (1.1 * evaluated) / (3 * rate)],
      training_tokens_per_second: training_tokens > 0 ? rate : 0,
      evaluation_tokens_per_second: 3 * rate,
    };
  },
  memory({ compression, method, k }) {
    if (isBaseline(method)) return {};
    const model_bytes = compression === "q4_0" ? 650_000 : 3_700_000;
    const predicted_peak_bytes = model_bytes + (trains(method) ? 9_500_000 : 1_200_000 + 90_000 * k);
    return {
      model_bytes,
      program_bytes: predicted_peak_bytes - 1_000_000,
      predicted_peak_bytes,
      measured_peak_bytes: predicted_peak_bytes,
    };
  },
};

export function demoRows(change: Partial<StudyInput> = {}, world: Partial<World> = {}, seed = 11): Row[] {
  const study = checkStudy({ ...demo, ...change }, () => "demo", TASKS);
  return simulate(study, { ...demoWorld, ...world }, seed).map((row) => ({
    ...row,
    // Users of different tasks are different people.
    user: `${row.settings.task}-${row.user}`,
    key: rowKey(row.settings, `${row.settings.task}-${row.user}`, row.lineage),
    audit: {
      ...row.audit,
      history_user: row.audit.history_user && `${row.settings.task}-${row.audit.history_user}`,
    },
    provenance: {
      edgewise: "0.1.0",
      node: "v20.20.2",
      build: "simd",
      machine: { cpu: "An Edge CPU @ 2.0 GHz", cores: 2, memory_bytes: 8 * 2 ** 30, os: "linux 6.1 x64" },
      command: "edgewise study demo.yaml --out studies/demo",
      finished: "2026-01-02T03:04:05Z",
    },
  }));
}
