/** A model for commands that generate: opened, checked against the memory limit, loaded. */
import { collectGarbage } from "../engine/host/heap.ts";
import { compileGeneration, type GenerationSetup, Generator } from "../llm/generate.ts";
import { LanguageModel } from "../llm/language_model.ts";
import { memoryLimitOf } from "../llm/memory/limit.ts";
import { processMemory } from "../llm/memory/process_memory.ts";
import { type ModelFile, openModel } from "../llm/model_file.ts";
import { Tokenizer } from "../llm/tokenizer/tokenizer.ts";
import { compileWithin, type Sizes } from "./remedy.ts";

export interface Needs extends Omit<GenerationSetup, keyof Sizes> {
  /** What decides about memory; it may depend on what the file says. */
  sizes(file: ModelFile, tokenizer: Tokenizer): Sizes;
}

/** The loaded model. Over the memory limit it raises an InputError with a remedy, before anything is allocated. */
export async function openLanguageModel(path: string, needs: Needs): Promise<LanguageModel> {
  const began = performance.now();
  const { sizes: sizesOf, memoryLimit, ...setup } = needs;
  const file = await openModel(path);
  try {
    const tokenizer = Tokenizer.fromGguf(file.gguf.metadata);
    const sizes = sizesOf(file, tokenizer);
    const program = compileWithin(memoryLimitOf(memoryLimit), sizes, { header: file.gguf }, (smaller) =>
      compileGeneration(file, { ...setup, ...smaller }),
    );
    const process = processMemory(program, { header: file.gguf });
    // The tokenizer has them, and the weights need the room.
    file.gguf.metadata.forgetArrays("tokenizer.ggml.");
    collectGarbage();
    const generator = await Generator.open(file, { ...setup, ...sizes }, program);
    return new LanguageModel(file, tokenizer, generator, {
      load: (performance.now() - began) / 1e3,
      process,
    });
  } catch (error) {
    await file.source.close();
    throw error;
  }
}

/** Says so where more positions are asked for than the model has learnt. */
export function warnOfContext(context: number, { config }: ModelFile): void {
  if (context > config.context)
    process.stderr.write(
      `edgewise: warning: ${context} positions, but the model was trained on ${config.context}; text after that may make no sense\n`,
    );
}
