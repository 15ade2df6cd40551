import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { MemoryLimitError } from "../../src/engine/plan/program.ts";
import { InputError } from "../../src/errors.ts";
import { Generator } from "../../src/llm/generate.ts";
import { openModel } from "../../src/llm/model_file.ts";
import { Tokenizer } from "../../src/llm/tokenizer/tokenizer.ts";
import { tinyModel } from "./command.ts";

const { directory, model } = await tinyModel();
const whole = readFileSync(model);
const changed = path.join(directory, "changed.gguf");

/** Everything that a command does with a model; what it gives, or the error. */
async function useModel(): Promise<unknown> {
  try {
    const file = await openModel(changed);
    try {
      const tokenizer = Tokenizer.fromGguf(file.gguf.metadata);
      const generator = await Generator.open(file, { inProcess: true, memoryLimit: 2 ** 27 });
      const token = await generator.feed(tokenizer.encode("The dog", { bos: true }));
      tokenizer.decode([token]);
      await generator.close();
      return token;
    } finally {
      await file.source.close();
    }
  } catch (error) {
    return error;
  }
}

const isAllowed = (outcome: unknown) =>
  typeof outcome === "number" || outcome instanceof InputError || outcome instanceof MemoryLimitError;

/** Words that headers are likely to trust. */
const words = fc.constantFrom(
  0,
  1,
  2,
  3,
  7,
  0xff,
  0x7fffffff,
  0x80000000,
  0xffffffff,
  0x7f800000,
  0x7fc00000,
);

test("a header with changed words gives a model or a clear error", async () => {
  const header = whole.indexOf("token_embd") + 2000;
  const outcomes = { model: 0, error: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(header - 4), words), { minLength: 1, maxLength: 3 }),
      async (changes) => {
        const bytes = Buffer.from(whole);
        for (const [at, word] of changes) bytes.writeUInt32LE(word, at);
        writeFileSync(changed, bytes);
        const outcome = await useModel();
        if (!isAllowed(outcome)) throw outcome;
        outcomes[typeof outcome === "number" ? "model" : "error"]++;
      },
    ),
    { numRuns: 300 },
  );
  expect(outcomes.error).toBeGreaterThan(30);
});

/** Every number of the metadata, by the words that stand for it. */
function metadataNumbers(): number[] {
  const keys = [...whole.toString("latin1").matchAll(/llama\.[a-z_.]+|tokenizer\.ggml\.[a-z_]+_id/g)];
  return keys.map(({ index, 0: key }) => index + key.length + 4);
}

test("every size of the metadata, set to anything, gives a model or a clear error", async () => {
  const places = metadataNumbers();
  expect(places.length).toBeGreaterThan(12);
  const reached = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...places), fc.oneof(words, fc.nat(2000)), async (at, word) => {
      const bytes = Buffer.from(whole);
      bytes.writeUInt32LE(word, at);
      writeFileSync(changed, bytes);
      const outcome = await useModel();
      if (!isAllowed(outcome)) throw outcome;
      if (outcome instanceof Error) reached.add(outcome.message.split(":")[0]);
    }),
    { numRuns: 400 },
  );
  // Past the reader of files, into the rules of the model.
  expect([...reached]).toContain("llama");
});
