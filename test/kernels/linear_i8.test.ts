import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ERROR_DIMENSION, ERROR_NONE, ERROR_OPERAND_BYTES, ERROR_SCRATCH } from "../../kernels/layout.ts";
import { blockDtypes } from "../../src/engine/dtypes/index.ts";
import type { Blocks } from "../../src/engine/dtypes/packed/blocks.ts";
import { linearI8Op } from "../../src/engine/ops/quantize.ts";
import { fileRows, nativeDtypes } from "./file_rows.ts";
import { call, scratchOf, split } from "./harness.ts";
import { closeTo, product, values } from "./products.ts";

const { fround } = Math;
const RECORD_WORDS = 36;

/** Round half to even, of numbers far below 2⁵³. */
function nearest(x: number): number {
  const down = Math.floor(x);
  if (x - down !== 0.5) return Math.round(x);
  return down % 2 === 0 ? down : down + 1;
}

/** The record of rows of x, by its definition: per 32 values scale, sum, two zero words, 32 values as int16 twice by fours. */
function quantized(x: Float32Array): { records: Uint32Array; scales: Float32Array; ints: Int8Array } {
  const blocks = x.length / 32;
  const records = new Uint32Array(blocks * RECORD_WORDS);
  const view = new DataView(records.buffer);
  const [scales, ints] = [new Float32Array(blocks), new Int8Array(x.length)];
  for (let b = 0; b < blocks; b++) {
    const block = x.subarray(32 * b, 32 * b + 32);
    const absmax = Math.max(...block.map(Math.abs));
    const inverse = fround(127 / absmax);
    const q = Array.from(block, (value) => (inverse < Infinity ? nearest(fround(value * inverse)) : 0));
    const at = 144 * b;
    scales[b] = absmax / 127;
    ints.set(q, 32 * b);
    view.setFloat32(at, absmax / 127, true);
    view.setInt32(
      at + 4,
      q.reduce((sum, value) => sum + value, 0),
      true,
    );
    q.forEach((value, i) => {
      view.setInt16(at + 16 + 16 * (i >> 2) + 2 * (i & 3), value, true);
      view.setInt16(at + 24 + 16 * (i >> 2) + 2 * (i & 3), value, true);
    });
  }
  return { records, scales, ints };
}

function quantizeKernel(x: Float32Array, t: number, k: number, parts = 1): Uint32Array {
  const records = new Uint32Array((x.length / 32) * RECORD_WORDS);
  expect(call("quantize", [x, records, t, k], split(t, parts), 0)).toBe(ERROR_NONE);
  return records;
}

