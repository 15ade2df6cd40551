import { describe, expect, test } from "vitest";
import {
  ERROR_DIMENSION,
  ERROR_OPERAND_BYTES,
  ERROR_POSITION,
  ERROR_SCRATCH,
  ERROR_SEQUENCE,
} from "../../kernels/layout.ts";
import { scratchBytes } from "../../src/engine/plan/scratch.ts";
import { call, type Operand } from "./harness.ts";
import { differences, expectClose, floats, runParts, sequenceTable } from "./values.ts";

interface Batch {
  readonly lengths: readonly number[];
  readonly heads: number;
  readonly kvHeads: number;
  readonly d: number;
  readonly window?: number;
}

/** Rows of sequences laid one after the other. */
function rowsOf(lengths: readonly number[]) {
  const [sequence, position, table]: [number[], number[], { first: number; rows: number; cache: number }[]] =
    [[], [], []];
  lengths.forEach((rows, i) => {
    table.push({ first: sequence.length, rows, cache: i });
    for (let row = 0; row < rows; row++) {
      sequence.push(i);
      position.push(row);
    }
  });
  return {
    t: sequence.length,
    sequence: Uint32Array.from(sequence),
    position: Uint32Array.from(position),
    table,
  };
}

/** Causal attention in f64: out and lse. */
function reference(
  q: ArrayLike<number>,
  k: ArrayLike<number>,
  v: ArrayLike<number>,
  { lengths, heads, kvHeads, d, window = 0 }: Batch,
) {
  const { t, sequence, table } = rowsOf(lengths);
  const out = new Array(t * heads * d).fill(0);
  const lse = new Array(t * heads).fill(0);
  for (let row = 0; row < t; row++)
    for (let head = 0; head < heads; head++) {
      const kv = Math.floor((head * kvHeads) / heads);
      const scores: number[] = [];
      const first = Math.max(table[sequence[row]].first, window ? row - window + 1 : 0);
      for (let key = first; key <= row; key++) {
        let dot = 0;
        for (let i = 0; i < d; i++) dot += q[(row * heads + head) * d + i] * k[(key * kvHeads + kv) * d + i];
        scores.push(dot / Math.sqrt(d));
      }
      const top = Math.max(...scores);
      const sum = scores.reduce((sum, score) => sum + Math.exp(score - top), 0);
      lse[row * heads + head] = top + Math.log(sum);
      scores.forEach((score, j) => {
        const p = Math.exp(score - top) / sum;
        const key = first + j;
        for (let i = 0; i < d; i++) out[(row * heads + head) * d + i] += p * v[(key * kvHeads + kv) * d + i];
      });
    }
  return { out, lse };
}

function inputs({ lengths, heads, kvHeads, d }: Batch, seed = 1) {
  const { t } = rowsOf(lengths);
  const [q, k, v] = [heads, kvHeads, kvHeads].map((heads, i) => floats(t * heads * d, seed + i));
  return { t, q, k, v, out: new Float32Array(q.length), lse: new Float32Array(t * heads) };
}

/** Operands of `attention` without a cache. */
function uncached(batch: Batch, { t, q, k, v, out, lse }: ReturnType<typeof inputs>): Operand[] {
  const { sequence, position, table } = rowsOf(batch.lengths);
  const scalars = [
    t,
    table.length,
    batch.heads,
    batch.kvHeads,
    batch.d,
    0,
    0,
    batch.window ?? 0,
    0,
    { float: 1 / Math.sqrt(batch.d) },
  ];
  return [q, k, v, out, lse, position, sequence, sequenceTable(table), ...scalars];
}

const scratchOf = (kernel: string, t: number, context = 0, d = 0, window = 0) =>
  scratchBytes[kernel]({ t, context, d, window });

const BATCHES: readonly Batch[] = [
  { lengths: [1], heads: 1, kvHeads: 1, d: 4 },
  { lengths: [5], heads: 3, kvHeads: 1, d: 8 },
  { lengths: [17], heads: 4, kvHeads: 2, d: 16 },
  { lengths: [1, 8, 3, 1, 4], heads: 6, kvHeads: 3, d: 32 },
  { lengths: [37], heads: 2, kvHeads: 2, d: 64 },
  { lengths: [2, 19], heads: 5, kvHeads: 2, d: 20 },
  { lengths: [9, 9], heads: 2, kvHeads: 1, d: 128 },
];
const WINDOWS: readonly Batch[] = [
  { lengths: [9], heads: 3, kvHeads: 1, d: 8, window: 1 },
  { lengths: [1, 17, 3], heads: 4, kvHeads: 2, d: 4, window: 2 },
  { lengths: [13, 6], heads: 5, kvHeads: 2, d: 20, window: 5 },
  { lengths: [11], heads: 2, kvHeads: 1, d: 16, window: 8 },
  { lengths: [7, 5], heads: 2, kvHeads: 2, d: 8, window: 7 },
];
const name = ({ lengths, heads, kvHeads, d, window = 0 }: Batch) =>
  `rows ${lengths} heads ${heads}/${kvHeads} D ${d} window ${window}`;

