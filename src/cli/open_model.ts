/** A model for commands that generate: opened, checked against the memory limit, loaded. */
import { compileGeneration, type GenerationSetup, Generator } from "../llm/generate.ts";
import { LanguageModel } from "../llm/language_model.ts";
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
    compileWithin(memoryLimit, sizes, (smaller, limit) =>
      compileGeneration(file, { ...setup, ...smaller, memoryLimit: limit }),
    );
    const generator = await Generator.open(file, { ...setup, ...sizes });
    return new LanguageModel(file, tokenizer, generator, (performance.now() - began) / 1e3);
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
