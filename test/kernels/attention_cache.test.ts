/** KV caches of every dtype, full and as rings, against each other and against f32 caches of the rounded values. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ERROR_DIMENSION, ERROR_OPERAND_BYTES, ERROR_POSITION, ERROR_SCRATCH } from "../../kernels/layout.ts";
import { type CacheType, cacheDtypes, cacheTypes } from "../../src/engine/dtypes/cache.ts";
import { f16ToF32, f32ToF16 } from "../../src/engine/dtypes/half.ts";
import { cacheWriteOp } from "../../src/engine/ops/state.ts";
import { scratchBytes } from "../../src/engine/plan/scratch.ts";
import { call, type Operand } from "./harness.ts";
import { expectClose, floats, runParts, sequenceTable } from "./values.ts";

const HEADS = { heads: 5, kvHeads: 2, d: 32 };
const { heads, kvHeads, d } = HEADS;
const WIDTH = kvHeads * d;
const SCALE = { float: 1 / Math.sqrt(d) };

/** Largest difference of outputs from those over an f32 cache, of the largest output, for normal q, k and v. */
const TOLERANCE: Readonly<Record<CacheType, number>> = { f32: 0, f16: 1e-3, q8_0: 2e-2 };

const suffix = (type: CacheType) => (type === "f32" ? "" : `_${type}`);

/** A cache as bytes, in a Float32Array so that the harness copies it back; at first noise. */
interface Cache {
  readonly type: CacheType;
  readonly context: number;
  readonly capacity: number;
  readonly caches: number;
  readonly window: number;
  readonly k: Float32Array;
  readonly v: Float32Array;
}

function cacheOf(type: CacheType, context: number, capacity: number, caches: number, window: number): Cache {
  const { bytesPerBlock, blockSize } = cacheDtypes[type];
  const words = (caches * capacity * WIDTH * bytesPerBlock) / blockSize / 4;
  const [k, v] = [70, 71].map((seed) => floats(words, seed));
  return { type, context, capacity, caches, window, k, v };
}

/** Rows of a text: q, k and v of all its positions. */
function textOf(length: number, seed: number) {
  const [q, k, v] = [heads * d, WIDTH, WIDTH].map((columns, i) => floats(length * columns, seed + i));
  return { q, k, v };
}

interface Piece {
  readonly text: ReturnType<typeof textOf>;
  readonly from: number;
  readonly rows: number;
  readonly cache: number;
}

/** One run: some rows of some texts, written and attended to; out and lse of each piece. */
function run(cache: Cache, pieces: readonly Piece[]) {
  const columns = (name: "q" | "k" | "v", width: number) =>
    Float32Array.from(
      pieces.flatMap(({ text, from, rows }) => [...text[name].subarray(from * width, (from + rows) * width)]),
    );
  const position = Uint32Array.from(
    pieces.flatMap(({ from, rows }) => Array.from({ length: rows }, (_, i) => from + i)),
  );
  const sequence = Uint32Array.from(pieces.flatMap(({ rows }, i) => new Array<number>(rows).fill(i)));
  let first = 0;
  const table = sequenceTable(
    pieces.map(({ rows, cache }) => ({ first: (first += rows) - rows, rows, cache })),
  );
  const t = position.length;
  const { type, context, capacity, caches, window, k, v } = cache;
  for (const [x, to] of [
    [columns("k", WIDTH), k],
    [columns("v", WIDTH), v],
  ]) {
    const operands = [x, to, position, sequence, table, t, WIDTH, pieces.length, context, caches, capacity];
    runParts(`cache_write${suffix(type)}`, operands, [1], t);
  }
  const [out, lse] = [new Float32Array(t * heads * d), new Float32Array(t * heads)];
  const scalars = [t, pieces.length, heads, kvHeads, d, context, caches, window, capacity, SCALE];
  const memory = [columns("q", heads * d), k, v, out, lse, position, sequence, table];
  const kernel = `attention${suffix(type)}`;
  runParts(
    kernel,
    [...memory, ...scalars],
    [3, 4],
    t * heads,
    scratchBytes[kernel]({ t, d, context, window }),
  );
  let row = 0;
  return pieces.map(({ rows }) => {
    const begin = row;
    row += rows;
    return {
      out: out.slice(begin * heads * d, row * heads * d),
      lse: lse.slice(begin * heads, row * heads),
    };
  });
}

/** Outputs of a text fed in runs of these sizes to cache 1. */
function fed(cache: Cache, text: ReturnType<typeof textOf>, cuts: readonly number[]) {
  let from = 0;
  const parts = cuts.map((rows) => {
    const [part] = run(cache, [{ text, from, rows, cache: 1 }]);
    from += rows;
    return part;
  });
  const join = (name: "out" | "lse") => parts.flatMap((part) => [...part[name]]);
  return { out: join("out"), lse: join("lse") };
}

/** Random cuts of `length` rows into runs of at most `most`. */
const cutsOf = (length: number, most: number) =>
  fc.infiniteStream(fc.integer({ min: 1, max: most })).map((stream) => {
    const cuts: number[] = [];
    for (let left = length; left > 0; left -= cuts[cuts.length - 1])
      cuts.push(Math.min(left, stream.next().value!));
    return cuts;
  });

