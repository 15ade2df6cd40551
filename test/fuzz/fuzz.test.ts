/** A slice of `npm run fuzz`, the same at every run: 2,000 mutated headers through every stage. */
import { expect, test } from "vitest";
import { caseOf, runFuzzCase, Tally } from "./cases.ts";
import { allSeeds } from "./seeds.ts";

const CASES = 2000;
const SEED = 20_240_607;

test(`${CASES} mutated headers end in a model or in one clear error`, async () => {
  const seeds = await allSeeds();
  const tally = new Tally();
  for (let index = 0; index < CASES; index++) {
    const outcome = await runFuzzCase(caseOf(seeds, SEED, index));
    expect(outcome.failure, `case ${index} of seed ${SEED}`).toBeUndefined();
    tally.add(outcome);
  }
  console.log(`of ${CASES}: passed ${JSON.stringify(tally.passed)}`);
  expect(tally.passing).toBeGreaterThan(0.3);
  expect(tally.passed.weights).toBeGreaterThan(CASES / 50);
});