describe("attention", () => {
  test.each([...BATCHES, ...WINDOWS].map((batch) => [name(batch), batch] as const))("%s", (_, batch) => {
    const values = inputs(batch);
    const { t, q, k, v, out, lse } = values;
    runParts("attention", uncached(batch, values), [3, 4], t * batch.heads, scratchOf("attention", t));
    const expected = reference(q, k, v, batch);
    expectClose(out, expected.out, 2e-6, "out");
    expectClose(lse, expected.lse, 2e-6, "lse");
  });

  test.each([0, 6])(
    "a row has the same bits whatever the batch, the cut of the prompt, and with a cache (window %i)",
    (window) => {
      const [heads, kvHeads, d, length, context, caches] = [6, 2, 16, 21, 32, 3];
      const batch = { lengths: [length], heads, kvHeads, d, window };
      const whole = inputs(batch, 5);
      expect(
        call("attention", uncached(batch, whole), [[0, length * heads]], scratchOf("attention", length)),
      ).toBe(0);

      const together = { lengths: [4, length, 7], heads, kvHeads, d, window };
      const mixed = inputs(together, 8);
      mixed.q.set(whole.q, 4 * heads * d);
      mixed.k.set(whole.k, 4 * kvHeads * d);
      mixed.v.set(whole.v, 4 * kvHeads * d);
      expect(
        call("attention", uncached(together, mixed), [[0, mixed.t * heads]], scratchOf("attention", mixed.t)),
      ).toBe(0);
      expect(mixed.out.slice(4 * heads * d, (4 + length) * heads * d)).toEqual(whole.out);
      expect(mixed.lse.slice(4 * heads, (4 + length) * heads)).toEqual(whole.lse);

      for (const cuts of [[length], [8, 8, 5], [20, 1], new Array(length).fill(1)]) {
        const [cacheK, cacheV] = [0, 1].map((i) => floats(caches * context * kvHeads * d, 40 + i));
        let done = 0;
        for (const rows of cuts) {
          const part = (array: Float32Array, columns: number) =>
            array.slice(done * columns, (done + rows) * columns);
          const position = Uint32Array.from({ length: rows }, (_, i) => done + i);
          const sequence = new Uint32Array(rows);
          const table = sequenceTable([{ first: 0, rows, cache: 2 }]);
          for (const [array, cache] of [
            [whole.k, cacheK],
            [whole.v, cacheV],
          ] as const) {
            const operands = [part(array, kvHeads * d), cache, position, sequence, table];
            runParts("cache_write", [...operands, rows, kvHeads * d, 1, context, caches, context], [1], rows);
          }
          const [out, lse] = [new Float32Array(rows * heads * d), new Float32Array(rows * heads)];
          const scalars = [
            rows,
            1,
            heads,
            kvHeads,
            d,
            context,
            caches,
            window,
            context,
            { float: 1 / Math.sqrt(d) },
          ];
          const operands = [
            part(whole.q, heads * d),
            cacheK,
            cacheV,
            out,
            lse,
            position,
            sequence,
            table,
            ...scalars,
          ];
          runParts("attention", operands, [3, 4], rows * heads, scratchOf("attention", rows, context));
          expect(out).toEqual(part(whole.out, heads * d));
          expect(lse).toEqual(part(whole.lse, heads));
          done += rows;
        }
      }
    },
  );

  test("a key that is not finite does not reach the rows before it", () => {
    const batch = { lengths: [6], heads: 1, kvHeads: 1, d: 8 };
    const clean = inputs(batch);
    call("attention", uncached(batch, clean), [[0, 6]], scratchOf("attention", 6));
    for (let bad = 1; bad < 6; bad++) {
      const values = inputs(batch);
      values.k[bad * 8] = Number.NaN;
      values.v[bad * 8] = Number.POSITIVE_INFINITY;
      call("attention", uncached(batch, values), [[0, 6]], scratchOf("attention", 6));
      expect(values.out.slice(0, bad * 8)).toEqual(clean.out.slice(0, bad * 8));
      expect(values.out[bad * 8]).toBeNaN();
    }
  });

  test("errors", () => {
    const batch = { lengths: [3, 2], heads: 2, kvHeads: 1, d: 4 };
    const operands = () => uncached(batch, inputs(batch));
    const scratch = scratchOf("attention", 5);
    const code = (change: (operands: Operand[]) => void, units = 10, bytes = scratch) => {
      const changed = operands();
      change(changed);
      return call("attention", changed, [[0, units]], bytes);
    };
    const words = (operands: Operand[], i: number) => operands[i] as Uint32Array;
    expect(code(() => {})).toBe(0);
    for (let i = 0; i < 8; i++) {
      expect(
        code((o) => (o[i] = (o[i] as Float32Array).slice(1))),
        `operand ${i}`,
      ).toBe(ERROR_OPERAND_BYTES);
    }
    expect(code(() => {}, 11)).toBe(ERROR_DIMENSION);
    expect(code((o) => (o[11] = 0))).toBe(ERROR_DIMENSION);
    expect(code((o) => (o[11] = 3))).toBe(ERROR_DIMENSION);
    expect(code((o) => (o[12] = 6))).toBe(ERROR_DIMENSION);
    expect(code((o) => (o[15] = -1))).toBe(ERROR_DIMENSION);
    expect(code(() => {}, 10, scratch - 4)).toBe(ERROR_SCRATCH);
    expect(code((o) => (words(o, 6)[4] = 2))).toBe(ERROR_SEQUENCE); // no such entry
    expect(code((o) => (words(o, 6)[0] = 1))).toBe(ERROR_SEQUENCE); // an entry that does not hold the row
    expect(code((o) => (words(o, 7)[8] = 4))).toBe(ERROR_SEQUENCE); // first row after the row
    expect(code((o) => (words(o, 7)[9] = 9))).toBe(ERROR_SEQUENCE); // rows beyond the batch
    expect(code((o) => (words(o, 7)[9] = 0xffffffff))).toBe(ERROR_SEQUENCE);
    expect(code((o) => (words(o, 7)[1] = 2))).toBe(ERROR_SEQUENCE); // rows end before the row
  });

  test("errors with a cache", () => {
    const [context, caches] = [4, 2];
    const batch = { lengths: [2], heads: 1, kvHeads: 1, d: 4 };
    const values = inputs(batch);
    const cache = new Float32Array(caches * context * 4);
    const operands = uncached(batch, { ...values, k: cache, v: cache.slice() });
    [operands[13], operands[14], operands[16]] = [context, caches, context];
    const scratch = scratchOf("attention", 2, context);
    const run = () => call("attention", operands, [[0, 2]], scratch);
    const write = () =>
      call(
        "cache_write",
        [values.k, cache, operands[5], operands[6], operands[7], 2, 4, 1, context, caches, context],
        [[0, 2]],
        0,
      );
    expect([run(), write()]).toEqual([0, 0]);
    operands[5] = Uint32Array.from([0, context]);
    expect([run(), write()]).toEqual([ERROR_POSITION, ERROR_POSITION]);
    operands[5] = Uint32Array.from([0, 1]);
    operands[7] = sequenceTable([{ first: 0, rows: 2, cache: caches }]);
    expect([run(), write()]).toEqual([ERROR_SEQUENCE, ERROR_SEQUENCE]);
    operands[7] = sequenceTable([{ first: 0, rows: 2, cache: 0 }]);
    operands[14] = caches + 1;
    expect(run()).toBe(ERROR_OPERAND_BYTES);
  });
});