/** Values of a cache. */
function decoded(type: CacheType, cache: Float32Array): number[] {
  if (type === "f32") return [...cache];
  if (type === "f16") return Array.from(new Uint16Array(cache.buffer), f16ToF32);
  const view = new DataView(cache.buffer);
  return Array.from({ length: (view.byteLength / 36) * 32 }, (_, i) => {
    const block = 36 * Math.floor(i / 32);
    return Math.fround(view.getFloat32(block, true) * view.getInt8(block + 4 + (i % 32)));
  });
}

describe.each(cacheTypes)("cache of %s", (type) => {
  test("a ring gives the bits of a full cache, however the text is cut, over several turns", () => {
    const [length, window, capacity] = [75, 6, 16];
    const text = textOf(length, 11);
    const whole = fed(cacheOf(type, length, length, 2, window), text, [length]);
    fc.assert(
      fc.property(cutsOf(length, capacity - window + 1), (cuts) => {
        expect(fed(cacheOf(type, length, capacity, 2, window), text, cuts)).toEqual(whole);
      }),
      { numRuns: 4 },
    );
  });

  test("a row has the same bits in any run, decode or prompt, without a window too", () => {
    const length = 19;
    const text = textOf(length, 21);
    const full = () => cacheOf(type, 24, 24, 2, 0);
    const whole = fed(full(), text, [length]);
    for (const cuts of [new Array<number>(length).fill(1), [9, 10], [18, 1]])
      expect(fed(full(), text, cuts)).toEqual(whole);
  });

  test("several sequences in one run, each with a ring of its own", () => {
    const [window, capacity] = [5, 16];
    const texts = [31, 41, 51].map((seed) => textOf(24, seed));
    const together = cacheOf(type, 64, capacity, 3, window);
    const found = texts.map(() => ({ out: [] as number[], lse: [] as number[] }));
    let [from, first] = [0, 0];
    for (const rows of [4, 1, 4, 4, 3, 4, 4]) {
      const order = [0, 1, 2].map((i) => (i + first) % 3);
      const parts = run(
        together,
        order.map((cache) => ({ text: texts[cache], from, rows, cache })),
      );
      order.forEach((cache, i) => {
        found[cache].out.push(...parts[i].out);
        found[cache].lse.push(...parts[i].lse);
      });
      from += rows;
      first++;
    }
    for (const [i, text] of texts.entries())
      expect(found[i]).toEqual(fed(cacheOf(type, 64, 64, 2, window), text, [from]));
  });

  test("the bits are those of an f32 cache of the rounded values, and close to those of the values", () => {
    const length = 45;
    const text = textOf(length, 61);
    const rounded = (x: Float32Array) => Float32Array.from(cacheDtypes[type].round(Float64Array.from(x)));
    const twin = { q: text.q, k: rounded(text.k), v: rounded(text.v) };
    const found = fed(cacheOf(type, 48, 48, 2, 0), text, [length]);
    expect(found).toEqual(fed(cacheOf("f32", 48, 48, 2, 0), twin, [length]));
    const exact = fed(cacheOf("f32", 48, 48, 2, 0), text, [length]);
    expectClose(found.out, exact.out, TOLERANCE[type] + 1e-30, "out");
    if (type !== "f32") expect(found).not.toEqual(exact);
  });

  test("cache_write equals its reference, values and places", () => {
    const { caches, capacity, context } = { caches: 3, capacity: 16, context: 64 };
    const t = 7;
    const x = floats(t * WIDTH, 81);
    const position = Uint32Array.from([13, 14, 15, 16, 40, 41, 42]);
    const sequence = Uint32Array.from([0, 0, 0, 0, 1, 1, 1]);
    const table = sequenceTable([
      { first: 0, rows: 4, cache: 2 },
      { first: 4, rows: 3, cache: 0 },
    ]);
    const { k } = cacheOf(type, context, capacity, caches, 5);
    k.fill(0);
    const operands = [x, k, position, sequence, table, t, WIDTH, 2, context, caches, capacity];
    runParts(`cache_write${suffix(type)}`, operands, [1], t);
    const tensor = (shape: number[], data: ArrayLike<number>) => ({ shape, data: Float64Array.from(data) });
    const cache = tensor([caches * capacity, WIDTH], new Float64Array(caches * capacity * WIDTH));
    const rows = [tensor([t], position), tensor([t], sequence), tensor([2, 8], table)];
    const { leaf } = cacheDtypes[type];
    cacheWriteOp.reference([cache, tensor([t, WIDTH], x), ...rows], {
      context,
      caches,
      capacity,
      dtype: leaf,
    });
    expect(decoded(type, k)).toEqual([...cache.data].map((value) => value + 0));
    expect(cache.data.filter((value) => value !== 0).length).toBeGreaterThan(t * WIDTH * 0.9);
  });

  test("errors", () => {
    const make = (change: (operands: Operand[]) => void, scratch = 0) => {
      const [t, context, capacity, window] = [3, 64, 16, 8];
      const { k, v } = cacheOf(type, context, capacity, 2, window);
      const row = (columns: number) => new Float32Array(t * columns);
      const rows = [Uint32Array.from([0, 1, 2]), new Uint32Array(t), sequenceTable([{ first: 0, rows: t }])];
      const scalars = [t, 1, heads, kvHeads, d, context, 2, window, capacity, SCALE];
      const operands = [row(heads * d), k, v, row(heads * d), row(heads), ...rows, ...scalars];
      change(operands);
      const kernel = `attention${suffix(type)}`;
      return call(
        kernel,
        operands,
        [[0, t * heads]],
        scratchBytes[kernel]({ t, d, context, window }) + scratch,
      );
    };
    expect(make(() => {})).toBe(0);
    expect(make(() => {}, -4)).toBe(ERROR_SCRATCH);
    expect(make((o) => (o[16] = 9))).toBe(ERROR_DIMENSION); // a ring that the last row's window does not fit
    expect(make((o) => (o[15] = 0))).toBe(ERROR_DIMENSION); // a ring, and all keys wanted
    expect(make((o) => (o[16] = 17))).toBe(ERROR_OPERAND_BYTES);
    expect(make((o) => ((o[5] as Uint32Array)[2] = 64))).toBe(ERROR_POSITION);
    if (type === "q8_0") expect(make((o) => (o[12] = 16))).toBe(ERROR_DIMENSION);
  });
});

