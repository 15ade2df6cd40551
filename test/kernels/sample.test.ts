import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ERROR_DIMENSION,
  ERROR_INDEX,
  ERROR_OPERAND_BYTES,
  ERROR_POSITION,
  ERROR_SCRATCH,
  ERROR_SEQUENCE,
  SEQUENCE_CACHE,
  SEQUENCE_FIRST_KEY,
  SEQUENCE_FIRST_ROW,
  SEQUENCE_ROWS,
} from "../../kernels/layout.ts";
import { scratchBytes } from "../../src/engine/plan/scratch.ts";
import { random, uniform } from "../../src/engine/random.ts";
import { call, split } from "./harness.ts";
import { floats, SIZES } from "./values.ts";

interface Settings {
  stream?: number;
  seed?: number;
  step?: number;
  parts?: number;
  top_k?: number;
  top_p?: number;
  min_p?: number;
  penalty?: number;
  /** Tokens before and at the output row; the same for every row. */
  history?: readonly number[];
}

/** One sequence a row in cache 1 of 2, its last token being the row itself. */
function operandsOf(logits: Float32Array, v: number, temperature: number, settings: Settings) {
  const { stream = 3, seed = 11, step = 5, top_k = 0, top_p = 0, min_p = 0, penalty = 0 } = settings;
  const { history = [0] } = settings;
  const o = logits.length / v;
  const rows = Uint32Array.from({ length: o }, (_, i) => i);
  const sequences = new Uint32Array(8 * o);
  for (let row = 0; row < o; row++) {
    const entry = (at: number, value: number) => (sequences[8 * row + at / 4] = value);
    entry(SEQUENCE_FIRST_ROW, row);
    entry(SEQUENCE_ROWS, 1);
    entry(SEQUENCE_FIRST_KEY, history.length - 1);
    entry(SEQUENCE_CACHE, 1);
  }
  const past = Uint32Array.from([...history.map((token) => (token + 1) % v), ...history]);
  const memory = [logits, new Uint32Array(o), rows, rows.slice(), sequences, past];
  const scalars = [o, v, stream, seed, step, o, o, history.length, 2, top_k];
  return [...memory, ...scalars, ...[temperature, penalty, top_p, min_p].map((float) => ({ float }))];
}

const SCRATCH = (v: number) => scratchBytes.sample({ v });

function sample(logits: Float32Array, v: number, temperature: number, settings: Settings = {}): number[] {
  const operands = operandsOf(logits, v, temperature, settings);
  const ranges = split(logits.length / v, settings.parts ?? 1);
  expect(call("sample", operands, ranges, SCRATCH(v))).toBe(0);
  return [...(operands[1] as Uint32Array)];
}

/** Indices, the likeliest first, of equal ones the lower index first; without NaN and −∞. */
function ordered(values: readonly number[]): number[] {
  const indices = values.map((_, i) => i).filter((i) => values[i] > -Infinity);
  return indices.sort((a, b) => values[b] - values[a] || a - b);
}

/** What may be drawn, by the definition; undefined where a limit lies too near to say in other arithmetic. */
function candidates(values: readonly number[], { top_k = 0, top_p = 1, min_p = 0 }: Settings) {
  let kept = ordered(values);
  if (top_k) kept = kept.slice(0, top_k);
  const weights = kept.map((i) => Math.exp(values[i] - values[kept[0]]));
  const near = (a: number, b: number) => Math.abs(a - b) < 1e-5;
  if (top_p < 1) {
    const total = weights.reduce((a, b) => a + b, 0);
    let [count, sum] = [0, 0];
    while (sum < top_p * total && count < kept.length) {
      sum += weights[count++];
      if (near(sum / total, top_p)) return undefined;
    }
    kept = kept.slice(0, Math.max(1, count));
  }
  if (min_p > 0) {
    if (kept.some((_, i) => near(weights[i], min_p) && weights[i] !== 1)) return undefined;
    kept = kept.filter((_, i) => weights[i] >= min_p);
  }
  return kept;
}

const penalized = (logits: readonly number[], history: readonly number[], penalty: number) =>
  logits.map((logit, i) => {
    if (!history.includes(i)) return logit;
    return Math.fround(logit > 0 ? logit / Math.fround(penalty) : logit * Math.fround(penalty));
  });

/** The token that the candidate with the largest value plus Gumbel number is. */
function drawn(values: readonly number[], kept: readonly number[], row: number): number {
  const lifted = kept.map((i) => values[i] - Math.log(-Math.log(uniform(random(11, 5, 3, row, i)))));
  return kept[lifted.indexOf(Math.max(...lifted))];
}

