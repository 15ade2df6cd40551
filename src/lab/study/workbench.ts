/** One model at one compression, ready to score and to train adapters for a group of people. */
import { createHash } from "node:crypto";
import { REGION_CONSTANTS } from "../../../kernels/layout.ts";
import { type ModelFile, openModel } from "../../llm/model_file.ts";
import { type AdapterBank, adapterName } from "../../llm/models/graphs.ts";
import { loadWeights, weightDtypes } from "../../llm/models/load.ts";
import { compileScoring, Scorer } from "../../llm/score.ts";
import { Tokenizer } from "../../llm/tokenizer/tokenizer.ts";
import { compileTraining, defaultAdamW, Trainer } from "../../llm/train/trainer.ts";
import { Prompter } from "./prompting.ts";
import type { COMPRESSIONS } from "./settings.ts";

export type Compression = (typeof COMPRESSIONS)[number];

/** Rows and sequences of a batch: enough to keep the kernels busy, few enough for a small memory. */
const ROWS = 2048;
const SEQUENCES = 256;
const ADAPTED_ROLES = ["q", "k", "v", "o", "gate", "up", "down"] as const;

/** Tokens per second of this machine with nothing else at work. */
export interface Rates {
  readonly evaluation: number;
  readonly training: number;
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

  private constructor(
    file: ModelFile,
    scorer: Scorer,
    compression: Compression,
    threads: number,
    people: number,
  ) {
    this.file = file;
    this.scorer = scorer;
    this.compression = compression;
    this.threads = threads;
    this.people = people;
    this.prompter = new Prompter(Tokenizer.fromGguf(file.gguf.metadata), file.config.context);
    this.digest = weightsDigest(scorer);
  }

  /** `people`: most adapters in one bank. */
  static async open(
    path: string,
    compression: Compression,
    threads: number,
    people: number,
  ): Promise<Workbench> {
    const file = await openModel(path);
    const scorer = await Scorer.open(scoring(file, compression, threads));
    await loadWeights(scorer.engine, file.config, file.gguf);
    return new Workbench(file, scorer, compression, threads, people);
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

  /** Bytes planned for scoring, and for training where an adapter is fitted. */
  plannedBytes(rank: number): number {
    const { file, compression, threads } = this;
    if (!rank) return compileScoring(scoring(file, compression, threads)).memory.total;
    const bank = this.bank(rank);
    return Math.max(
      compileScoring(scoring(file, compression, threads, bank)).memory.total,
      compileTraining(training(file, compression, threads, bank)).memory.total,
    );
  }

  get modelBytes(): number {
    return this.scorer.engine.program.memory.constants;
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

/** Puts what was trained into the scorer's bank. */
export function handOver({ trainer, scorer }: { trainer: Trainer; scorer: Scorer }): void {
  for (const name of trainer.parameters) scorer.engine.f32(name).set(trainer.engine.f32(name));
}

/** Frobenius norm of B·A over all linears, and a digest of the adapter's values. */
export function adapterAudit(
  { engine }: Scorer,
  { rank, roles }: AdapterBank,
  layers: number,
  adapter: number,
) {
  const hash = createHash("sha256");
  let squares = 0;
  for (let layer = 0; layer < layers; layer++)
    for (const role of roles) {
      const [a, b] = (["a", "b"] as const).map((half) => {
        const name = adapterName(layer, role, half);
        const all = engine.f32(name);
        const size = all.length / (engine.place(name).value.shape[0] as number);
        return all.subarray(adapter * size, (adapter + 1) * size);
      });
      hash.update(Buffer.from(Float32Array.from(a).buffer)).update(Buffer.from(Float32Array.from(b).buffer));
      squares += productNorm(a, b, rank);
    }
  return { digest: hash.digest("hex").slice(0, 16), norm: Math.sqrt(squares), rank };
}

/** ‖B·A‖² = Σ (BᵀB)∘(A·Aᵀ); A (rank, in), B (out, rank). */
function productNorm(a: Float32Array, b: Float32Array, rank: number): number {
  const [into, out] = [a.length / rank, b.length / rank];
  let total = 0;
  for (let i = 0; i < rank; i++)
    for (let j = 0; j < rank; j++) {
      let [left, right] = [0, 0];
      for (let o = 0; o < out; o++) left += b[o * rank + i] * b[o * rank + j];
      for (let c = 0; c < into; c++) right += a[i * into + c] * a[j * into + c];
      total += left * right;
    }
  return total;
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