describe("quantize", () => {
  it("equals its definition bit by bit, in any split", () => {
    for (const k of [32, 64, 96])
      for (const t of [1, 2, 5])
        for (const parts of [1, 2, 3]) {
          const x = values(t * k, t + k);
          expect(quantizeKernel(x, t, k, parts)).toEqual(quantized(x).records);
        }
  });
  it("rounds ties to even, takes zero, tiny and huge blocks", () => {
    const x = new Float32Array(32 * 5);
    x.set([127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 126.5]);
    x.fill(1e-40, 64, 96);
    x.set([3e38, -3e38, 1e30], 96);
    x.set([1e-30, -2e-31], 128);
    const records = quantizeKernel(x, 1, 160);
    expect(records).toEqual(quantized(x).records);
    expect(Array.from(new Int16Array(records.buffer, 16, 4))).toEqual([127, 0, 2, 2]);
  });
  it("agrees on any f32 whose block does not overflow", () => {
    const block = fc.float32Array({ minLength: 32, maxLength: 32, noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(block, (x) => {
        expect(quantizeKernel(x, 1, 32)).toEqual(quantized(x).records);
      }),
      { seed: 21, numRuns: 300 },
    );
  });
  it("refuses rows that are no whole blocks, and memory that is too small", () => {
    const records = new Uint32Array(RECORD_WORDS);
    expect(call("quantize", [values(40, 1), records, 1, 40], [[0, 1]], 0)).toBe(ERROR_DIMENSION);
    expect(call("quantize", [values(31, 1), records, 1, 32], [[0, 1]], 0)).toBe(ERROR_OPERAND_BYTES);
    expect(call("quantize", [values(64, 1), records, 2, 32], [[0, 2]], 0)).toBe(ERROR_OPERAND_BYTES);
  });
});

/** y in the op's exact steps. */
function exact(x: Float32Array, w: Blocks, t: number, k: number, n: number): Float32Array {
  const { scales, ints } = quantized(x);
  const data = new Float64Array(0);
  const inputs = [
    { shape: [t, k], data, blocks: { integers: ints, scales } },
    { shape: [n, k], data, blocks: w },
  ];
  return Float32Array.from(linearI8Op.reference(inputs, {})[0]!.data);
}

const integerDtypes = nativeDtypes.filter((dtype) => dtype.packed in blockDtypes);

describe.each(integerDtypes)("integer linear over $name", (dtype) => {
  const kernel = `linear_i8_${dtype.packed}`;
  const packing = blockDtypes[dtype.packed as keyof typeof blockDtypes];
  const deep = dtype.blockSize === 256;
  const run = (
    x: Float32Array,
    packed: Uint8Array,
    y: Float32Array,
    k: number,
    acc: number,
    ranges: number,
  ) => {
    const [t, n] = [x.length / k, (y.length * k) / x.length];
    const units = split(Math.ceil(n / 16), ranges);
    const operands = [quantizeKernel(x, t, k), packed, y, t, k, n, acc];
    expect(call(kernel, operands, units, scratchOf(kernel, t, k, n))).toBe(ERROR_NONE);
    return y;
  };
  it("equals the exact reference, in any split and any grouping of rows", () => {
    for (const k of deep ? [256, 768] : [32, 64, 160])
      for (const n of [1, 7, 8, 9, 15, 16, 17, 24, 37]) {
        const packed = packing.pack(fileRows(dtype, n, k, n + k), n, k);
        const blocks = packing.blocks(packed, n, k);
        for (const t of deep ? [1, 2, 3, 8] : [1, 2, 3, 4, 5, 8]) {
          const x = values(t * k, t);
          const y = run(x, packed, new Float32Array(t * n), k, 0, 1);
          expect(y).toEqual(exact(x, blocks, t, k, n));
          for (const parts of [2, 3]) expect(run(x, packed, new Float32Array(t * n), k, 0, parts)).toEqual(y);
          for (let row = 0; row < t; row++) {
            const alone = run(x.slice(row * k, (row + 1) * k), packed, new Float32Array(n), k, 0, 1);
            expect(alone).toEqual(y.slice(row * n, (row + 1) * n));
          }
        }
      }
  });
  it("goes on from what it adds to: two halves of k in turn are the whole", () => {
    const [t, n, k] = [3, 19, deep ? 512 : 64];
    const halves = (from: number, values: Float32Array) =>
      Float32Array.from(
        { length: values.length / 2 },
        (_, i) => values[Math.floor(i / (k / 2)) * k + from + (i % (k / 2))]!,
      );
    const file = fileRows(dtype, n, k, 5);
    const rowBytes = file.length / n;
    const fileHalf = (from: number) =>
      Uint8Array.from(
        { length: file.length / 2 },
        (_, i) => file[Math.floor(i / (rowBytes / 2)) * rowBytes + from + (i % (rowBytes / 2))]!,
      );
    const x = values(t * k, 2);
    const whole = run(x, packing.pack(file, n, k), new Float32Array(t * n), k, 0, 1);
    const y = new Float32Array(t * n);
    run(halves(0, x), packing.pack(fileHalf(0), n, k / 2), y, k / 2, 0, 1);
    run(halves(k / 2, x), packing.pack(fileHalf(rowBytes / 2), n, k / 2), y, k / 2, 1, 2);
    expect(y).toEqual(whole);
  });
  it("is within the rounding of int8 activations of the f64 product", () => {
    const [t, k, n] = [4, 512, 32];
    const file = fileRows(dtype, n, k, 3);
    const x = values(t * k, 4);
    const y = run(x, packing.pack(file, n, k), new Float32Array(t * n), k, 0, 1);
    const w = dtype.decode(file);
    const largest = w.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    // |x| < 1 is off by at most half of 1/127: far less than this as a sum of random signs.
    closeTo(y, product(x, w, t, n, k), (k / 254) * largest * 0.5, kernel);
  });
  it("refuses rows that are no whole blocks, and operands that are too small", () => {
    const [t, k, n] = [2, dtype.blockSize, 16];
    const packed = packing.pack(fileRows(dtype, n, k, 1), n, k);
    const records = quantizeKernel(values(t * k, 1), t, k);
    const y = new Float32Array(t * n);
    const scratch = scratchOf(kernel, t, k, n);
    expect(call(kernel, [records, packed, y, t, k + 1, n, 0], [[0, 1]], scratch)).toBe(ERROR_DIMENSION);
    for (const operands of [
      [records.slice(1), packed, y],
      [records, packed.slice(1), y],
      [records, packed, y.slice(1)],
    ])
      expect(call(kernel, [...operands, t, k, n, 0], [[0, 1]], scratch)).toBe(ERROR_OPERAND_BYTES);
    expect(call(kernel, [records, packed, y, t, k, n, 0], [[0, 2]], scratch)).toBe(ERROR_DIMENSION);
    expect(call(kernel, [records, packed, y, t, k, n, 0], [[0, 1]], scratch - 1)).toBe(ERROR_SCRATCH);
  });
});
