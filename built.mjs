/**
 * Whether dist/ is what a build of these sources would make: `node built.mjs` exits with 0 where it is. A build begins with
 * `node built.mjs begin` and ends with `node built.mjs end`, so that one that failed or was stopped counts for nothing.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";

const root = import.meta.dirname;
const stamp = path.join(root, "dist", ".sources");
const INPUTS = ["src", "kernels", "bench", "package-lock.json", "asconfig.json", "tsconfig.json"];

/** sha256 over the names and contents of all that is built. */
function digestOfSources() {
  const hash = createHash("sha256");
  for (const file of INPUTS.flatMap(filesIn).sort())
    hash.update(`${file}\n`).update(readFileSync(path.join(root, file))).update("\n");
  return hash.digest("hex");
}

/** Paths of a file, or of all files in a directory, from the root. */
function filesIn(input) {
  if (statSync(path.join(root, input)).isFile()) return [input];
  return readdirSync(path.join(root, input)).flatMap((name) => filesIn(path.join(input, name)));
}

const [step] = process.argv.slice(2);
if (step === "begin") rmSync(stamp, { force: true });
else if (step === "end") {
  mkdirSync(path.dirname(stamp), { recursive: true });
  writeFileSync(stamp, digestOfSources());
} else process.exitCode = existsSync(stamp) && readFileSync(stamp, "utf8") === digestOfSources() ? 0 : 1;
