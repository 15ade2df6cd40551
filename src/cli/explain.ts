/** `edgewise explain`: what a model will need and do, before and while it does it. */
import { Command, Option } from "commander";
import type { CacheType } from "../engine/dtypes/cache.ts";
import { printGraph } from "../engine/graph/print.ts";
import { lengthsOf, listing, storagesOf, valueName } from "../engine/plan/explain.ts";
import type { Program } from "../engine/plan/program.ts";
import { type ModelFile, openModel } from "../llm/model_file.ts";
import { cacheGroups } from "../llm/models/caches.ts";
import { parameterCount } from "../llm/models/family.ts";
import type { WeightType } from "../llm/models/load.ts";
import { shared, whole } from "./arguments.ts";
import { fitsOf } from "./explain/fits.ts";
import { memoryPicture } from "./explain/memory.ts";
import { overview, phaseWorks } from "./explain/overview.ts";
import { type Mode, modes, type Subject, type SubjectOptions, subjectOf } from "./explain/subject.ts";
import { type TimedPhase, timePhases, timeTables } from "./explain/time.ts";
import { weightGroups } from "./explain/weights.ts";
import { interruptible } from "./interrupt.ts";
import { printJson } from "./json.ts";
import { COLUMNS, counted, dim, grouped, heading, wrapped } from "./terminal.ts";

interface Options {
  mode: Mode;
  type: WeightType;
  nCtx?: number;
  cacheType: CacheType;
  nBatch: number;
  threads: number;
  rank: number;
  memoryLimit?: number;
  plan?: boolean;
  memory?: boolean;
  time?: boolean;
  timeAll?: boolean;
  graph?: boolean;
  json?: boolean;
}

export function explainCommand(): Command {
  return new Command("explain")
    .description("what a model needs and does: sizes, memory, plan, work")
    .argument("<model>", "a GGUF file, or smollm2 or gemma3 of edgewise models")
    .addOption(new Option("--mode <mode>", "what it is used for").choices(modes).default("generate"))
    .addOption(shared.type())
    .addOption(shared.contextSize("positions (default: those the model was trained on)"))
    .addOption(shared.cacheType())
    .addOption(shared.batch())
    .addOption(shared.threads())
    .addOption(
      new Option("--rank <n>", "with --mode train: rank of the trained adapters; 0 trains every weight")
        .default(8)
        .argParser(whole(0, 1024)),
    )
    .addOption(shared.memoryLimit())
    .option("--memory", "a picture of the memory")
    .option("--plan", "the plan's instructions")
    .option("--time", "run it, instruction by instruction: µs with quartiles, GFLOP/s and GB/s by kernel")
    .option("--time-all", "the same, and of every instruction")
    .option("--graph", "the graph that became the plan")
    .addOption(shared.json())
    .action((path: string, options: Options) => explain(path, options));
}

async function explain(path: string, options: Options): Promise<void> {
  const file = await openModel(path);
  try {
    const subject = subjectOf(file, settings(file, options));
    const timed =
      options.time || options.timeAll
        ? await interruptible((signal) => timePhases(subject, signal))
        : undefined;
    if (options.json) printJson(report(subject, options, timed));
    else process.stdout.write(`${pages(subject, options, timed)}\n`);
  } finally {
    await file.source.close();
  }
}

function settings({ config }: ModelFile, { nCtx, nBatch, ...rest }: Options) {
  const { mode, type, cacheType, threads, rank, memoryLimit } = rest;
  const context = nCtx ?? config.context;
  return { mode, type, cacheType, context, rows: nBatch, threads, rank, memoryLimit };
}

/** The parts that were asked for; without a wish the overview. */
function pages(subject: Subject, options: Options, timed: readonly TimedPhase[] | undefined): string {
  const parts = [
    options.memory && memoryPicture(subject),
    options.plan && planText(subject),
    timed && timeTables(timed, options.timeAll === true),
    options.graph && printGraph(subject.graph),
  ].filter(Boolean);
  return parts.length ? parts.join("\n\n") : overview(subject);
}

function planText({ plan }: Subject): string {
  const { instructions, barriers, bytes } = lengthsOf(plan);
  const lines = listing(plan).map((line, i) => {
    const range = Object.entries(plan.ranges).find(([name, [first]]) => name !== "all" && first === i);
    return (range ? `${heading(`${range[0]}:`)}\n` : "") + wrapped(line, COLUMNS, 10);
  });
  const title = `${heading(`plan "${plan.name}"`)}  ${dim(`${counted(instructions, "instruction")}, ${counted(barriers, "barrier")} (|), ${grouped(bytes)} bytes`)}`;
  return [title, ...lines].join("\n");
}

/** In the words of the options. */
function settingsOf({ context, rows: _asked, ...settings }: SubjectOptions, { slots }: Program) {
  return { ...settings, nCtx: context, nBatch: slots.rows };
}

function report(subject: Subject, options: Options, timed: readonly TimedPhase[] | undefined) {
  const { file, program, plan, graph, options: settings } = subject;
  return {
    model: file.path,
    settings: settingsOf(settings, program),
    config: { ...file.config, parameters: parameterCount(file.config) },
    weights: weightGroups(subject),
    memory: program.memory,
    process: subject.process,
    caches: cacheGroups(graph),
    plan: { name: plan.name, ...lengthsOf(plan), ranges: plan.ranges },
    work: phaseWorks(subject),
    ...(settings.mode === "generate" && {
      fits: fitsOf(subject).map(({ context, ...fit }) => ({ ...fit, nCtx: context })),
    }),
    ...(options.memory && {
      arena: storagesOf(plan, program.slots).map(({ value, ...place }) => ({
        value: valueName(value),
        ...place,
      })),
    }),
    ...(options.plan && { instructions: listing(plan) }),
    ...(timed && { time: timed.map(({ phase, ...timing }) => ({ run: phase.name, ...timing })) }),
    ...(options.graph && { graph: printGraph(graph).split("\n") }),
  };
}
