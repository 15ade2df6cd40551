/** What commands share: models by their name in the cache, one spelling of options in JSON, seeds of a chat. */
import { copyFileSync, mkdtempSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { snakeCased } from "../../src/cli/json.ts";
import { modelPaths, type Study } from "../../src/lab/study/study_file.ts";
import { load } from "../../src/llm/language_model.ts";
import { chatModel } from "../chat/models.ts";
import { edgewise, tinyModel } from "./command.ts";

const cache = mkdtempSync(path.join(tmpdir(), "edgewise-named-"));
const cached = path.join(cache, "SmolLM2-135M-Instruct.Q4_1.gguf");
const environment = { EDGEWISE_MODELS: cache };
const text = path.join(cache, "text.txt");
let directory: string;
let model: string;
let talking: string;
beforeAll(async () => {
  ({ directory, model } = await tinyModel());
  talking = await chatModel();
  copyFileSync(talking, cached);
  writeFileSync(text, "The quick brown fox jumps over the lazy dog.");
});
afterEach(() => vi.unstubAllEnvs());

/** Every command that takes a model, with options of which JSON shows all. */
const commands = (name: string): string[][] => [
  ["generate", "-m", name, "-p", "The", "-n", "2", "--n-ctx", "30", "--cache-type", "f16", "--top-k", "3"],
  ["chat", "-m", name, "-n", "2", "--n-ctx", "60", "--cache-type", "f16", "--top-k", "3"],
  ["explain", name, "--n-ctx", "30", "--cache-type", "f16", "--n-batch", "7"],
  ["perplexity", text, "-m", name, "--n-ctx", "30"],
  ["quantize", name, path.join(directory, "named.gguf"), "--type", "q8_0"],
];

describe("smollm2 and SmolLM2-135M-Instruct name the model in the cache", () => {
  test.each(["smollm2", "SmolLM2-135M-Instruct"])("%s, in every command", async (name) => {
    for (const args of commands(name)) {
      const { code, stdout } = await edgewise([...args, "--json"], "", environment);
      expect({ command: args[0], code }).toEqual({ command: args[0], code: 0 });
      expect(() => JSON.parse(stdout)).not.toThrow();
    }
  });

  test("in a program and in a study file", async () => {
    vi.stubEnv("EDGEWISE_MODELS", cache);
    const lm = await load("smollm2", { context: 32, inProcess: true });
    expect(lm.file.path).toBe(cached);
    await lm.dispose();
    const study = { models: { s: "smollm2", m: "m.gguf" }, directory } as unknown as Study;
    expect(modelPaths(study)).toEqual([
      ["s", cached],
      ["m", path.join(directory, "m.gguf")],
    ]);
  });

  test("a file of that name comes first; one that is not fetched is named, with what to do", async () => {
    vi.stubEnv("EDGEWISE_MODELS", cache);
    copyFileSync(model, path.join(directory, "smollm2"));
    const study = { models: { s: "smollm2" }, directory } as unknown as Study;
    expect(modelPaths(study)).toEqual([["s", path.join(directory, "smollm2")]]);
    const { code, stderr } = await edgewise(["explain", "gemma3"], "", environment);
    expect([code, stderr]).toEqual([
      1,
      `edgewise: model: gemma3: ${cache}/gemma-3-270m-q4_k_m.gguf is not there; fetch it with "edgewise models gemma3" (in a checkout: npm run models), or name a GGUF file\n`,
    ]);
  });
});

describe("JSON spells an option as the command line does, with underscores", () => {
  const keysOf = (value: unknown): string[] =>
    typeof value !== "object" || value === null
      ? []
      : Object.entries(value).flatMap(([key, part]) => [
          ...(Array.isArray(value) ? [] : [key]),
          ...keysOf(part),
        ]);

  test("in every command's document, all of it", async () => {
    for (const args of commands(talking)) {
      const { stdout } = await edgewise([...args, "--json"]);
      const document = JSON.parse(stdout);
      expect(keysOf(document).filter((key) => /[A-Z]/.test(key))).toEqual([]);
      const options = args.filter((word) => word.startsWith("--") && word !== "--type");
      const asked = options.map((option) => option.slice(2).replaceAll("-", "_"));
      if (args[0] !== "quantize")
        expect(Object.keys(document.settings)).toEqual(expect.arrayContaining(asked));
    }
  });

  test("keys, not values", () => {
    expect(snakeCased({ cacheType: "fromBytes", list: [{ multiplyAdds: 1 }], q8_0: null })).toEqual({
      cache_type: "fromBytes",
      list: [{ multiply_adds: 1 }],
      q8_0: null,
    });
  });
});

describe("a chat's seed", () => {
  const settings = async (...options: string[]) => {
    const { stdout } = await edgewise(["chat", "-m", talking, "-n", "4", "--json", ...options], "The fox\n");
    const { settings, messages } = JSON.parse(stdout);
    return { seed: settings.seed as number, answer: messages.at(-1).content as string };
  };

  test("is drawn anew, said, and gives the same answer again", async () => {
    const [one, other] = [await settings(), await settings()];
    expect(one.seed).not.toBe(other.seed); // once in 4 billion times
    expect(await settings("--seed", String(one.seed))).toEqual(one);
  });
});

describe("quantize tells the bytes of files", () => {
  test("as they are on the disk, and warns where the result is larger", async () => {
    const small = path.join(directory, "small.gguf");
    const large = path.join(directory, "large.gguf");
    const smaller = await edgewise(["quantize", model, small, "--type", "q4_0", "--pure", "--json"]);
    expect(JSON.parse(smaller.stdout).bytes).toEqual({
      before: statSync(model).size,
      after: statSync(small).size,
    });
    expect(smaller.stderr).not.toContain("more than the input");
    const larger = await edgewise(["quantize", small, large, "--type", "f32"]);
    const more = statSync(large).size - statSync(small).size;
    expect(larger.stderr).toContain(`${more.toLocaleString("en")} more than the input`);
    expect(larger.stdout).toMatch(/large\.gguf: file of .* → .* \(\d+\.\d%, larger\)/);
  });
});
