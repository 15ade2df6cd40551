/** Hosts that cannot run anything say so, and those that look unusual can. */
import { spawnSync } from "node:child_process";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { asset, packageRoot } from "../../src/engine/host/assets.ts";
import { checkPlatform } from "../../src/engine/host/features.ts";

const model = path.join(packageRoot(), "models", "edgewise-s.gguf");

function node(...args: string[]) {
  return spawnSync(process.execPath, args, { encoding: "utf8" });
}

test("without WebAssembly the host is named, no bug and no bad file", () => {
  const command = ["generate", "-m", model, "-p", "The", "-n", "1"];
  const { status, stderr } = node("--jitless", asset("src/cli/main.js"), ...command);
  expect(stderr).toContain("host: this JavaScript engine has no WebAssembly");
  expect(stderr).not.toContain("bug");
  expect(status).toBe(1);
});

test("so are big-endian arrays", () => {
  expect(() => checkPlatform({ wasm: true, littleEndian: false })).toThrow(/host: .* big-endian/);
  expect(() => checkPlatform()).not.toThrow();
});

test("load() in a text that is given to Node as a module", () => {
  const index = pathToFileURL(asset("src/index.js")).href;
  const script = `import { load } from ${JSON.stringify(index)};
    const lm = await load(${JSON.stringify(model)}, { context: 16 });
    for await (const { text } of lm.generate("The", { max_tokens: 2 })) process.stdout.write(text);
    await lm.dispose();`;
  const { status, stdout, stderr } = node("--input-type=module", "-e", script);
  expect(stderr).toBe("");
  expect(stdout.length).toBeGreaterThan(0);
  expect(status).toBe(0);
});