/** Operands of both gradients, and dq, delta, dk, dv after they have run. */
function gradients(batch: Batch, { t, q, k, v, out, lse }: ReturnType<typeof inputs>, dout: Float32Array) {
  const { sequence, table } = rowsOf(batch.lengths);
  const [dq, delta, dk, dv] = [q, lse, k, v].map((like) => new Float32Array(like.length));
  const scalars = [t, table.length, batch.heads, batch.kvHeads, batch.d, batch.window ?? 0];
  const rest = [sequence, sequenceTable(table), ...scalars, { float: 1 / Math.sqrt(batch.d) }];
  const gradQ: Operand[] = [q, k, v, out, dout, lse, dq, delta, ...rest];
  const gradKv: Operand[] = [q, k, v, dout, lse, delta, dk, dv, ...rest];
  return { dq, delta, dk, dv, gradQ, gradKv };
}

function runGradients(batch: Batch, values: ReturnType<typeof inputs>, dout: Float32Array) {
  const { t } = values;
  call("attention", uncached(batch, values), [[0, t * batch.heads]], scratchOf("attention", t));
  const all = gradients(batch, values, dout);
  runParts("attention_grad_q", all.gradQ, [6, 7], t * batch.heads, scratchOf("attention_grad_q", t));
  runParts("attention_grad_kv", all.gradKv, [6, 7], t * batch.kvHeads, scratchOf("attention_grad_kv", t));
  return all;
}