test("every half is read as it is, and every kind of number is written as the nearest half", () => {
  const [count, width] = [1024, 64];
  const halves = Uint16Array.from({ length: count * width }, (_, i) => i);
  const position = new Uint32Array(count);
  const sequence = Uint32Array.from({ length: count }, (_, i) => i);
  const table = sequenceTable(Array.from({ length: count }, (_, i) => ({ first: i, rows: 1, cache: i })));
  const [out, zeros] = [new Float32Array(count * width), new Float32Array(count * width)];
  const keys = new Uint16Array(count * width);
  const memory = [zeros, keys, halves, out, new Float32Array(count), position, sequence, table];
  const scalars = [count, count, 1, 1, width, 1, count, 0, 1, { float: 1 }];
  const scratch = scratchBytes.attention_f16({ t: count, d: width, context: 1, window: 0 });
  // One key a row: its weight is 1 and the output its value (0 + (−0) is +0).
  expect(call("attention_f16", [...memory, ...scalars], [[0, count]], scratch)).toBe(0);
  out.forEach((value, i) => {
    expect(Object.is(value, f16ToF32(i) + 0), `${i}: ${value}`).toBe(true);
  });

  const special = [
    0,
    65504,
    65519.996,
    65520,
    1e9,
    Infinity,
    2 ** -14,
    2 ** -24,
    2 ** -25,
    3 * 2 ** -25,
    1e-30,
  ];
  const ties = [1 + 2 ** -11, 1 + 3 * 2 ** -11, 2049, 2051, 1023.75, 5.5 * 2 ** -24];
  const x = Float32Array.from(
    [...special, ...ties, ...floats(47, 3), ...floats(47, 4, 1e-5)].flatMap((v) => [v, -v]),
  );
  const row = x.subarray(0, 128);
  const target = new Uint16Array(row.length);
  const one = [new Uint32Array(1), new Uint32Array(1), sequenceTable([{ first: 0, rows: 1 }])];
  expect(call("cache_write_f16", [row, target, ...one, 1, row.length, 1, 1, 1, 1], [[0, 1]], 0)).toBe(0);
  row.forEach((value, i) => {
    expect(target[i], `${value}`).toBe(f32ToF16(value));
  });
  const bad = Float32Array.from([Number.NaN, 1]);
  const written = new Uint16Array(2);
  expect(call("cache_write_f16", [bad, written, ...one, 1, 2, 1, 1, 1, 1], [[0, 1]], 0)).toBe(0);
  expect([f16ToF32(written[0]), f16ToF32(written[1])]).toEqual([Number.NaN, 1]);
});

test("blocks of q8_0 in memory: scale, then 32 integers", () => {
  const x = floats(96, 9, 3);
  x.fill(0, 32, 64);
  x[70] = -7; // the largest of its block
  const bytes = new Uint8Array(108);
  const one = [new Uint32Array(1), new Uint32Array(1), sequenceTable([{ first: 0, rows: 1 }])];
  expect(call("cache_write_q8_0", [x, bytes, ...one, 1, 96, 1, 1, 1, 1], [[0, 1]], 0)).toBe(0);
  const view = new DataView(bytes.buffer);
  const values = Array.from({ length: 96 }, (_, i) => {
    const block = 36 * Math.floor(i / 32);
    return Math.fround(view.getFloat32(block, true) * view.getInt8(block + 4 + (i % 32)));
  });
  expect(values).toEqual([...cacheDtypes.q8_0.round(Float64Array.from(x))].map((v) => v + 0));
  expect(view.getInt8(72 + 4 + 6)).toBe(-127);
  expect(call("cache_write_q8_0", [x, bytes, ...one, 1, 80, 1, 1, 1, 1], [[0, 1]], 0)).toBe(ERROR_DIMENSION);
});
