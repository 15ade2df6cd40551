/** One model at one compression, ready to score and to train adapters for a group of people. */
import { createHash } from "node:crypto";
import type { ModelFile } from "../../llm/model_file.ts";
import { modelWeights } from "../../llm/models/family.ts";
import type { AdapterBank } from "../../llm/models/graphs.ts";
import { loadWeights } from "../../llm/models/load.ts";
import { Scorer } from "../../llm/score.ts";
import { Trainer } from "../../llm/train/trainer.ts";
import { ADAPTED_ROLES } from "./adapters.ts";
import type { Batches } from "./batches.ts";
import { scoring, training } from "./programs.ts";
import type { Compression } from "./settings.ts";

export interface WorkbenchOptions {
  readonly threads: number;
  /** Sizes of the programs by rank; 0: without adapters. */
  readonly batches: ReadonlyMap<number, Batches>;
}

/** Programs of one rank: a scorer with a bank of adapters, and the trainer that fills it. */
export interface Adapters {
  readonly trainer: Trainer;
  readonly scorer: Scorer;
}

/** Holds the programs of one rank at a time, so that the weights are never in memory more than twice. */
export class Workbench {
  readonly file: ModelFile;
  readonly compression: Compression;
  private readonly options: WorkbenchOptions;
  private open: { rank: number; scorer: Scorer; trainer?: Trainer } | undefined;
  private weights: string | undefined;

  constructor(file: ModelFile, compression: Compression, options: WorkbenchOptions) {
    this.file = file;
    this.compression = compression;
    this.options = options;
  }

  /** Digest of the weights as bound. */
  get digest(): string {
    if (this.weights === undefined) throw new Error("workbench: no program is open");
    return this.weights;
  }

  bank(rank: number): AdapterBank {
    return { rank, roles: ADAPTED_ROLES, adapters: this.sizes(rank).people };
  }

  /** A scorer without adapters. */
  async scorer(): Promise<Scorer> {
    return (await this.programs(0)).scorer;
  }

  /** A trainer for adapters of this rank, and a scorer with their bank. */
  async adapters(rank: number): Promise<Adapters> {
    const { scorer, trainer } = await this.programs(rank);
    return { scorer, trainer: trainer! };
  }

  async close(): Promise<void> {
    await this.open?.trainer?.close();
    await this.open?.scorer.close();
    this.open = undefined;
  }

  private async programs(rank: number) {
    if (this.open?.rank === rank) return this.open;
    await this.close();
    const { file, compression } = this;
    const { people, answering, learning } = this.sizes(rank);
    const choice = { compression, rank, people, threads: this.options.threads };
    const scorer = await Scorer.open(scoring(file, choice, answering));
    this.open = { rank, scorer };
    await loadWeights(scorer.engine, file.config, file.gguf);
    this.weights ??= weightsDigest(scorer, file);
    if (learning) {
      const trainer = await Trainer.open(training(file, choice, learning));
      this.open = { rank, scorer, trainer };
      await loadWeights(trainer.engine, file.config, file.gguf);
    }
    return this.open;
  }

  private sizes(rank: number): Batches {
    const batches = this.options.batches.get(rank);
    if (!batches) throw new Error(`workbench: nothing was planned for rank ${rank}`);
    return batches;
  }
}

function weightsDigest({ engine }: Scorer, { config }: ModelFile): string {
  const hash = createHash("sha256");
  for (const { name } of modelWeights(config)) {
    const { offset, bytes } = engine.place(name);
    hash.update(engine.bytes(offset, bytes));
  }
  return hash.digest("hex").slice(0, 16);
}
