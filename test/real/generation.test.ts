/** SmolLM2 and Gemma generating: llama.cpp's greedy text, the same bits however the work is cut, and the same tokens in Wasmtime. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Generator } from "../../src/llm/generate.ts";
import type { ModelFile } from "../../src/llm/model_file.ts";
import { python, runInWasmtime, type Step, skipReason } from "../wasmtime/wasmtime.ts";
import { missing, openReal, realGolden, realNames, TeacherForced } from "./golden.ts";

/** llama.cpp and we round activations in different ways: where its first and second choice are this close, either may win. */
const MARGIN = 0.3;

describe.each(realNames)("%s", (name) => {
  const because = missing(name);
  const golden = realGolden(name);
  let file: ModelFile;
  beforeAll(async () => {
    if (!because) file = await openReal(name);
  });
  afterAll(() => file?.source.close());

  test.skipIf(because)(
    "greedy text of eight prompts is llama.cpp's, up to the first close call",
    async () => {
      const generator = await Generator.open(file, { context: 256, threads: 2 });
      let same = 0;
      for (const { prompt, tokens, margins } of golden.greedy) {
        generator.reset();
        const made: number[] = [];
        for await (const token of generator.generate(prompt, { maxTokens: tokens.length })) made.push(token);
        const differs = made.findIndex((token, i) => token !== tokens[i]);
        const upTo = margins.findIndex((margin) => margin < MARGIN);
        same += differs < 0 ? made.length : differs;
        if (differs >= 0) expect(upTo >= 0 && upTo <= differs).toBe(true);
      }
      const all = golden.greedy.reduce((sum, { tokens }) => sum + tokens.length, 0);
      console.log(`${name}: ${same} of ${all} greedy tokens are llama.cpp's, up to the first that differs`);
      await generator.close();
    },
  );

  test.skipIf(because)(
    "a prompt cut anywhere, decoded one by one, scored in a batch of ragged prompts, on 1 and 2 threads: the same bits",
    async () => {
      const [{ prompt, tokens }] = golden.greedy;
      const text = [...prompt, ...tokens].slice(0, 48);
      const whole = await Generator.open(file, { context: 64, rows: 64, threads: 2 });
      const cut = await Generator.open(file, { context: 64, rows: 16, threads: 1 });
      await whole.feed(text);
      const wanted = whole.logits.slice();
      for (const piece of [text.slice(0, 21), text.slice(21, 22), text.slice(22)]) await cut.feed(piece);
      expect(Buffer.compare(bytes(cut.logits), bytes(wanted))).toBe(0);
      whole.reset();
      for (const token of text) await whole.feed([token]);
      expect(Buffer.compare(bytes(whole.logits), bytes(wanted))).toBe(0);
      await Promise.all([whole.close(), cut.close()]);
      const forced = await TeacherForced.open(file, "int8", 64);
      let scored: Uint8Array | undefined;
      await forced.window([...text, 0], (row, logits) => {
        if (row === text.length - 1) scored = bytes(logits.slice());
      });
      await forced.close();
      expect(Buffer.compare(scored!, bytes(wanted))).toBe(0);
    },
  );
});

const because = missing("smollm2") ?? (python ? undefined : skipReason);
test.skipIf(because)(
  `smollm2 in Wasmtime: the same tokens${because ? ` (skipped: ${because})` : ""}`,
  async () => {
    const file = await openReal("smollm2");
    const [{ prompt }] = realGolden("smollm2").greedy;
    const count = 24;
    const generator = await Generator.open(file, { context: 128, rows: 32, inProcess: true });
    const { engine } = generator;
    const image = new Uint8Array(engine.host.memory).slice();
    const [session, tokens] = ["session", "prompt"].map((leaf) => engine.place(leaf).offset);
    const out = tokens + 4 * prompt.length;
    const steps: Step[] = [
      { call: ["open"] },
      { write: [tokens, bytes(Uint32Array.from(prompt))] },
      { call: ["generate", session, tokens, prompt.length, out, count, 0xffffffff] },
      { dump: [out, 4 * count] },
    ];
    const { results, dumps } = await runInWasmtime(image, steps);
    expect(results).toEqual([0, count]);
    const made: number[] = [];
    for await (const token of generator.generate(prompt, { maxTokens: count })) made.push(token);
    expect([...new Uint32Array(Uint8Array.from(dumps[0]).buffer)]).toEqual(made);
    await generator.close();
    await file.source.close();
  },
);

function bytes({ buffer, byteOffset, byteLength }: Float32Array | Uint32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