describe("attention_grad", () => {
  const batches: readonly Batch[] = [
    { lengths: [1], heads: 1, kvHeads: 1, d: 4 },
    { lengths: [5], heads: 3, kvHeads: 1, d: 8 },
    { lengths: [1, 4, 1, 3], heads: 4, kvHeads: 2, d: 4 },
    { lengths: [11], heads: 5, kvHeads: 2, d: 20 },
    { lengths: [6, 2], heads: 2, kvHeads: 2, d: 16 },
    ...WINDOWS,
  ];
  test.each(batches.map((batch) => [name(batch), batch] as const))("%s: finite differences", (_, batch) => {
    const values = inputs(batch);
    const dout = floats(values.q.length, 30);
    const { dq, delta, dk, dv } = runGradients(batch, values, dout);
    const { q, k, v, out, lse } = values;
    const slopes = (x: Float32Array, f: (x: Float64Array) => { out: number[] }) =>
      differences(Float64Array.from(x), dout, (x) => f(x).out);
    const close = (actual: Float32Array, expected: number[], what: string) =>
      expectClose(actual, expected, 1e-5, what);
    // a row that sees one key only gives q and k no gradient
    if (values.t > batch.lengths.length && batch.window !== 1) {
      close(
        dq,
        slopes(q, (q) => reference(q, k, v, batch)),
        "dq",
      );
      close(
        dk,
        slopes(k, (k) => reference(q, k, v, batch)),
        "dk",
      );
    }
    close(
      dv,
      slopes(v, (v) => reference(q, k, v, batch)),
      "dv",
    );
    const expectedDelta = Array.from(lse, (_, i) => {
      let sum = 0;
      for (let j = i * batch.d; j < (i + 1) * batch.d; j++) sum += dout[j] * out[j];
      return sum;
    });
    close(delta, expectedDelta, "delta");
  });

  test.each([0, 4])("the bits of a sequence do not depend on what stands beside it (window %i)", (window) => {
    const [heads, kvHeads, d, length] = [4, 2, 16, 13];
    const alone = { lengths: [length], heads, kvHeads, d, window };
    const values = inputs(alone, 3);
    const dout = floats(values.q.length, 31);
    const expected = runGradients(alone, values, dout);
    for (const before of [1, 2, 5]) {
      const batch = { lengths: [before, length, 3], heads, kvHeads, d, window };
      const mixed = inputs(batch, 20);
      mixed.q.set(values.q, before * heads * d);
      mixed.k.set(values.k, before * kvHeads * d);
      mixed.v.set(values.v, before * kvHeads * d);
      const mixedDout = floats(mixed.q.length, 32);
      mixedDout.set(dout, before * heads * d);
      const { dq, dk, dv } = runGradients(batch, mixed, mixedDout);
      expect(dq.slice(before * heads * d, (before + length) * heads * d)).toEqual(expected.dq);
      expect(dk.slice(before * kvHeads * d, (before + length) * kvHeads * d)).toEqual(expected.dk);
      expect(dv.slice(before * kvHeads * d, (before + length) * kvHeads * d)).toEqual(expected.dv);
    }
  });

  test("errors", () => {
    const batch = { lengths: [3, 2], heads: 2, kvHeads: 1, d: 4 };
    const values = inputs(batch);
    for (const [kernel, units] of [
      ["attention_grad_q", 10],
      ["attention_grad_kv", 5],
    ] as const) {
      const scratch = scratchOf(kernel, 5);
      const code = (change: (operands: Operand[]) => void, end: number = units, bytes = scratch) => {
        const all = gradients(batch, values, new Float32Array(values.q.length));
        const operands = kernel === "attention_grad_q" ? all.gradQ : all.gradKv;
        change(operands);
        return call(kernel, operands, [[0, end]], bytes);
      };
      const words = (operands: Operand[], i: number) => operands[i] as Uint32Array;
      expect(code(() => {})).toBe(0);
      for (let i = 0; i < 10; i++)
        expect(
          code((o) => (o[i] = (o[i] as Float32Array).slice(1))),
          `${kernel} ${i}`,
        ).toBe(ERROR_OPERAND_BYTES);
      expect(code(() => {}, units + 1)).toBe(ERROR_DIMENSION);
      expect(code((o) => (o[13] = 0))).toBe(ERROR_DIMENSION);
      expect(code((o) => (o[14] = 2))).toBe(ERROR_DIMENSION);
      expect(code((o) => (o[15] = -1))).toBe(ERROR_DIMENSION);
      expect(code(() => {}, units, scratch - 4)).toBe(ERROR_SCRATCH);
      expect(code((o) => (words(o, 8)[4] = 2))).toBe(ERROR_SEQUENCE);
      expect(code((o) => (words(o, 8)[1] = 1))).toBe(ERROR_SEQUENCE);
      expect(code((o) => (words(o, 9)[9] = 9))).toBe(ERROR_SEQUENCE);
    }
  });
});
