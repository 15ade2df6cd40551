/**
 * edgewise as a library: language models that run and learn on a small CPU, in WebAssembly made here from scratch.
 *
 *     const lm = await load("model.gguf", { context: 256, threads: 2, memoryLimit: 64 * 2 ** 20 });
 *     for await (const piece of lm.generate("Once upon a time", { max_tokens: 50, temperature: 0.8, seed: 1 }))
 *       process.stdout.write(piece.text);
 *     await lm.dispose();
 *
 * What is too large is refused before anything is allocated (MemoryLimitError, with every part of memory); what is wrong with a file
 * or a value is an InputError that says where, which rule, and what was found.
 */

export type { EncodableDtype, EncodableDtypeName, FileDtype, FileDtypeName } from "./engine/dtypes/index.ts";
export { encodableDtypes, fileDtypes } from "./engine/dtypes/index.ts";
export { Graph, type SlotSizes, type Value } from "./engine/graph/graph.ts";
export { printGraph } from "./engine/graph/print.ts";
export { Engine } from "./engine/host/engine.ts";
export { PlanError } from "./engine/host/errors.ts";
export { ops } from "./engine/ops/index.ts";
export { disassemble } from "./engine/plan/bytes.ts";
export { arenaPicture, listing, totalsOf, workOf } from "./engine/plan/explain.ts";
export {
  compile,
  formatBytes,
  MemoryLimitError,
  type MemoryParts,
  type Program,
} from "./engine/plan/program.ts";
export { gradientOf } from "./engine/transform/gradient.ts";
export { interpret } from "./engine/transform/reference.ts";
export { InputError } from "./errors.ts";
export type { ChatCompletion, ChatCompletionChunk, ChatUsage } from "./llm/chat/completions.ts";
export type { ChatMessage, ChatRequest } from "./llm/chat/request.ts";
export { quantizeFile } from "./llm/compress/quantize.ts";
export { compileGeneration, type GenerationSetup, Generator, type Sampling } from "./llm/generate.ts";
export type { GenerateOptions } from "./llm/generate_options.ts";
export type { FinishReason, LoadOptions, Piece, Usage } from "./llm/language_model.ts";
export { LanguageModel, load } from "./llm/language_model.ts";
export type { TokenLogprob, TokenLogprobs } from "./llm/logprobs.ts";
export { type ModelFile, openModel } from "./llm/model_file.ts";
export type { ModelConfig, Role, WeightSpec } from "./llm/models/config.ts";
export { modelWeights, parameterCount } from "./llm/models/family.ts";
export type { AdapterBank, ModelSpec, TrainOptions } from "./llm/models/graphs.ts";
export { loadWeights, type WeightType, weightDtypes } from "./llm/models/load.ts";
export { saveModel } from "./llm/models/save.ts";
export { type Likelihood, likelihoodOf } from "./llm/perplexity.ts";
export { compileScoring, Scorer, type ScorerSetup } from "./llm/score.ts";
export type { TextScore } from "./llm/score_texts.ts";
export { Tokenizer } from "./llm/tokenizer/tokenizer.ts";
export { loadCheckpoint, saveCheckpoint } from "./llm/train/checkpoint.ts";
export type { Example } from "./llm/train/example.ts";
export { initializeAdapter, initializeModel } from "./llm/train/initialize.ts";
export { learningRateAt, type Schedule } from "./llm/train/schedule.ts";
export {
  compileTraining,
  defaultAdamW,
  Trainer,
  type TrainerSetup,
} from "./llm/train/trainer.ts";
export { packageVersion } from "./version.ts";
