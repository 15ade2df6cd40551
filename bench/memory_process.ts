/**
 * A fresh process that uses a model once, as its argument says, within its memory limit; prints bytes as JSON: the plan, the predicted process,
 * and the resident peak. `imports` and `compile` end before anything is allocated, `host` runs no model: what constants are measured by.
 */
import { keepHeapSmall } from "../src/engine/host/heap.ts";
import type { Program } from "../src/engine/plan/program.ts";
import type { ProcessMemory } from "../src/llm/memory/process_memory.ts";
import type { ModelFile } from "../src/llm/model_file.ts";

export interface Job {
  readonly mode: "imports" | "compile" | "host" | "generate" | "score" | "train";
  readonly model: string;
  /** Positions of the cache, or of the one sequence that is scored or trained on. */
  readonly context: number;
  readonly threads: number;
  /** Of the whole process, in bytes. */
  readonly limit?: number;
  /** As a program does that only loads a model: the heap is not kept small. */
  readonly library?: boolean;
}

export interface Peak {
  readonly plan: number;
  readonly instructions: number;
  readonly predicted: ProcessMemory;
  readonly peak: number;
}

const job = JSON.parse(process.argv[2]) as Job;
if (!job.library) keepHeapSmall();
const { Generator, compileGeneration } = await import("../src/llm/generate.ts");
const { openModel } = await import("../src/llm/model_file.ts");
const { checkProcess } = await import("../src/llm/memory/limit.ts");
const { peakResident } = await import("../src/llm/memory/peak.ts");
const { processMemory } = await import("../src/llm/memory/process_memory.ts");
const { loadWeights, weightDtypes } = await import("../src/llm/models/load.ts");
const { roles } = await import("../src/llm/models/config.ts");
const { compileScoring, Scorer } = await import("../src/llm/score.ts");
const { Tokenizer } = await import("../src/llm/tokenizer/tokenizer.ts");
const { compileTraining, defaultAdamW, Trainer } = await import("../src/llm/train/trainer.ts");
await import("../src/llm/language_model.ts");
const { collectGarbage } = await import("../src/engine/host/heap.ts");
const { createHost } = await import("../src/engine/host/host.ts");

const file = await openModel(job.model);
const { context, threads } = job;
const rows = Math.min(128, context);
const dtype = weightDtypes(file.gguf, "file");
const scoring = { model: { config: file.config, dtype }, context, rows: context, sequences: 1, threads };
const training = {
  model: { config: file.config, dtype, bank: { rank: 8, roles, adapters: 1 } },
  options: { ...defaultAdamW, context, maxNorm: 1, full: false },
  context,
  rows: context,
  sequences: 1,
  threads,
};

async function run(): Promise<void> {
  if (job.mode === "imports") return;
  if (job.mode === "host") {
    const host = await createHost({ bytes: 2 ** 20, threads });
    await host.call("open").catch(() => {}); // that its memory is empty is no matter
    return;
  }
  const program = compiled(file);
  report(program);
  if (job.mode === "compile") return;
  checkProcess(program, job.limit, { header: file.gguf });
  const tokenizer = Tokenizer.fromGguf(file.gguf.metadata);
  file.gguf.metadata.forgetArrays("tokenizer.ggml.");
  collectGarbage();
  const tokens = Array.from({ length: context }, (_, i) => (7 * i) % file.config.vocabulary);
  if (job.mode === "generate") {
    const generator = await Generator.open(file, { context, rows, threads }, program);
    const prompt = tokens.slice(0, context - 8);
    for await (const token of generator.generate(prompt, { maxTokens: 8 })) tokenizer.decode([token]);
  } else if (job.mode === "score") {
    const scorer = await Scorer.open(scoring, program);
    await loadWeights(scorer.engine, file.config, file.gguf);
    await scorer.continuations([{ tokens, from: 1 }]);
  } else {
    const trainer = await Trainer.open(training, program);
    await loadWeights(trainer.engine, file.config, file.gguf);
    await trainer.update([[{ tokens, weights: tokens.map(() => 1), adapter: 0, scale: 1 }]], 1e-3);
  }
}

function compiled(file: ModelFile): Program {
  if (job.mode === "score") return compileScoring(scoring);
  if (job.mode === "train") return compileTraining(training);
  return compileGeneration(file, { context, rows, threads });
}

let found: Omit<Peak, "peak"> | undefined;

function report(program: Program): void {
  const plans = [...program.plans.values()];
  found = {
    plan: program.memory.total,
    instructions: plans.reduce((sum, { instructions }) => sum + instructions.length, 0),
    predicted: processMemory(program, { header: file.gguf }),
  };
}

await run();
console.log(JSON.stringify({ ...found, peak: peakResident() }));
process.exit(0);
