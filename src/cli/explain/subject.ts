/** What is explained: a model's program for one use, and the runs that this use consists of. */
import type { CacheType } from "../../engine/dtypes/cache.ts";
import type { Graph } from "../../engine/graph/graph.ts";
import type { Slots } from "../../engine/host/control.ts";
import type { Engine } from "../../engine/host/engine.ts";
import { initialSchedule } from "../../engine/ops/optimizer.ts";
import type { RunSizes } from "../../engine/plan/explain.ts";
import type { CompiledPlan, Program } from "../../engine/plan/program.ts";
import { writeBatch } from "../../llm/batch.ts";
import { compileGeneration } from "../../llm/generate.ts";
import { type ProcessMemory, processMemory } from "../../llm/memory/process_memory.ts";
import type { ModelFile } from "../../llm/model_file.ts";
import { roles } from "../../llm/models/config.ts";
import type { ModelSpec } from "../../llm/models/graphs.ts";
import { type WeightType, weightDtypes } from "../../llm/models/load.ts";
import { compileScoring } from "../../llm/score.ts";
import { compileTraining, defaultAdamW } from "../../llm/train/trainer.ts";
import { compileWithin, type Sizes } from "../remedy.ts";

export const modes = ["generate", "score", "train"] as const;
export type Mode = (typeof modes)[number];

export interface SubjectOptions {
  readonly mode: Mode;
  readonly type: WeightType;
  /** With mode generate: dtype of the KV cache. */
  readonly cacheType: CacheType;
  readonly context: number;
  /** Rows that run at once. */
  readonly rows: number;
  readonly threads: number;
  /** Adapters of this rank are trained; 0: every weight. */
  readonly rank: number;
  readonly memoryLimit?: number;
}

/** One range of the plan at sizes that are typical of it. */
export interface Phase {
  readonly name: string;
  readonly range: string;
  readonly sizes: RunSizes;
  /** What the work is counted by. */
  readonly per: "token" | "step";
  /** Fills the inputs of a run in an engine whose weights are loaded; returns further slots. */
  prepare(engine: Engine, tokens: readonly number[]): Slots;
}

export interface Subject {
  readonly file: ModelFile;
  readonly options: SubjectOptions;
  readonly program: Program;
  /** What the process needs that runs it. */
  readonly process: ProcessMemory;
  readonly plan: CompiledPlan;
  /** The graph that became the plan. */
  readonly graph: Graph;
  readonly phases: readonly Phase[];
}

/** Most sequences of a batch of training or scoring. */
const SEQUENCES = 8;

/** Compiles, within the memory limit; allocates nothing. */
export function subjectOf(file: ModelFile, options: SubjectOptions): Subject {
  const process = { header: file.gguf };
  const program = compileWithin(options.memoryLimit, options, process, (sizes) =>
    compileFor(file, { ...options, ...sizes }),
  );
  const plan = program.plans.get(options.mode)!;
  const { graph } = plan.lowered.calls[0].node;
  return {
    file,
    options,
    program,
    process: processMemory(program, process),
    plan,
    graph,
    phases: phasesOf[options.mode](options, program),
  };
}

function compileFor(file: ModelFile, options: SubjectOptions & Sizes): Program {
  const { mode, type, cacheType, context, rows, threads, rank } = options;
  if (mode === "generate") return compileGeneration(file, { type, cacheType, context, rows, threads });
  const base: ModelSpec = { config: file.config, dtype: weightDtypes(file.gguf, type) };
  const common = { context, rows: Math.min(rows, context), sequences: SEQUENCES, threads };
  if (mode === "score") return compileScoring({ model: base, ...common });
  const model = rank ? { ...base, bank: { rank, roles, adapters: 1 } } : base;
  const training = { ...defaultAdamW, context, maxNorm: 1, full: rank === 0 };
  return compileTraining({ model, options: training, ...common });
}

const phasesOf: Record<Mode, (options: SubjectOptions, program: Program) => Phase[]> = {
  generate({ context }, { slots }) {
    const rows = Math.min(slots.rows, Math.max(1, context - 1));
    return [
      {
        name: "prompt",
        range: "all",
        per: "token",
        sizes: { rows, sequences: 1, outputs: 1, keys: (rows + 1) / 2 },
        prepare: (engine, tokens) => one(engine, tokens.slice(0, rows), 0),
      },
      {
        name: "decode",
        range: "all",
        per: "token",
        sizes: { rows: 1, sequences: 1, outputs: 1, keys: Math.min(rows + 1, context) },
        prepare: (engine, tokens) => one(engine, [tokens[rows] ?? tokens[0]], Math.min(rows, context - 1)),
      },
    ];
  },
  score(_options, { slots: { rows, outputs } }) {
    const keys = (rows + 1) / 2;
    const prepare = (engine: Engine, tokens: readonly number[]) => targets(engine, tokens, rows, outputs);
    return [
      { name: "body", range: "body", per: "token", sizes: { rows, sequences: 1, outputs: 0, keys }, prepare },
      { name: "head", range: "head", per: "token", sizes: { rows: outputs, sequences: 1, outputs }, prepare },
    ];
  },
  train(_options, { slots: { rows } }) {
    const sizes = { rows, sequences: 1, outputs: rows, keys: (rows + 1) / 2 };
    return [
      {
        name: "accumulate",
        range: "accumulate",
        per: "token",
        sizes,
        prepare(engine, tokens) {
          engine.f32("schedule").set(initialSchedule().data);
          return { ...targets(engine, tokens, rows, rows), step: 1 };
        },
      },
      {
        name: "apply",
        range: "apply",
        per: "step",
        sizes,
        prepare: () => ({ step: 1, learning_rate: 1e-6 }),
      },
    ];
  },
};

/** One sequence, of which the last row gives an output. */
function one(engine: Engine, tokens: readonly number[], firstKey: number): Slots {
  const sizes = writeBatch(engine, [{ tokens, firstKey }]);
  engine.u32("output_row")[0] = sizes.rows - 1;
  return { ...sizes, outputs: 1, temperature: 0, seed: 0 };
}

/** One sequence, of which each of the first rows is to predict the next. */
function targets(engine: Engine, tokens: readonly number[], rows: number, outputs: number): Slots {
  const sizes = writeBatch(engine, [{ tokens: tokens.slice(0, rows), adapter: 0 }]);
  for (let i = 0; i < outputs; i++) {
    engine.u32("output_row")[i] = i % rows;
    engine.u32("target")[i] = tokens[(i % rows) + 1];
  }
  engine.f32("weight").fill(1, 0, outputs);
  return { ...sizes, outputs };
}
