import { checkPlatform } from "../engine/host/features.ts";
import { InputError } from "../errors.ts";
import { modelPathOf } from "./files/cached_models.ts";
import { type Gguf, readGguf } from "./files/gguf.ts";
import { type FileSource, openFile } from "./files/source.ts";
import type { ModelConfig } from "./models/config.ts";
import { readConfig } from "./models/from_gguf.ts";

/** A model on disk: its header read and checked, its weights not yet. */
export interface ModelFile {
  readonly path: string;
  readonly source: FileSource;
  readonly gguf: Gguf;
  readonly config: ModelConfig;
}

/** Opens a GGUF file, named by its path or by its name in the cache. Raises InputError, naming file, place, rule and values, where it is not a model that edgewise can run. */
export async function openModel(path: string): Promise<ModelFile> {
  const source = await openFile(modelPathOf(path));
  try {
    return await modelOf(source);
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** A model of bytes that are open already; the source stays the caller's to close. */
export async function modelOf(source: FileSource): Promise<ModelFile> {
  checkPlatform();
  const gguf = await readGguf(source);
  const config = await readConfig(gguf);
  checkVocabulary(gguf, config);
  return { path: source.name, source, gguf, config };
}

/** Every token has its row in the embedding, and every row its token; a file may also do without a tokenizer. */
function checkVocabulary({ metadata }: Gguf, { architecture, vocabulary }: ModelConfig): void {
  const differ = (count: number, what: string) =>
    new InputError(
      `tokenizer: ${metadata.file}: ${what} ${count} tokens, the embedding "token_embd.weight" has ${vocabulary} rows`,
    );
  const tokens = metadata.count("tokenizer.ggml.tokens");
  if (tokens !== undefined && tokens !== vocabulary) throw differ(tokens, "the vocabulary has");
  const key = `${architecture}.vocab_size`;
  const stated = metadata.number(key, vocabulary);
  if (stated !== vocabulary) throw differ(stated, `metadata "${key}" says`);
}
