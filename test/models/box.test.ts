import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { recipes } from "../../src/lab/pretrain/recipes.ts";
import { mixGroup } from "../../src/lab/tasks/pretrain_mix.ts";
import { openModel } from "../../src/llm/model_file.ts";
import { Tokenizer } from "../../src/llm/tokenizer/tokenizer.ts";

const directory = new URL("../../models/", import.meta.url);
const read = (name: string) => readFileSync(new URL(name, directory));
const sha256 = (data: Uint8Array | string) => createHash("sha256").update(data).digest("hex");

describe("the models in the box", () => {
  test("are the files whose checksums are given, 5 MB together", () => {
    const lines = read("SHA256SUMS").toString().trim().split("\n");
    const files = lines.map((line) => line.split("  "));
    expect(files.map(([, name]) => name)).toEqual(["edgewise-m.gguf", "edgewise-s.gguf"]);
    for (const [sum, name] of files) expect(sha256(read(name))).toBe(sum);
    const bytes = files.reduce((total, [, name]) => total + read(name).length, 0);
    expect(bytes).toBeLessThanOrEqual(5_000_000);
  });

  test.each(Object.values(recipes))(
    "$name has the sizes and the vocabulary of its recipe",
    async (recipe) => {
      const file = await openModel(new URL(`${recipe.name}.gguf`, directory).pathname);
      const { eps, ...sizes } = file.config;
      const { eps: wanted, ...rest } = recipe.model;
      expect(sizes).toEqual(rest);
      expect(eps).toBeCloseTo(wanted, 10);
      const tokenizer = Tokenizer.fromGguf(file.gguf.metadata);
      expect(tokenizer.vocabularySize).toBe(recipe.model.vocabulary);
      expect(tokenizer.encode(" wolves calm", { bos: false })).toHaveLength(2);
      await file.source.close();
    },
  );

  /** Who changes the mix, the tasks or the retrieval changes what the commands make: the models must then be trained again. */
  test("were trained on the mix that the code makes today", () => {
    const groups = Array.from({ length: 200 }, (_, index) => mixGroup(recipes.m.seed, index));
    expect(sha256(JSON.stringify(groups))).toBe(MIX);
  });
});

const MIX = "7de70314250e3f8a3db56900c01bb824b475ca37c7a3defa182a010f9e8f71ec";
