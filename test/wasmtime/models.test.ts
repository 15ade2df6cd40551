/** Models in Wasmtime: the memory image of a program that Node set up generates the same tokens and trains to the same bits. */
import path from "node:path";
import { describe, expect, test } from "vitest";
import * as layout from "../../kernels/layout.ts";
import type { CacheType } from "../../src/engine/dtypes/cache.ts";
import type { Engine } from "../../src/engine/host/engine.ts";
import { Generator } from "../../src/llm/generate.ts";
import { openModel } from "../../src/llm/model_file.ts";
import {
  CONTEXT,
  examplesOf,
  type GoldenRun,
  goldenDirectory,
  openGolden,
  openGoldenTrainer,
} from "../models/golden.ts";
import { sharedData } from "../shared.ts";
import { python, runInWasmtime, type Step, skipReason } from "./wasmtime.ts";

const because = python ? "" : ` (skipped: ${skipReason})`;
const stories = sharedData("models/stories260Ktok512.gguf");

const words = (...values: number[]) => new Uint8Array(Uint32Array.from(values).buffer);
const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array | Uint32Array) =>
  new Uint8Array(buffer, byteOffset, byteLength);

const float32 = ({ buffer, byteOffset }: Uint8Array) => new DataView(buffer, byteOffset).getFloat32(0, true);

interface Subject {
  readonly prompt: readonly number[];
  readonly count: number;
  readonly context: number;
  readonly cacheType?: CacheType;
  open(): Promise<Parameters<typeof Generator.open>[0]>;
}

const subjects: Record<string, Subject> = {
  tiny: {
    prompt: [3, 17, 31],
    count: 25,
    context: CONTEXT,
    open: async () => (await openGolden("tied")).file,
  },
  "tiny Gemma 3 with rings of halves": {
    prompt: [3, 17, 31, 8, 2, 30],
    count: 100,
    context: 128,
    cacheType: "f16",
    open: async () => (await openGolden("tiny", path.join(goldenDirectory, "../gemma3"))).file,
  },
};
if (stories)
  subjects.stories260K = {
    prompt: [1, 403, 407, 261, 378],
    count: 200,
    context: 512,
    open: () => openModel(stories),
  };

describe.skipIf(!python).each(Object.entries(subjects))(`%s generates${because}`, (_name, subject) => {
  test.each(["file", "q8_0", "q4_0"] as const)("%s weights: the same tokens and logits", async (type) => {
    const { prompt, count, context, cacheType } = subject;
    const file = await subject.open();
    const generator = await Generator.open(file, { type, context, cacheType, rows: 4, inProcess: true });
    const { engine } = generator;
    const image = new Uint8Array(engine.host.memory).slice();
    const place = (name: string) => engine.place(name).offset;
    const [session, tokens, next] = ["session", "prompt", "next_token"].map(place);
    const feed = (length: number): Step => ({ call: ["feed", session, tokens, length] });
    const logits: Step = { dump: [place("logits"), 4 * file.config.vocabulary] };
    const out = tokens + 4 * prompt.length;
    const steps: Step[] = [
      { call: ["open"] },
      { write: [tokens, words(...prompt)] },
      // The loop in the wasm, from the prompt to all tokens.
      { call: ["generate", session, tokens, prompt.length, out, count, 0xffffffff] },
      { dump: [out, 4 * count] },
      logits,
      // The same again, token after token.
      { write: [session + layout.SESSION_POSITION, words(0)] },
      feed(prompt.length),
      logits,
      ...Array.from({ length: 10 }, (): Step[] => [{ copy: [next, tokens, 4] }, feed(1), logits]).flat(),
    ];
    const { results, dumps } = await runInWasmtime(image, steps);
    expect(results).toEqual([0, count, ...new Array(11).fill(layout.STATUS_DONE)]);

    const found: number[] = [];
    const bits: Uint8Array[] = [];
    for await (const token of generator.generate(prompt, { maxTokens: count })) {
      found.push(token);
      bits.push(bytesOf(generator.logits.slice(0, file.config.vocabulary)));
    }
    expect(new Set(bits.map((each) => Buffer.from(each).toString("hex"))).size).toBeGreaterThan(3);
    expect(Buffer.compare(dumps[0], words(...found))).toBe(0);
    expect(Buffer.compare(dumps[1], bits[count - 1])).toBe(0);
    for (let i = 0; i < 11; i++) expect(Buffer.compare(dumps[2 + i], bits[i])).toBe(0);
    if (file.path === stories) await file.source.close();
  });
});

