/** A model small enough to run whole studies in a test: random weights, and a vocabulary that has the words of the generated tasks. */
import path from "node:path";
import { taskWords } from "../../src/lab/pretrain/vocabulary.ts";
import { taskList } from "../../src/lab/study/cohort.ts";
import type { Row } from "../../src/lab/study/row.ts";
import { checkStudy, type Study, type StudyInput } from "../../src/lab/study/study_file.ts";
import type { ModelConfig } from "../../src/llm/models/config.ts";
import { modelWeights } from "../../src/llm/models/family.ts";
import { saveModel } from "../../src/llm/models/save.ts";
import { bpeMetadata, trainBpe } from "../../src/llm/tokenizer/train_bpe.ts";
import { noise } from "../cases.ts";

export const tinyConfig: ModelConfig = {
  architecture: "llama",
  layers: 2,
  channels: 32,
  heads: 2,
  kvHeads: 1,
  headSize: 16,
  feedForward: 64,
  vocabulary: 856,
  context: 160,
  ropeBase: 10000,
  eps: 1e-5,
  tied: true,
};

/** Writes tiny.gguf; its weights are large enough for answers to differ from prompt to prompt. */
export async function writeTinyModel(directory: string): Promise<string> {
  const file = path.join(directory, "tiny.gguf");
  const words = taskWords().map((word) => ` ${word}`);
  const text = `${words.join("")} the people of the country and the congress of the united states have made it their duty to secure peace. `;
  const vocabulary = trainBpe([text.repeat(3)], {
    vocabularySize: tinyConfig.vocabulary,
    specialTokens: ["<s>"],
    wholeWords: words,
  });
  const weights = new Map(
    modelWeights(tinyConfig).map(({ name, shape, role }, i) => {
      const random = noise(i);
      const count = shape.reduce((a, b) => a * b, 1);
      return [name, Float32Array.from({ length: count }, (_, j) => (role === "norm" ? 1 : random(j) / 4))];
    }),
  );
  await saveModel(file, tinyConfig, (name) => weights.get(name)!, bpeMetadata(vocabulary));
  return file;
}

/** A study with every method, on generated and real users; two or three seconds with the tiny model. */
export function tinyStudy(model: string, changes: Partial<StudyInput> = {}): Study {
  return checkStudy({ ...tinyInput, models: { tiny: model }, ...changes }, () => "tiny study", taskList);
}

const h = 6;
const k = 2;
const training_tokens = [64, 200];
export const tinyInput = {
  name: "tiny",
  users: 3,
  dev_users: 1,
  items_per_user: 4,
  models: { tiny: "tiny.gguf" },
  tasks: { taste: {}, "sotu-choice": {} },
  grid: [
    { method: ["none", "rag", "lora", "rag+lora-reused", "rag+lora-trained"], h, k, training_tokens },
    { method: ["rag", "lora"], history: "placebo", h, k, training_tokens: 64 },
    { task: "taste", method: ["none", "lora"], compression: "q8_0", h, training_tokens: 64, rank: 4 },
    { method: "baseline:nearest", h },
  ],
} satisfies StudyInput;

/** A row without what is different in every run: rates, and who ran it when. */
export function lasting({ cost, provenance: _, memory, ...row }: Row) {
  const { trained_tokens, evaluated_tokens } = cost;
  return { ...row, trained_tokens, evaluated_tokens, predicted: memory.predicted_peak_bytes };
}

/** Rows by their keys, so that their order in the file does not matter. */
export function byKey(rows: readonly Row[]): Map<string, ReturnType<typeof lasting>> {
  return new Map([...rows].sort((a, b) => (a.key < b.key ? -1 : 1)).map((row) => [row.key, lasting(row)]));
}
