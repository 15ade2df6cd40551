import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, expect, test } from "vitest";
import { fileDtypes } from "../../src/engine/dtypes/index.ts";
import { quantizeFile } from "../../src/llm/compress/quantize.ts";
import { openModel } from "../../src/llm/model_file.ts";
import { edgewise, tinyModel } from "./command.ts";

let directory: string;
let model: string;
beforeAll(async () => {
  ({ directory, model } = await tinyModel());
});

test.each(["Q8_0", "q4_0", "F16", "f32"])(
  "%s: every matrix of whole blocks, the rest as it was",
  async (type) => {
    const out = path.join(directory, `${type}.gguf`);
    const { code, stdout } = await edgewise(["quantize", model, out, "--type", type]);
    expect(code).toBe(0);
    const hasBlocks = type.toUpperCase().startsWith("Q");
    expect(stdout.includes("rows of 36 are no whole blocks of 32")).toBe(hasBlocks);
    const [before, after] = [await openModel(model), await openModel(out)];
    expect(after.config).toEqual(before.config);
    for (const key of before.gguf.metadata.keys())
      expect(after.gguf.metadata.entries.get(key)).toEqual(before.gguf.metadata.entries.get(key));
    for (const [name, tensor] of after.gguf.tensors) {
      const isKept = tensor.shape.length < 2 || (hasBlocks && tensor.columns === 36);
      expect(`${name} ${tensor.type.ggufName}`).toBe(`${name} ${isKept ? "F32" : type.toUpperCase()}`);
    }
    await before.source.close();
    await after.source.close();
  },
);

test("a file of Q8_0 gives the same tokens as a file encoded while it is loaded", async () => {
  const out = path.join(directory, "same.gguf");
  await edgewise(["quantize", model, out, "--type", "q8_0"]);
  const args = ["-p", "The lazy", "-n", "16", "--tokens"];
  const [file, memory] = await Promise.all([
    edgewise(["generate", "-m", out, ...args]),
    edgewise(["generate", "-m", model, "--type", "q8_0", ...args]),
  ]);
  expect(file.stdout).toBe(memory.stdout);
});

test("what was quantized before is warned of", async () => {
  const [once, twice] = ["once.gguf", "twice.gguf"].map((name) => path.join(directory, name));
  await edgewise(["quantize", model, once, "--type", "q4_0"]);
  const { code, stderr } = await edgewise(["quantize", once, twice, "--type", "q8_0"]);
  expect(code).toBe(0);
  expect(stderr).toMatch(/warning: \d+ tensors of this llama are Q4_0 already; what was lost stays lost/);
});

test("Ctrl-C leaves nothing", async () => {
  const out = path.join(directory, "stopped.gguf");
  const controller = new AbortController();
  const file = await openModel(model);
  const done = quantizeFile(file, out, fileDtypes.q8_0, {
    signal: controller.signal,
    onProgress: () => controller.abort(),
  });
  await expect(done).rejects.toThrow(/abort/i);
  await file.source.close();
  expect(readdirSync(directory).filter((name) => name.includes("stopped"))).toEqual([]);
});

test("a failure leaves what was there, and nothing half-written", async () => {
  const out = path.join(directory, "there.gguf");
  writeFileSync(out, "as it was");
  const broken = path.join(directory, "broken.gguf");
  writeFileSync(broken, readFileSync(model).subarray(0, -100));
  const { code } = await edgewise(["quantize", broken, out, "--type", "q8_0"]);
  expect(code).toBe(1);
  expect(readFileSync(out, "utf8")).toBe("as it was");
  expect(readdirSync(directory).filter((name) => name.includes("partial"))).toEqual([]);
});
