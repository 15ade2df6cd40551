/** Learning rates beside those of transformers (test/golden/schedules.py), and those of the models in the box. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { learningRateOf, recipes } from "../../src/lab/pretrain/recipes.ts";
import { learningRateAt, type Schedule, schedulers } from "../../src/llm/train/schedule.ts";

const read = (file: string) => readFileSync(path.join(import.meta.dirname, "..", file), "utf8");
const { runs } = JSON.parse(read("golden/schedules.json")) as {
  runs: (Omit<Schedule, "learningRate"> & { rates: number[] })[];
};
const ratesOf = (schedule: Omit<Schedule, "learningRate">, learningRate = 1) =>
  Array.from({ length: schedule.maxSteps }, (_, i) => learningRateAt(i + 1, { ...schedule, learningRate }));

test.each(runs)("$type, warm-up $warmupSteps, $maxSteps steps: transformers' rates", (run) => {
  const { warmupSteps } = run;
  const ours = ratesOf(run);
  for (const [i, rate] of run.rates.entries()) {
    // Its first step has the rate 0 where there is a warm-up; ours begins with the second.
    const wanted = i < warmupSteps ? (i + 1) / warmupSteps : rate;
    expect(ours[i]).toBeCloseTo(wanted, 12);
  }
});

describe.each(schedulers)("%s", (type) => {
  test.each([
    [0, 1],
    [1, 1],
    [5, 1],
    [0, 2],
    [100, 4000],
  ])("warm-up %i, %i steps: every step learns", (warmupSteps, maxSteps) => {
    const rates = ratesOf({ type, warmupSteps, maxSteps }, 2e-4);
    expect(Math.min(...rates)).toBeGreaterThan(0);
    expect(Math.max(...rates)).toBeLessThanOrEqual(2e-4);
    if (warmupSteps <= 1) expect(rates[0]).toBe(2e-4);
  });
});

describe.each(Object.values(recipes))("$name", (recipe) => {
  test("its rates are those of the run that made the model, bit for bit", () => {
    const points = read(`../models/${recipe.name}.curve.jsonl`)
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { step: number; learningRate: number });
    expect(points.length).toBe(Math.floor(recipe.steps / 50));
    for (const { step, learningRate } of points) expect(learningRateOf(recipe, step)).toBe(learningRate);
  });

  test("every step learns", () => {
    expect(learningRateOf(recipe, recipe.steps)).toBeGreaterThan(0);
    expect(learningRateOf(recipe, recipe.steps + 1)).toBe(0);
  });
});