const sampling = { temperature: 1.1, top_k: 30, top_p: 0.95, min_p: 0.01, repetition_penalty: 1.2, seed: 7 };

describe.skipIf(!python).each(Object.entries(subjects))(`%s samples${because}`, (_name, subject) => {
  test("with every setting, the same tokens", async () => {
    const { prompt, count, context } = subject;
    const file = await subject.open();
    const generator = await Generator.open(file, { type: "q8_0", context, rows: 4, inProcess: true });
    const { engine } = generator;
    generator.sample(sampling);
    const image = new Uint8Array(engine.host.memory).slice();
    const [session, tokens] = ["session", "prompt"].map((name) => engine.place(name).offset);
    const out = tokens + 4 * prompt.length;
    const { results, dumps } = await runInWasmtime(image, [
      { call: ["open"] },
      { write: [tokens, words(...prompt)] },
      { call: ["generate", session, tokens, prompt.length, out, count, 0xffffffff] },
      { dump: [out, 4 * count] },
    ]);
    expect(results).toEqual([0, count]);
    const found: number[] = [];
    for await (const token of generator.generate(prompt, { maxTokens: count, ...sampling }))
      found.push(token);
    expect(new Set(found).size).toBeGreaterThan(8);
    expect(Buffer.compare(dumps[0], words(...found))).toBe(0);
    if (file.path === stories) await file.source.close();
  });
});

const INPUTS = ["token", "position", "sequence", "sequences", "output_row", "target", "weight"];

/** What puts the last micro-batch's inputs and the slots of the last run into another memory. */
function inputsOf(engine: Engine): Step[] {
  const leaves = INPUTS.map((name) => engine.place(name));
  const places = [...leaves, { offset: layout.AT_SLOTS, bytes: 4 * layout.SLOTS }];
  return places.map(({ offset, bytes }) => ({ write: [offset, engine.bytes(offset, bytes).slice()] }));
}

describe.skipIf(!python)(`training in Wasmtime${because}`, () => {
  test.each([
    ["full", "file"],
    ["all", "file"],
    ["all", "q8_0"],
    ["all", "q4_0"],
  ] as const)("ten steps, %s, %s weights: the same losses and parameters", async (run, type) => {
    const golden = await openGolden("tied");
    const trainer = await openGoldenTrainer(golden, run as GoldenRun, { type });
    const { engine } = trainer;
    const image = new Uint8Array(engine.host.memory).slice();
    const { offset: plan, ranges } = engine.program.plans.get("train")!;
    const lossSum = engine.place("loss_sum").offset;
    const steps: Step[] = [{ call: ["open"] }];
    const losses: number[] = [];
    for (let step = 0; step < 10; step++) {
      for (const [index, examples] of examplesOf(golden, step).entries()) {
        losses.push((await trainer.accumulate(examples, index)).loss);
        steps.push(
          ...inputsOf(engine),
          { call: ["run", plan, ...ranges.accumulate, 0, 1] },
          { dump: [lossSum, 4] },
        );
      }
      await trainer.apply(golden.facts.learningRates[step]);
      steps.push(...inputsOf(engine), { call: ["run", plan, ...ranges.apply, 0, 1] });
    }
    const state = engine.program.regions[layout.REGION_STATE];
    steps.push({ dump: [state.offset, state.bytes] });
    const { results, dumps } = await runInWasmtime(image, steps);
    expect(results.every((status) => status === layout.STATUS_DONE)).toBe(true);
    expect(dumps.slice(0, -1).map(float32)).toEqual(losses);
    const ours = engine.bytes(state.offset, state.bytes);
    expect(Buffer.compare(image.subarray(state.offset, state.offset + state.bytes), ours)).not.toBe(0);
    expect(Buffer.compare(dumps[dumps.length - 1], ours)).toBe(0);
  });
});
