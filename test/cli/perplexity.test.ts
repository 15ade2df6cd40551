import { writeFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { Generator } from "../../src/llm/generate.ts";
import { openModel } from "../../src/llm/model_file.ts";
import { windowsOf } from "../../src/llm/perplexity.ts";
import { Tokenizer } from "../../src/llm/tokenizer/tokenizer.ts";
import { cachedModel, sharedData } from "../shared.ts";
import { edgewise, tinyModel } from "./command.ts";

let directory: string;
let model: string;
beforeAll(async () => {
  ({ directory, model } = await tinyModel());
});

const text = "The lazy dog sleeps on the quick brown rug, and the fox jumps over. 漢";

async function measured(...args: string[]) {
  const { code, stdout, stderr } = await edgewise(["perplexity", "--json", ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout);
}

test("windows predict every token once, in order, with enough of a past", () => {
  const sizes = fc.tuple(
    fc.integer({ min: 2, max: 400 }),
    fc.integer({ min: 2, max: 50 }),
    fc.nat(48),
    fc.boolean(),
  );
  fc.assert(
    fc.property(sizes, ([length, window, step, hasBos]) => {
      const stride = 1 + (step % (window - 1));
      const tokens = Array.from({ length }, (_, i) => 1000 + i);
      const bos = hasBos ? 1000 : 7;
      const windows = windowsOf(tokens, bos, { window, stride });
      const predicted = windows.flatMap((each) => each.tokens.slice(each.from));
      expect(predicted).toEqual(tokens.slice(1));
      windows.forEach((each, i) => {
        expect(each.tokens.length).toBeLessThanOrEqual(window);
        expect(each.from).toBeGreaterThanOrEqual(i === 0 ? 1 : window - stride);
        if (hasBos) expect(each.tokens[0]).toBe(bos);
      });
    }),
    { numRuns: 200 },
  );
});

test("the figure is that of the generator's logits, token by token", async () => {
  const file = path.join(directory, "text.txt");
  writeFileSync(file, text);
  const { nats_per_token, tokens, bits_per_byte } = await measured(file, "-m", model, "--n-ctx", "128");
  const opened = await openModel(model);
  const ids = Tokenizer.fromGguf(opened.gguf.metadata).encode(text);
  const generator = await Generator.open(opened, { context: 128, inProcess: true });
  let nats = 0;
  for (let i = 0; i + 1 < ids.length; i++) {
    await generator.feed([ids[i]]);
    const logits = Float64Array.from(generator.logits);
    const largest = Math.max(...logits);
    const sum = logits.reduce((total, logit) => total + Math.exp(logit - largest), 0);
    nats -= logits[ids[i + 1]] - largest - Math.log(sum);
  }
  await generator.close();
  await opened.source.close();
  expect(tokens).toBe(ids.length - 1);
  expect(nats_per_token).toBeCloseTo(nats / tokens, 5);
  const predicted =
    Buffer.byteLength(text) - Tokenizer.fromGguf(opened.gguf.metadata).decodeBytes([ids[0]]).length;
  expect(bits_per_byte).toBeCloseTo(nats / Math.LN2 / predicted, 5);
});

test("a byte order mark is none of the text", async () => {
  const [plain, marked] = ["plain.txt", "marked.txt"].map((name) => path.join(directory, name));
  writeFileSync(plain, text);
  writeFileSync(marked, `\ufeff${text}`);
  const [one, other] = [await measured(plain, "-m", model), await measured(marked, "-m", model)];
  expect({ ...other, process: undefined, file: "", seconds: 0, tokens_per_s: 0 }).toEqual({
    ...one,
    process: undefined,
    file: "",
    seconds: 0,
    tokens_per_s: 0,
  });
});

const smollm2 = cachedModel("SmolLM2-135M-Instruct.Q4_1.gguf");
const skipped = smollm2 ? "" : " (skipped without SmolLM2: npm run models)";

test.skipIf(!smollm2)(`bits per byte of "Hello there" by SmolLM2${skipped}`, async () => {
  const file = path.join(directory, "hello.txt");
  writeFileSync(file, "Hello there");
  // transformers 5.24 on the same weights in float32; linears here round their inputs to 8 bits.
  const plain = await measured(file, "-m", smollm2!);
  expect([plain.tokens, plain.bytes]).toEqual([1, 6]);
  expect(Math.abs(plain.bits_per_byte - 2.3819)).toBeLessThan(0.05);
  // lm-evaluation-harness puts the BOS id before the text and counts all of its bytes.
  const bos = await measured(file, "-m", smollm2!, "--bos");
  expect([bos.tokens, bos.bytes]).toEqual([2, 11]);
  expect(Math.abs(bos.bits_per_byte - 2.4156)).toBeLessThan(0.05);
});

const stories = sharedData("models/stories260Ktok512.gguf");

describe.skipIf(!stories)("stories260K's own text (skipped without ../shared/data)", () => {
  test("Q8_0 is within 1 % of F32, Q4_0 is worse but no accident", async () => {
    const file = path.join(directory, "story.txt");
    const greedy = ["-p", "Once upon a time", "--temperature", "0", "-n", "200"];
    const { stdout } = await edgewise(["generate", "-m", stories!, ...greedy]);
    writeFileSync(file, stdout);
    const [f32, q8, q4] = await Promise.all(
      ["f32", "q8_0", "q4_0"].map((type) => measured(file, "-m", stories!, "--type", type)),
    );
    expect(q8.perplexity / f32.perplexity).toBeLessThanOrEqual(1.01);
    expect(q4.perplexity / f32.perplexity).toBeLessThanOrEqual(1.2);
  });
});