const argmax = (values: readonly number[]) => values.indexOf(Math.max(...values));

describe("sample", () => {
  test.each(SIZES)("V = %i: argmax, and the Gumbel maximum", (v) => {
    const o = 9;
    const logits = floats(o * v, v, 3);
    const row = (i: number) => Array.from(logits.subarray(i * v, i * v + v));
    expect(sample(logits, v, 0)).toEqual(Array.from({ length: o }, (_, i) => argmax(row(i))));
    const temperature = 0.8;
    const all = Array.from({ length: v }, (_, i) => i);
    const expected = Array.from({ length: o }, (_, i) =>
      drawn(
        row(i).map((value) => value / temperature),
        all,
        i,
      ),
    );
    for (const parts of [1, 2, 3]) expect(sample(logits, v, temperature, { parts })).toEqual(expected);
    // A filter that lets everything pass changes no draw.
    expect(sample(logits, v, temperature, { top_k: v })).toEqual(expected);
    expect(sample(logits, v, temperature, { min_p: 1e-30, top_k: 2 ** 31 - 1 })).toEqual(expected);
  });

  test("a token far below the first is skipped only where no random number could lift it", () => {
    const [o, v] = [300, 64];
    const logits = new Float32Array(o * v).map((_, i) => (i % v < 4 ? 6 : 0));
    const values = Array.from(logits.subarray(0, v));
    const expected = Array.from({ length: o }, (_, row) => drawn(values, ordered(values), row));
    expect(expected.filter((token) => token >= 4).length).toBeGreaterThan(3);
    expect(sample(logits, v, 1)).toEqual(expected);
  });

  test("ties, NaN and masked logits", () => {
    const logits = Float32Array.from([1, 2, 2, 2, 0, 2, 2, 2, 2]);
    const filters: Settings[] = [
      {},
      { top_k: 3 },
      { top_p: 0.9 },
      { min_p: 0.1 },
      { penalty: 1.5, history: [0] },
    ];
    for (const filter of filters) {
      expect(sample(logits, 9, 0, filter)).toEqual([1]);
      expect(sample(Float32Array.from([NaN, -3, NaN, -2, NaN]), 5, 0, filter)).toEqual([3]);
      expect(sample(new Float32Array(5).fill(-Infinity), 5, 0, filter)).toEqual([0]);
      expect(sample(new Float32Array(5).fill(NaN), 5, 1, filter)).toEqual([0]);
      expect(sample(Float32Array.from([NaN, 0, Infinity, NaN, 5]), 5, 1, filter)).toEqual([2]);
      const masked = new Float32Array(1000 * 6).fill(-Infinity);
      for (let row = 0; row < 1000; row++) masked[row * 6 + 4] = -50;
      expect(new Set(sample(masked, 6, 1, filter))).toEqual(new Set([4]));
    }
  });

  test("draws follow the softmax at the temperature", () => {
    const [rows, v, temperature] = [20_000, 6, 1.5];
    const logits = Float32Array.from([0, 1, 2, -1, -3, 0.5]);
    const many = new Float32Array(rows * v).map((_, i) => logits[i % v]);
    const counts = new Array(v).fill(0);
    for (const token of sample(many, v, temperature)) counts[token]++;
    const weights = Array.from(logits, (value) => Math.exp(value / temperature));
    const total = weights.reduce((a, b) => a + b);
    weights.forEach((weight, i) => {
      const p = weight / total;
      expect(Math.abs(counts[i] / rows - p)).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / rows));
    });
  });

  test("with every filter, draws follow the softmax of what is left: chi-squared", () => {
    const [rows, v, temperature] = [20_000, 200, 0.7];
    const settings = { top_k: 30, top_p: 0.95, min_p: 0.02, penalty: 1.3, history: [3, 17, 3, 40] };
    const logits = Array.from(floats(v, 5, 4), (value) => Math.fround(value / 8));
    const values = penalized(logits, settings.history, settings.penalty).map((value) => value / temperature);
    const kept = candidates(values, settings)!;
    expect(kept.length).toBeGreaterThan(5);
    const weights = kept.map((i) => Math.exp(values[i]));
    const total = weights.reduce((a, b) => a + b);
    const counts = new Map<number, number>();
    const many = new Float32Array(rows * v).map((_, i) => logits[i % v]);
    for (const token of sample(many, v, temperature, settings))
      counts.set(token, (counts.get(token) ?? 0) + 1);
    expect([...counts.keys()].every((token) => kept.includes(token))).toBe(true);
    const terms = kept.map((token, i) => {
      const expected = (rows * weights[i]) / total;
      return ((counts.get(token) ?? 0) - expected) ** 2 / expected;
    });
    const chiSquared = terms.reduce((a, b) => a + b);
    const freedom = kept.length - 1;
    // mean n, standard deviation √(2n)
    expect(chiSquared).toBeLessThan(freedom + 4 * Math.sqrt(2 * freedom));
  });

  test("candidates are exactly those of the definition, drawn as without a filter", () => {
    const value = fc.oneof(
      fc.double({ min: -8, max: 8, noNaN: true }).map(Math.fround),
      fc.constantFrom(-Infinity, Number.NaN, 0, -0, 1.5, -2, 2 ** 99, -(2 ** 99)),
    );
    const settings = fc.record({
      top_k: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 40 })),
      top_p: fc.oneof(fc.constant(1), fc.double({ min: 0.01, max: 0.999, noNaN: true }).map(Math.fround)),
      min_p: fc.oneof(fc.constant(0), fc.double({ min: 0.001, max: 1, noNaN: true }).map(Math.fround)),
      penalty: fc.constantFrom(0, 1, 1.3, 0.5),
      history: fc.array(fc.nat(63), { minLength: 1, maxLength: 6 }),
    });
    let checked = 0;
    const run = (logits: number[], given: Settings & { history: number[]; penalty: number }) => {
      const history = given.history.map((token) => token % logits.length);
      const values = penalized(logits, given.penalty ? history : [], given.penalty);
      const kept = candidates(values, given);
      if (!kept?.length || kept.some((i) => !Number.isFinite(values[i]))) return;
      checked++;
      const rows = 40;
      const many = Float32Array.from({ length: rows * logits.length }, (_, i) => logits[i % logits.length]);
      const found = sample(many, logits.length, 1, { ...given, history });
      const expected = found.map((_, row) => drawn(values, kept, row));
      // Lifted values that round to the same f32 may fall either way; they must both be candidates.
      found.forEach((token, row) => {
        if (token === expected[row]) return;
        expect(kept).toContain(token);
        const lifted = (i: number) => values[i] - Math.log(-Math.log(uniform(random(11, 5, 3, row, i))));
        expect(Math.abs(lifted(token) - lifted(expected[row]))).toBeLessThan(
          1e-5 * (1 + Math.abs(values[token])),
        );
      });
      if (kept.length === 1) expect(new Set(found)).toEqual(new Set(kept));
    };
    fc.assert(fc.property(fc.array(value, { minLength: 1, maxLength: 64 }), settings, run), { numRuns: 400 });
    expect(checked).toBeGreaterThan(200);
  });

  test("as many ties as fit, those with the lowest index", () => {
    const logits = new Float32Array(200 * 12).map(
      (_, i) => [5, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1][i % 12] / 10,
    );
    const seen = (settings: Settings) => [...new Set(sample(logits, 12, 1, settings))].sort((a, b) => a - b);
    expect(seen({ top_k: 4 })).toEqual([0, 1, 2, 3]);
    expect(seen({ top_k: 5 })).toEqual([0, 1, 2, 3, 5]);
    expect(seen({ top_k: 1 })).toEqual([0]);
    const values = Array.from(logits.subarray(0, 12));
    for (const top_p of [0.1, 0.3, 0.55, 0.77]) {
      const expected = candidates(values, { top_p })!.sort((a, b) => a - b);
      expect(seen({ top_p })).toEqual(expected);
    }
  });

  test("the penalty counts a token once, looks at its own cache and not past the row", () => {
    const logits = Float32Array.from([4, 3.9, -1, 3]);
    expect(sample(logits, 4, 0, { penalty: 1.2, history: [0, 0, 0] })).toEqual([1]);
    // 4 / 1.2 is above 3, 4 / 1.44 is not
    expect(sample(Float32Array.from([4, -1, 3]), 3, 0, { penalty: 1.2, history: [0, 0] })).toEqual([0]);
    expect(sample(logits, 4, 0, { penalty: 1.2, history: [2] })).toEqual([0]);
    expect(sample(Float32Array.from([-1, -1.1]), 2, 0, { penalty: 1.2, history: [0] })).toEqual([1]);
    // below 1 it attracts
    expect(sample(logits, 4, 0, { penalty: 0.5, history: [3] })).toEqual([3]);
    // tokens behind the row, and what no vocabulary has, are not looked at
    const operands = operandsOf(logits, 4, 0, { penalty: 2, history: [2, 3, 999, 0] });
    (operands[4] as Uint32Array)[SEQUENCE_FIRST_KEY / 4] = 2;
    expect(call("sample", operands, [[0, 1]], SCRATCH(4))).toBe(0);
    expect([...(operands[1] as Uint32Array)]).toEqual([0]);
  });

  test("262,144 values: the k best, without a sort", () => {
    const v = 262_144;
    const logits = floats(v, 9, 5);
    const best = new Set(ordered(Array.from(logits)).slice(0, 3));
    for (let step = 0; step < 12; step++)
      expect(best).toContain(sample(logits, v, 3, { top_k: 3, step, min_p: 1e-6 })[0]);
    expect(sample(logits, v, 3, { top_p: 1e-9 })).toEqual([argmaxOf(logits)]);
  });

  test("seed, step and stream change the draw", () => {
    const logits = new Float32Array(64 * 50);
    const draws = [{}, { seed: 12 }, { step: 6 }, { stream: 4 }].map((counters) =>
      sample(logits, 50, 1, counters).join(),
    );
    expect(new Set(draws).size).toBe(4);
    expect(sample(logits, 50, 1).join()).toBe(draws[0]);
  });

  test("errors", () => {
    const fresh = (settings: Settings = {}) => operandsOf(new Float32Array(6), 3, 1, settings);
    const code = (change: (operands: ReturnType<typeof fresh>) => void, settings?: Settings, end = 2) => {
      const operands = fresh(settings);
      change(operands);
      return call("sample", operands, [[0, end]], SCRATCH(3));
    };
    expect(code(() => {})).toBe(0);
    expect(code(() => {}, {}, 3)).toBe(ERROR_DIMENSION);
    for (const operand of [0, 1, 2, 3, 4, 5])
      expect(
        code((operands) => {
          operands[operand] = (operands[operand] as Uint32Array).slice(1);
        }),
      ).toBe(ERROR_OPERAND_BYTES);
    const penalty = { penalty: 2 };
    const poke = (operand: number, at: number, value: number) => (operands: ReturnType<typeof fresh>) => {
      (operands[operand] as Uint32Array)[at] = value;
    };
    expect(code(poke(2, 1, 2), penalty)).toBe(ERROR_INDEX);
    expect(code(poke(3, 1, 2), penalty)).toBe(ERROR_SEQUENCE);
    expect(code(poke(4, SEQUENCE_CACHE / 4, 2), penalty)).toBe(ERROR_SEQUENCE);
    expect(code(poke(4, SEQUENCE_FIRST_KEY / 4, 0xffffffff), penalty)).toBe(ERROR_POSITION);
    expect(call("sample", fresh({ top_k: 1 }), [[0, 2]], SCRATCH(3) - 1)).toBe(ERROR_SCRATCH);
  });
});

