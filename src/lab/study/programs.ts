/** The two programs of a study, answering and training, for one model at one compression. */
import type { ModelFile } from "../../llm/model_file.ts";
import { weightDtypes } from "../../llm/models/load.ts";
import type { ScorerSetup } from "../../llm/score.ts";
import { defaultAdamW, type TrainerSetup } from "../../llm/train/trainer.ts";
import { ADAPTED_ROLES } from "./adapters.ts";
import type { Extent } from "./extent.ts";
import type { Compression } from "./settings.ts";

export interface ProgramChoice {
  readonly compression: Compression;
  readonly threads: number;
  /** Of the adapters; 0: none. */
  readonly rank: number;
  /** Adapters in the bank. */
  readonly people: number;
}

function specOf({ config, gguf }: ModelFile, { compression, rank, people }: ProgramChoice) {
  const bank = rank ? { rank, roles: ADAPTED_ROLES, adapters: people } : undefined;
  return { config, dtype: weightDtypes(gguf, compression), bank };
}

export function scoring(file: ModelFile, choice: ProgramChoice, extent: Extent): ScorerSetup {
  const { sequence: context, rows, sequences, outputs } = extent;
  return { model: specOf(file, choice), context, rows, sequences, outputs, threads: choice.threads };
}

export function training(file: ModelFile, choice: ProgramChoice, extent: Extent): TrainerSetup {
  const { sequence: context, rows, sequences, outputs } = extent;
  const options = { ...defaultAdamW, maxNorm: 0, context, full: false };
  const { threads } = choice;
  return { model: specOf(file, choice), options, rows, sequences, outputs, threads, sideBySide: true };
}
