/** Conversations whose layers keep rings of keys: what is reused gives the bits of a fresh start. */
import path from "node:path";
import * as fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { Generator } from "../../src/llm/generate.ts";
import { layerCaches } from "../../src/llm/models/caches.ts";
import { scoreTexts } from "../../src/llm/score_texts.ts";
import { openGolden } from "../models/golden.ts";

const CONTEXT = 64;
const ROWS = 4;
let open: (sequences: number) => Promise<Generator>;
beforeAll(async () => {
  const { file } = await openGolden("tiny", path.join(import.meta.dirname, "../golden/gemma3"));
  const setup = { context: CONTEXT, rows: ROWS, inProcess: true };
  open = (sequences) => Generator.open(file, { ...setup, scoring: { sequences } });
});

const token = fc.integer({ min: 1, max: 39 });
const text = (least: number) => fc.array(token, { minLength: least, maxLength: CONTEXT - 8 });

/** The next token and the bits of its logits. */
async function next(generator: Generator, tokens: readonly number[]) {
  const common = generator.rewind(tokens);
  const chosen = await generator.feed(tokens.slice(common));
  return { chosen, logits: generator.logits.slice(), common };
}

test("going back, however far, gives the logits of a fresh start", async () => {
  const [talking, fresh] = [await open(1), await open(1)];
  const layers = layerCaches(talking.engine.program.plans.get("generate")!.lowered.calls[0].node.graph);
  const rings = layers.filter(({ capacity }) => capacity < CONTEXT);
  expect(rings.length).toBeGreaterThan(0);
  let [kept, lost] = [0, 0];
  const edit = fc.record({ keep: fc.nat(CONTEXT), more: text(1) });
  await fc.assert(
    fc.asyncProperty(text(24), fc.array(edit, { minLength: 1, maxLength: 5 }), async (first, edits) => {
      let conversation = first;
      for (const { keep, more } of edits) {
        await next(talking, conversation);
        conversation = [...conversation.slice(0, keep), ...more].slice(0, CONTEXT);
        const found = await next(talking, conversation);
        if (keep > 1) found.common > 0 ? kept++ : lost++;
        fresh.reset();
        const { chosen, logits } = await next(fresh, conversation);
        expect(found).toMatchObject({ chosen });
        expect(found.logits).toEqual(logits);
      }
    }),
    { numRuns: 60 },
  );
  // Both ways were taken.
  expect(kept).toBeGreaterThan(0);
  expect(lost).toBeGreaterThan(0);
});

test("scores in one ring or three are those of each text alone", async () => {
  const [single, triple] = [await open(1), await open(3)];
  await fc.assert(
    fc.asyncProperty(text(0), fc.array(text(1), { minLength: 1, maxLength: 5 }), async (prefix, endings) => {
      const texts = endings.map((ending) => [...prefix, ...ending].slice(0, CONTEXT));
      const alone = [];
      for (const each of texts) {
        single.reset();
        alone.push(...(await scoreTexts(single, [each])));
      }
      expect(await scoreTexts(single, texts)).toEqual(alone);
      expect(await scoreTexts(triple, texts)).toEqual(alone);
    }),
    { numRuns: 15 },
  );
});