function argmaxOf(values: Float32Array): number {
  return values.reduce((best, value, i) => (value > values[best] ? i : best), 0);
}

describe("history_write", () => {
  const sequences = new Uint32Array(16);
  sequences.set([0, 2, 0, 1], 0);
  sequences.set([2, 1, 0, 0], 8);
  const run = (position: number[], table = sequences, end = 3) => {
    const history = new Uint32Array(8);
    const operands = [
      Uint32Array.of(7, 8, 9),
      history,
      Uint32Array.from(position),
      Uint32Array.of(0, 0, 1),
      table,
      ...[3, 2, 4, 2],
    ];
    return [call("history_write", operands, split(end, 2), 0), [...history]];
  };

  test("tokens stand at the position of their row in the cache of their sequence", () => {
    expect(run([2, 3, 1])).toEqual([0, [0, 9, 0, 0, 0, 0, 7, 8]]);
  });

  test("errors", () => {
    expect(run([2, 4, 1])[0]).toBe(ERROR_POSITION);
    expect(
      run(
        [2, 3, 1],
        sequences.map((word, i) => (i === 3 ? 2 : word)),
      )[0],
    ).toBe(ERROR_SEQUENCE);
    expect(run([2, 3, 1], sequences, 4)[0]).toBe(ERROR_DIMENSION);
    expect(run([2, 3], sequences)[0]).toBe(ERROR_OPERAND_BYTES);
  });
});
