/** What a cell needs of a person's own machine: the programs for one adapter, planned, and measured in a process of their own. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { asset } from "../../engine/host/assets.ts";
import { processMemory } from "../../llm/memory/process_memory.ts";
import { type ModelFile, openModel } from "../../llm/model_file.ts";
import { loadWeights } from "../../llm/models/load.ts";
import { compileScoring, Scorer } from "../../llm/score.ts";
import { Tokenizer } from "../../llm/tokenizer/tokenizer.ts";
import { compileTraining, Trainer } from "../../llm/train/trainer.ts";
import { type Extent, rounded } from "./extent.ts";
import { type ProgramChoice, scoring, training } from "./programs.ts";
import type { Row } from "./row.ts";

/** One program of one person. */
interface Errand extends ProgramChoice {
  readonly model: string;
  readonly kind: "score" | "train";
  readonly extent: Extent;
}

export interface Needs {
  readonly answering: Extent;
  /** Where something is trained. */
  readonly learning?: Extent;
}

/** Footprints of one model at one compression; each program is measured once. */
export class Footprints {
  private readonly known = new Map<string, Promise<Row["memory"]>>();
  private readonly file: ModelFile;
  private readonly signal?: AbortSignal;

  constructor(file: ModelFile, signal?: AbortSignal) {
    this.file = file;
    this.signal = signal;
  }

  /**
   * The larger of a person's two programs, for what they are the longest of, rounded up: as planned, as predicted for a process that holds
   * nothing else, and as the resident peak of such a process.
   */
  of(choice: Omit<ProgramChoice, "people">, needs: Needs): Promise<Row["memory"]> {
    const errands = errandsOf(this.file, choice, needs);
    const key = JSON.stringify(errands);
    let footprint = this.known.get(key);
    if (!footprint) this.known.set(key, (footprint = this.measure(errands)));
    return footprint;
  }

  private async measure(errands: readonly Errand[]): Promise<Row["memory"]> {
    const { errand, program } = larger(this.file, errands);
    return {
      model_bytes: program.memory.constants,
      program_bytes: program.memory.total,
      predicted_peak_bytes: processMemory(program, { header: this.file.gguf }).total,
      measured_peak_bytes: await peakBytes(errand, this.signal),
    };
  }
}

/** Predicted peak of a process that holds the larger of a person's two programs, and nothing else. */
export function predictedPeak(file: ModelFile, choice: Omit<ProgramChoice, "people">, needs: Needs): number {
  const { program } = larger(file, errandsOf(file, choice, needs));
  return processMemory(program, { header: file.gguf }).total;
}

function errandsOf(
  file: ModelFile,
  choice: Omit<ProgramChoice, "people">,
  { answering, learning }: Needs,
): Errand[] {
  const common = { ...choice, people: 1, model: file.path };
  const score: Errand = { ...common, kind: "score", extent: rounded(answering) };
  return learning ? [score, { ...common, kind: "train", extent: rounded(learning) }] : [score];
}

function larger(file: ModelFile, errands: readonly Errand[]) {
  const programs = errands.map((errand) => ({ errand, program: compiled(file, errand) }));
  return programs.reduce((a, b) => (b.program.memory.total > a.program.memory.total ? b : a));
}

function compiled(file: ModelFile, errand: Errand) {
  const { extent } = errand;
  return errand.kind === "score"
    ? compileScoring(scoring(file, errand, extent))
    : compileTraining(training(file, errand, extent));
}

async function peakBytes(errand: Errand, signal?: AbortSignal): Promise<number> {
  const program = asset("src/lab/study/footprint_process.js");
  const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(errand)], {
    signal,
  });
  return Number(stdout);
}

/** Opens the program, fills it with the model's weights and runs it once at its full size. */
export async function runOnce(errand: Errand): Promise<void> {
  const file = await openModel(errand.model);
  const { config, gguf } = file;
  const { kind, extent, rank } = errand;
  Tokenizer.fromGguf(gguf.metadata);
  const adapter = rank ? { adapter: 0, scale: 1 } : {};
  if (kind === "score") {
    const scorer = await Scorer.open(scoring(file, errand, extent));
    await loadWeights(scorer.engine, config, gguf);
    const tokens = Array<number>(extent.sequence).fill(0);
    await scorer.continuations([{ tokens, from: tokens.length - 1, ...adapter }]);
    await scorer.close();
  } else {
    const trainer = await Trainer.open(training(file, errand, extent));
    await loadWeights(trainer.engine, config, gguf);
    await trainer.update([filling(extent).map((example) => ({ ...example, ...adapter }))], 1e-6);
    await trainer.close();
  }
  await file.source.close();
}

/** Sequences that fill a step to its last row, as many of its tokens learned as there may be. */
function filling({ rows, sequence, outputs }: Extent) {
  const examples = [];
  let learned = 0;
  for (let used = 0; used < rows; ) {
    const length = Math.min(sequence, rows - used + 1);
    const weights = Array.from({ length }, (_, i) =>
      i > 0 && learned < outputs && ++learned ? 1 / outputs : 0,
    );
    examples.push({ tokens: Array<number>(length).fill(0), weights });
    used += length - 1;
  }
  return examples;
}
