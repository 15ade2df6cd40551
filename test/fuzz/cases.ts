/** The cases of a seed: the same on every machine, each by its number. */
import type { Draft, Encoded } from "./draft.ts";
import { Draws, mutated } from "./mutate.ts";
import { type Outcome, runCase, STAGES, type Stage } from "./stages.ts";

export interface FuzzCase {
  readonly seedName: string;
  readonly encoded: Encoded;
  readonly fill: number;
}

/** Case `index`: a seed, and what happens to it. */
export function caseOf(seeds: ReadonlyMap<string, Draft>, seed: number, index: number): FuzzCase {
  const draws = new Draws(seed, index);
  const names = [...seeds.keys()];
  const seedName = draws.of(names);
  const draft = seeds.get(seedName)!;
  // Weights that are no numbers, now and then.
  const fill = draws.below(8) === 0 ? draws.below(256) : draft.fill;
  return { seedName, encoded: mutated(draft, draws), fill };
}

export function runFuzzCase({ encoded, fill }: FuzzCase): Promise<Outcome> {
  return runCase(encoded, fill);
}

/** What happened to many cases. */
export class Tally {
  cases = 0;
  failures = 0;
  readonly passed = Object.fromEntries(STAGES.map((stage) => [stage, 0])) as Record<Stage, number>;
  /** Cases by what refused them: the message with its values left out. */
  readonly refused: Record<string, number> = {};
  slowest = 0;
  largest = 0;

  add({ passed, refused, failure, seconds, growth }: Outcome): void {
    this.cases++;
    if (failure !== undefined) this.failures++;
    for (const stage of passed) this.passed[stage]++;
    if (refused !== undefined) {
      const rule = ruleOf(refused);
      this.refused[rule] = (this.refused[rule] ?? 0) + 1;
    }
    this.slowest = Math.max(this.slowest, seconds);
    this.largest = Math.max(this.largest, growth);
  }

  /** Part of the cases that got past the reader of headers. */
  get passing(): number {
    return this.passed.header / Math.max(1, this.cases);
  }
}

function ruleOf(message: string): string {
  return message
    .replace(/"(?:[^"\\]|\\.)*"/g, "…")
    .replace(/-?\d[\d.,]*(e[+-]\d+)?n?/g, "#")
    .slice(0, 90);
}
