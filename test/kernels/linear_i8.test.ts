import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ERROR_DIMENSION, ERROR_NONE, ERROR_OPERAND_BYTES } from "../../kernels/layout.ts";
import { fileDtypes, packedOf } from "../../src/engine/dtypes/index.ts";
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

/** The integers and scales behind a file's bytes. */
function parts(name: "q8_0" | "q4_0", file: Uint8Array): { scales: number[]; ints: number[] } {
  const dtype = fileDtypes[name];
  const scales: number[] = [];
  const ints: number[] = [];
  for (let at = 0; at < file.length; at += dtype.bytesPerBlock) {
    const bytes = file.slice(at, at + dtype.bytesPerBlock);
    scales.push(fileDtypes.f16.decode(bytes.slice(0, 2))[0]!);
    bytes.set([0, 0x3c]); // scale 1: what remains is the integers
    ints.push(...dtype.decode(bytes));
  }
  return { scales, ints };
}

/** y = [y +] in the stated steps: per block acc = acc + w_scale · (x_scale · Σ), each rounded to f32. */
function exact(
  x: Float32Array,
  w: ReturnType<typeof parts>,
  t: number,
  k: number,
  n: number,
  start?: Float32Array,
): Float32Array {
  const { scales, ints } = quantized(x);
  const blocks = k / 32;
  return Float32Array.from({ length: t * n }, (_, index) => {
    const row = Math.floor(index / n);
    const column = index % n;
    let acc = start ? start[index]! : 0;
    for (let b = 0; b < blocks; b++) {
      let sum = 0;
      for (let i = 32 * b; i < 32 * b + 32; i++) sum += w.ints[column * k + i]! * ints[row * k + i]!;
      acc = fround(acc + fround(w.scales[column * blocks + b]! * fround(scales[row * blocks + b]! * sum)));
    }
    return acc;
  });
}

describe.each(["q8_0", "q4_0"] as const)("integer linear over %s", (name) => {
  const kernel = `linear_i8_${name}_r8`;
  const dtype = fileDtypes[name];
  it("equals the exact reference, in any split and any grouping of rows", () => {
    for (const k of [32, 64, 160])
      for (const n of [1, 7, 8, 9, 15, 16, 17, 24, 37]) {
        const file = dtype.encode(values(n * k, n + k));
        const packed = packedOf(dtype).pack(file, n, k);
        for (const t of [1, 2, 3, 4, 5, 8]) {
          const [x, acc] = [values(t * k, t), t % 2];
          const start = values(t * n, 9);
          const run = (from: number, to: number, ranges: number) => {
            const y = start.slice(from * n, to * n);
            const records = quantizeKernel(x.slice(from * k, to * k), to - from, k);
            const units = split(Math.ceil(n / 16), ranges);
            const code = call(
              kernel,
              [records, packed, y, to - from, k, n, acc],
              units,
              scratchOf(kernel, to - from, k, n),
            );
            expect(code).toBe(ERROR_NONE);
            return y;
          };
          const y = run(0, t, 1);
          expect(y).toEqual(exact(x, parts(name, file), t, k, n, acc ? start : undefined));
          expect(run(0, t, 2)).toEqual(y);
          expect(run(0, t, 3)).toEqual(y);
          for (let row = 0; row < t; row++)
            expect(run(row, row + 1, 1)).toEqual(y.slice(row * n, (row + 1) * n));
        }
      }
  });
  it("is within the rounding of int8 activations of the f64 product", () => {
    const [t, k, n] = [4, 320, 32];
    const file = dtype.encode(values(n * k, 3));
    const x = values(t * k, 4);
    const y = new Float32Array(t * n);
    call(kernel, [quantizeKernel(x, t, k), packedOf(dtype).pack(file, n, k), y, t, k, n, 0], [[0, 2]], 64);
    // |x| < 1 is off by at most half of 1/127, |w| < 1.1: far less than this as a sum of random signs.
    closeTo(y, product(x, dtype.decode(file), t, n, k), (k / 254) * 1.1, kernel);
  });
  it("refuses rows that are no whole blocks, and operands that are too small", () => {
    const [t, k, n] = [2, 32, 16];
    const packed = packedOf(dtype).pack(dtype.encode(values(n * k, 1)), n, k);
    const records = quantizeKernel(values(t * k, 1), t, k);
    const y = new Float32Array(t * n);
    expect(call(kernel, [records, packed, y, t, 33, n, 0], [[0, 1]], 64)).toBe(ERROR_DIMENSION);
    expect(call(kernel, [records.slice(1), packed, y, t, k, n, 0], [[0, 1]], 64)).toBe(ERROR_OPERAND_BYTES);
    expect(call(kernel, [records, packed.slice(1), y, t, k, n, 0], [[0, 1]], 64)).toBe(ERROR_OPERAND_BYTES);
    expect(call(kernel, [records, packed, y.slice(1), t, k, n, 0], [[0, 1]], 64)).toBe(ERROR_OPERAND_BYTES);
    expect(call(kernel, [records, packed, y, t, k, n, 0], [[0, 2]], 64)).toBe(ERROR_DIMENSION);
  });
});
