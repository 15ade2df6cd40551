/** What a step is refused for, by name; training goes on as if it had not been tried. */
import { describe, expect, test } from "vitest";
import type { Example } from "../../src/llm/train/example.ts";
import type { Trainer } from "../../src/llm/train/trainer.ts";
import { CONTEXT, examplesOf, openGolden, openGoldenTrainer } from "../models/golden.ts";

const RATE = 0.01;
const plain: Example = { tokens: [1, 2, 3], weights: [0, 1, 1], adapter: 0 };

async function refusal(attempt: (trainer: Trainer) => Promise<unknown>, run: "all" | "full" = "all") {
  const golden = await openGolden("untied");
  const [trainer, twin] = [await openGoldenTrainer(golden, run), await openGoldenTrainer(golden, run)];
  const error = await attempt(trainer).then(
    () => undefined,
    (caught: Error) => caught,
  );
  expect(error).toMatchObject({ name: "InputError" });
  const [after, wanted] = [
    await trainer.update(examplesOf(golden, 0), RATE),
    await twin.update(examplesOf(golden, 0), RATE),
  ];
  expect(after).toEqual(wanted);
  for (const name of trainer.parameters) expect(trainer.engine.u32(name)).toEqual(twin.engine.u32(name));
  return error!.message;
}

describe("a learning rate", () => {
  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0.01, 1e-60, 1e60])(
    "of %d",
    async (rate) => {
      const message = `train: step 1: the learning rate is ${rate}, must be a finite number above 0; nothing was applied`;
      expect(await refusal((trainer) => trainer.update([[plain]], rate))).toBe(message);
    },
  );

  test("of apply alone", async () => {
    const golden = await openGolden("untied");
    const trainer = await openGoldenTrainer(golden, "full");
    await trainer.accumulate([plain], 0);
    await expect(trainer.apply(Number.NaN)).rejects.toThrow(/the learning rate is NaN/);
    expect(trainer.step).toBe(0);
  });
});

describe("an example", () => {
  const long = Array<number>(CONTEXT + 2).fill(1);
  test.each<[string, Partial<Example>, string]>([
    ["without adapter", { adapter: undefined }, "adapter is missing, must be a number from 0 to 1, or null"],
    ["of an adapter that is not there", { adapter: 2 }, "adapter is 2, must be a number from 0 to 1"],
    ["of half an adapter", { adapter: 0.5 }, "adapter is 0.5, must be"],
    ["with a target of −1", { tokens: [1, 2, -1] }, "token 2 is -1, must be from 0 to 39; what is not to be"],
    ["with a target of −100", { tokens: [1, -100, 3] }, "token 1 is -100, must be"],
    ["with a token above the vocabulary", { tokens: [40, 2, 3] }, "token 0 is 40, must be from 0 to 39"],
    ["with a token that is NaN", { tokens: [1, Number.NaN, 3] }, "token 1 is NaN, must be"],
    [
      "that is too long",
      { tokens: long, weights: long },
      `length: has ${CONTEXT + 2} tokens, the context of ${CONTEXT} holds ${CONTEXT + 1}; cut it`,
    ],
    ["of one token", { tokens: [1], weights: [0] }, "length: has 1 tokens; the first is given"],
    ["without tokens", { tokens: [], weights: [] }, "length: has 0 tokens"],
    ["with too few weights", { weights: [0, 1] }, "has 3 tokens and 2 weights; every token needs one"],
  ])("%s", async (_what, change, message) => {
    const examples = [plain, { ...plain, ...change }];
    const refused = await refusal((trainer) => trainer.update([[plain], examples], RATE));
    expect(refused).toContain(`train: example 1: ${message}`);
  });

  test("may do without an adapter where every weight is trained, or where it says so", async () => {
    const golden = await openGolden("untied");
    const full = await openGoldenTrainer(golden, "full");
    expect((await full.update([[{ ...plain, adapter: undefined }]], RATE)).loss).toBeGreaterThan(0);
    const adapters = await openGoldenTrainer(golden, "all");
    expect((await adapters.update([[{ ...plain, adapter: null }]], RATE)).norm).toBe(0);
  });
});
