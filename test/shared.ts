import { existsSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";

const repository = path.resolve(import.meta.dirname, "..");

/**
 * Path of a file of the shared data: in the directory EDGEWISE_DATA, or in `shared/data` beside the checkout. undefined where it is
 * absent; the tests that need it then skip.
 */
export function sharedData(file: string): string | undefined {
  const root = process.env.EDGEWISE_DATA ?? path.join(repository, "..", "shared", "data");
  const found = path.join(root, file);
  return existsSync(found) ? found : undefined;
}

/**
 * Path of a real model in the cache that `npm run models` fills. undefined where it is absent; the tests that need it then skip.
 */
export function cachedModel(name: string): string | undefined {
  const cache = process.env.XDG_CACHE_HOME ?? path.join(homedir(), ".cache");
  const found = path.join(process.env.EDGEWISE_MODELS ?? path.join(cache, "edgewise", "models"), name);
  return existsSync(found) ? found : undefined;
}
