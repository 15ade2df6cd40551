/** A comparison that fails says so in few lines, however much was compared. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { expect, test } from "vitest";

const root = path.resolve(import.meta.dirname, "../..");

test("a comparison of 40,000 numbers that fails prints at most ten lines of them", () => {
  const folder = mkdtempSync(path.join(root, "node_modules", ".failures-"));
  try {
    const file = path.join(folder, "fails.test.ts");
    const numbers = "Float32Array.from({ length: 40_000 }, (_, i) => i";
    writeFileSync(
      file,
      `import { expect, test } from "vitest";
       test("fails", () => expect(${numbers})).toEqual(${numbers} + 1)));`,
    );
    const config = path.join(folder, "vitest.config.ts");
    writeFileSync(
      config,
      `import { mergeConfig } from "vitest/config";
       import config from ${JSON.stringify(path.join(root, "vitest.config.ts"))};
       const merged = mergeConfig(config, { test: { exclude: [] } });
       merged.test.include = [${JSON.stringify(file)}];
       export default merged;`,
    );
    const vitest = path.join(root, "node_modules", "vitest", "vitest.mjs");
    const args = [vitest, "run", "--config", config, "--root", root, "--reporter=default"];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
    expect(status).toBe(1);
    const output = stdout + stderr;
    expect(output).toMatch(/1 failed/);
    const compared = stripVTControlCharacters(output)
      .split("\n")
      .filter((line) => /^[-+ ] .*\d+,$/.test(line));
    expect(compared.length).toBeGreaterThan(0);
    expect(compared.length).toBeLessThanOrEqual(10);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
