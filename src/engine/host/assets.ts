/** Where the built files are: in dist/ of this package, whether this file runs from src/ or from dist/. */
import { existsSync } from "node:fs";
import path from "node:path";

/** Directory of this package. */
export function packageRoot(): string {
  let directory = import.meta.dirname;
  while (!existsSync(path.join(directory, "package.json"))) {
    const parent = path.dirname(directory);
    if (parent === directory) throw new Error(`host: no package.json above ${import.meta.dirname}`);
    directory = parent;
  }
  return directory;
}

/** Path of a built file, e.g. `kernels/simd.wasm`. Throws where it has not been built. */
export function asset(file: string): string {
  const found = path.join(packageRoot(), "dist", file);
  if (!existsSync(found)) throw new Error(`host: ${found} does not exist; run "npm run build"`);
  return found;
}
