/** A step that cannot be taken says why and changes nothing: training goes on as if it had not been tried. */
import { describe, expect, test } from "vitest";
import type { Example } from "../../src/llm/train/example.ts";
import type { Trainer } from "../../src/llm/train/trainer.ts";
import { examplesOf, openGolden, openGoldenTrainer } from "../models/golden.ts";

const RATE = 0.01;

/** Parameters, moments and schedule. */
function stateOf({ engine, parameters }: Trainer): Uint32Array[] {
  const names = parameters.flatMap((name) => [name, `moment1.${name}`, `moment2.${name}`]);
  return [...names, "schedule"].map((name) => engine.u32(name).slice());
}

/** Two steps, then an attempt that must fail and change nothing, then a third step as in a run without the attempt. */
async function survives(
  threads: number,
  attempt: (trainer: Trainer, batches: Example[][]) => Promise<unknown>,
  failure: object,
) {
  const golden = await openGolden("untied");
  const [trainer, twin] = [
    await openGoldenTrainer(golden, "all", { threads, inProcess: false }),
    await openGoldenTrainer(golden, "all"),
  ];
  for (const one of [trainer, twin])
    for (const step of [0, 1]) await one.update(examplesOf(golden, step), RATE);
  const before = stateOf(trainer);
  await expect(attempt(trainer, examplesOf(golden, 2))).rejects.toMatchObject(failure);
  expect(trainer.step).toBe(2);
  expect(stateOf(trainer)).toEqual(before);
  const [third, wanted] = [
    await trainer.update(examplesOf(golden, 2), RATE),
    await twin.update(examplesOf(golden, 2), RATE),
  ];
  expect(third).toEqual(wanted);
  expect(stateOf(trainer)).toEqual(stateOf(twin));
  await trainer.close();
}

const weighted = (batches: Example[][], weight: number): Example[][] =>
  batches.map((batch) => batch.map((one) => ({ ...one, weights: Array.from(one.weights, () => weight) })));

describe.each([1, 2])("%i threads", (threads) => {
  test("a loss that is not a number", () =>
    survives(threads, (trainer, batches) => trainer.update(weighted(batches, Number.NaN), 0.5), {
      name: "InputError",
      message:
        "train: step 3: the loss is NaN at learning rate 0.5; nothing was applied. Try a lower learning rate, a longer warm-up or max_grad_norm 1",
    }));

  test("a finite loss whose gradient is not", () =>
    survives(threads, (trainer, batches) => trainer.update(weighted(batches, 1e36), 0.25), {
      name: "InputError",
      message: expect.stringMatching(
        /^train: step 3: the norm of the gradients is not finite at learning rate 0\.25; nothing was applied\. Try /,
      ),
    }));

  test("an abort", () =>
    survives(
      threads,
      (trainer, batches) => {
        const abort = new AbortController();
        const run = trainer.update(
          Array.from({ length: 200 }, (_, i) => batches[i % 2]),
          RATE,
          abort.signal,
        );
        // every batch takes a turn of this thread or more, so ten turns are over before 200 batches are
        let turns = 0;
        const wait = () => (++turns < 10 ? setImmediate(wait) : abort.abort());
        setImmediate(wait);
        return run;
      },
      { name: "AbortError" },
    ));

  test("nothing to learn", () =>
    survives(threads, (trainer, batches) => trainer.update(weighted(batches, 0), RATE), {
      name: "InputError",
      message: "train: step 3: no token carries a weight, so there is nothing to learn",
    }));
});

test("parameters that have run away are named by their loss", async () => {
  const golden = await openGolden("untied");
  const trainer = await openGoldenTrainer(golden, "full");
  trainer.engine.f32("model.layers.1.mlp.up_proj.weight").fill(3e38);
  await expect(trainer.update(examplesOf(golden, 0), RATE)).rejects.toThrow(
    /^train: step 1: the loss is (NaN|Infinity) at learning rate 0\.01/,
  );
});
