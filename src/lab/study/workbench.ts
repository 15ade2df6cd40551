/** One model at one compression, ready to score and to train adapters for a group of people. */
import { createHash } from "node:crypto";
import { REGION_CONSTANTS } from "../../../kernels/layout.ts";
import { type ModelFile, openModel } from "../../llm/model_file.ts";
import type { AdapterBank } from "../../llm/models/graphs.ts";
import { loadWeights, weightDtypes } from "../../llm/models/load.ts";
import { Scorer } from "../../llm/score.ts";
import { Tokenizer } from "../../llm/tokenizer/tokenizer.ts";
import { defaultAdamW, Trainer } from "../../llm/train/trainer.ts";
import type { RetrieverName } from "../rag/retrievers.ts";
import { ADAPTED_ROLES } from "./adapters.ts";
import { footprint } from "./footprint.ts";
import { Prompter } from "./prompting.ts";
import type { Row } from "./row.ts";
import type { Compression } from "./settings.ts";

/** Rows and sequences of a batch: enough to keep the kernels busy, few enough for a small memory. */
const ROWS = 2048;
const SEQUENCES = 256;

/** Tokens per second of this machine with nothing else at work; training 0 where nothing trains. */
export interface Rates {
  readonly evaluation: number;
  readonly training: number;
}

export interface WorkbenchOptions {
  readonly threads: number;
  /** Most adapters in one bank. */
  readonly people: number;
  /** default: bm25 */
  readonly retriever?: RetrieverName;
}

export class Workbench {
  readonly file: ModelFile;
  readonly prompter: Prompter;
  readonly scorer: Scorer;
  readonly compression: Compression;
  /** Digest of the weights as bound. */
  readonly digest: string;
  private readonly threads: number;
  private trainer: { trainer: Trainer; rank: number; scorer: Scorer } | undefined;
  private readonly people: number;
  private readonly footprints = new Map<number, Omit<Row["memory"], "model_bytes">>();

  private constructor(
    file: ModelFile,
    tokenizer: Tokenizer,
    scorer: Scorer,
    compression: Compression,
    { threads, people, retriever }: WorkbenchOptions,
  ) {
    this.file = file;
    this.scorer = scorer;
    this.compression = compression;
    this.threads = threads;
    this.people = people;
    this.prompter = new Prompter(tokenizer, file.config.context, retriever);
    this.digest = weightsDigest(scorer);
  }

  static async open(path: string, compression: Compression, options: WorkbenchOptions): Promise<Workbench> {
    const file = await openModel(path);
    let scorer: Scorer | undefined;
    try {
      const tokenizer = Tokenizer.fromGguf(file.gguf.metadata);
      scorer = await Scorer.open(scoring(file, compression, options.threads));
      await loadWeights(scorer.engine, file.config, file.gguf);
      return new Workbench(file, tokenizer, scorer, compression, options);
    } catch (error) {
      await scorer?.close();
      await file.source.close();
      throw error;
    }
  }

  bank(rank: number): AdapterBank {
    return { rank, roles: ADAPTED_ROLES, adapters: this.people };
  }

  /** A trainer for adapters of this rank, and a scorer with their bank; kept until another rank is asked for. */
  async adapters(rank: number): Promise<{ trainer: Trainer; scorer: Scorer }> {
    if (this.trainer?.rank === rank) return this.trainer;
    await this.closeAdapters();
    const bank = this.bank(rank);
    const trainer = await Trainer.open(training(this.file, this.compression, this.threads, bank));
    await loadWeights(trainer.engine, this.file.config, this.file.gguf);
    const scorer = await Scorer.open(scoring(this.file, this.compression, this.threads, bank));
    await loadWeights(scorer.engine, this.file.config, this.file.gguf);
    this.trainer = { trainer, rank, scorer };
    return this.trainer;
  }

  /** What answering takes on a person's own machine, and training where the rank is not 0; measured once for each. */
  async memory(rank: number): Promise<Row["memory"]> {
    const { file, compression, threads } = this;
    let known = this.footprints.get(rank);
    if (!known) this.footprints.set(rank, (known = await footprint(file, { compression, rank, threads })));
    return { model_bytes: this.scorer.engine.program.memory.constants, ...known };
  }

  async close(): Promise<void> {
    await this.closeAdapters();
    await this.scorer.close();
    await this.file.source.close();
  }

  private async closeAdapters(): Promise<void> {
    await this.trainer?.trainer.close();
    await this.trainer?.scorer.close();
    this.trainer = undefined;
  }
}

function scoring(file: ModelFile, compression: Compression, threads: number, bank?: AdapterBank) {
  const model = { config: file.config, dtype: weightDtypes(file.gguf, compression), bank };
  return {
    model,
    context: file.config.context,
    rows: ROWS,
    sequences: SEQUENCES,
    outputs: SEQUENCES,
    threads,
  };
}

function training(file: ModelFile, compression: Compression, threads: number, bank: AdapterBank) {
  const model = { config: file.config, dtype: weightDtypes(file.gguf, compression), bank };
  const options = { ...defaultAdamW, maxNorm: 0, context: file.config.context, full: false };
  return { model, options, rows: ROWS, sequences: SEQUENCES, threads, sideBySide: true };
}

function weightsDigest({ engine }: Scorer): string {
  const { offset, bytes } = engine.program.regions[REGION_CONSTANTS];
  return createHash("sha256").update(engine.bytes(offset, bytes)).digest("hex").slice(0, 16);
}
