import { type Gguf, readGguf } from "./files/gguf.ts";
import { type FileSource, openFile } from "./files/source.ts";
import type { ModelConfig } from "./models/config.ts";
import { configFromGguf } from "./models/from_gguf.ts";

/** A model on disk: its header read and checked, its weights not yet. */
export interface ModelFile {
  readonly path: string;
  readonly source: FileSource;
  readonly gguf: Gguf;
  readonly config: ModelConfig;
}

/** Opens a GGUF file. Raises InputError, naming file, place, rule and values, where it is not a model that edgewise can run. */
export async function openModel(path: string): Promise<ModelFile> {
  const source = await openFile(path);
  try {
    const gguf = await readGguf(source);
    return { path, source, gguf, config: configFromGguf(gguf) };
  } catch (error) {
    await source.close();
    throw error;
  }
}
