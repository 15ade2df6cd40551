import { existsSync } from "node:fs";
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
