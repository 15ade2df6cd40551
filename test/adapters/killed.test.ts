/** An adapter is one thing: a process that is killed while it replaces one leaves the old adapter or the new one. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { baseOf } from "../../src/llm/adapters/base.ts";
import { readAdapter } from "../../src/llm/adapters/files.ts";
import { goldenDirectory, openGolden } from "../models/golden.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), "edgewise-killed-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

async function base() {
  return baseOf((await openGolden("untied")).file);
}

/** Whether it came to its end. */
async function write(alpha: number, value: number, lethal?: number): Promise<boolean> {
  const script = path.join(import.meta.dirname, "killed_write.mjs");
  const model = (await openGolden("untied")).file.path;
  const values = [model, directory, alpha, value, ...(lethal ? [lethal] : [])].map(String);
  const { status, signal, stderr } = spawnSync(process.execPath, [script, ...values], { encoding: "utf8" });
  if (signal === "SIGKILL") return false;
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return true;
}

async function read() {
  const { adapter, warning } = await readAdapter(directory, await base());
  const values = new Set([...adapter.tensors.values()].flatMap((each) => [...each]));
  return { alpha: adapter.config.loraAlpha, values: [...values], warning };
}

test("before any call that changes the directory: the old pair or the new one, and the next write ends it", async () => {
  const seen = { old: 0, new: 0, short: 0 };
  for (let call = 1; ; call++) {
    rmSync(directory, { recursive: true });
    await write(8, 1);
    if (await write(64, 2, call)) break;
    const { alpha, values, warning } = await read();
    expect([alpha, values]).toEqual(values[0] === 1 ? [8, [1]] : [64, [2]]);
    seen[alpha === 8 ? "old" : "new"]++;
    // Another program must not find the one's settings beside the other's tensors.
    if (readdirSync(directory).includes("adapter_config.json"))
      expect(JSON.parse(readFileSync(path.join(directory, "adapter_config.json"), "utf8")).lora_alpha).toBe(
        alpha,
      );
    else {
      expect(warning).toMatch(/adapter_config\.json is not there, because a write was cut short/);
      seen.short++;
    }
    await write(16, 3);
    expect(await read()).toEqual({ alpha: 16, values: [3] });
  }
  expect(Math.min(seen.old, seen.new, seen.short)).toBeGreaterThan(0);
  expect(readdirSync(directory).sort()).toEqual(["adapter_config.json", "adapter_model.safetensors"]);
  expect(await read()).toEqual({ alpha: 64, values: [2] });
});

test("a configuration of another adapter is refused with both settings", async () => {
  await write(8, 1);
  const config = path.join(directory, "adapter_config.json");
  writeFileSync(config, readFileSync(config, "utf8").replace('"lora_alpha": 8', '"lora_alpha": 64'));
  await expect(read()).rejects.toThrow(
    /^adapter: .*: adapter_config\.json \(r 2, lora_alpha 64, .*\) is not that of adapter_model\.safetensors \(r 2, lora_alpha 8, .*\); put the file back/,
  );
});

test("PEFT's own files, which say nothing of each other, are read as they are", async () => {
  cpSync(path.join(goldenDirectory, "peft"), directory, { recursive: true });
  expect((await readAdapter(directory, await base())).adapter.config.r).toBe(4);
});
