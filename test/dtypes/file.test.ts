import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { f16ToF32, f32ToF16 } from "../../src/engine/dtypes/half.ts";
import {
  bytesOf,
  convert,
  dtypeOfGguf,
  type EncodableDtype,
  encodableDtypes,
  type FileDtype,
  type FileDtypeName,
  fileDtypes,
} from "../../src/engine/dtypes/index.ts";

interface Golden {
  readonly values: string;
  readonly encoded: Record<string, string>;
  readonly random: Record<string, { bytes: string; decoded: string }>;
}
const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../golden/${name}`, import.meta.url), "utf8"));
const golden: Golden = read("dtypes.json");
const bytes = (base64: string) => new Uint8Array(Buffer.from(base64, "base64"));
const all = Object.values(fileDtypes) as FileDtype[];
const encodable = Object.values(encodableDtypes) as EncodableDtype[];
const exact = ["f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1"] as const;

/** Where the halves of a block stand; they must be finite for values to be numbers. */
const SCALES: Partial<Record<FileDtypeName, readonly number[]>> = {
  q8_0: [0],
  q4_0: [0],
  q4_1: [0, 2],
  q5_0: [0],
  q5_1: [0, 2],
  iq4_nl: [0],
  q2_k: [80, 82],
  q3_k: [108],
  q4_k: [0, 2],
  q5_k: [0, 2],
  q6_k: [208],
};

/** Words of a congruential generator (Numerical Recipes' ranqd1). */
function words(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    return state;
  };
}

/** Blocks of random bytes whose scales are finite, many of them zeros of both signs and subnormal. */
function randomBlocks({ name, bytesPerBlock }: FileDtype, count: number, seed: number): Uint8Array {
  const word = words(seed);
  const blocks = Uint8Array.from({ length: count * bytesPerBlock }, () => word() >>> 24);
  for (let b = 0; b < count; b++)
    for (const offset of SCALES[name as FileDtypeName]!) {
      const at = b * bytesPerBlock + offset + 1;
      if ((blocks[at]! & 0x7c) === 0x7c) blocks[at]! ^= 0x40;
      if (b % 4 === 0) blocks[at]! &= 0x83;
      if (b % 16 === 0) blocks.set([0, blocks[at]! & 0x80], at - 1);
    }
  return blocks;
}

const same = (actual: ArrayBufferView, expected: ArrayBufferView) =>
  Buffer.compare(bufferOf(actual), bufferOf(expected)) === 0;
const bufferOf = (view: ArrayBufferView) => Buffer.from(view.buffer, view.byteOffset, view.byteLength);

describe("beside the gguf package", () => {
  it.each(exact)("%s encodes to the same bytes", (name) => {
    const values = new Float32Array(bytes(golden.values).buffer);
    expect(encodableDtypes[name].encode(values)).toEqual(bytes(golden.encoded[name]!));
  });
  it.each(Object.keys(SCALES) as FileDtypeName[])("%s decodes to the same bits", (name) => {
    const { bytes: blocks, decoded } = golden.random[name]!;
    const actual = fileDtypes[name].decode(bytes(blocks));
    expect(bufferOf(actual).toString("hex")).toBe(Buffer.from(decoded, "base64").toString("hex"));
  });

  const python = process.env.EDGEWISE_PYTHON;
  it.skipIf(!python)("runs of it on random blocks and values (needs EDGEWISE_PYTHON)", () => {
    const seed = Number(process.env.SEED ?? Date.now() % 2 ** 32);
    const word = words(seed);
    // Bits of any exponent but the last: from subnormal to huge.
    const bits = Uint32Array.from({ length: 32 * 2000 }, () => word() & 0xff7fffff);
    const near = Float32Array.from({ length: 32 * 2000 }, () => (word() / 2 ** 32 - 0.5) * 0.1);
    const jobs = [
      ...(Object.keys(SCALES) as FileDtypeName[]).map((name) => {
        const data = randomBlocks(fileDtypes[name], 500, seed);
        return { name, direction: "decode", data, made: () => fileDtypes[name].decode(data) };
      }),
      ...exact.flatMap((name) =>
        [new Float32Array(bits.buffer), near].map((data) => {
          return { name, direction: "encode", data, made: () => encodableDtypes[name].encode(data) };
        }),
      ),
    ];
    const header = jobs.map(({ name, direction, data }) => [name.toUpperCase(), direction, data.byteLength]);
    const { status, stdout, stderr } = spawnSync(
      python!,
      [new URL("dtypes_oracle.py", import.meta.url).pathname],
      {
        input: Buffer.concat([
          Buffer.from(`${JSON.stringify(header)}\n`),
          ...jobs.map(({ data }) => bufferOf(data)),
        ]),
        maxBuffer: 2 ** 30,
      },
    );
    expect(status, stderr.toString()).toBe(0);
    let at = 0;
    for (const { name, direction, made } of jobs) {
      const actual = made();
      const expected = stdout.subarray(at, (at += actual.byteLength));
      expect(same(actual, expected), `${direction} ${name}, seed ${seed}`).toBe(true);
    }
    expect(at).toBe(stdout.length);
  });
});

describe("half precision", () => {
  it("round-trips every half", () => {
    for (let half = 0; half < 65536; half++) {
      const value = f16ToF32(half);
      if (Number.isNaN(value)) expect((f32ToF16(value) & 0x7fff) > 0x7c00).toBe(true);
      else if (f32ToF16(value) !== half)
        throw new Error(`half ${half} is ${value}, and that is half ${f32ToF16(value)}`);
    }
  });
  it("rounds to the nearest half, ties to even", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0x7bfe }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (half, part) => {
          const [low, high] = [f16ToF32(half), f16ToF32(half + 1)];
          const value = Math.fround(low + (high - low) * part);
          const middle = (low + high) / 2;
          const expected = value === middle ? half + (half & 1) : value < middle ? half : half + 1;
          expect(f32ToF16(value)).toBe(expected);
          expect(f32ToF16(-value)).toBe(expected | 0x8000);
        },
      ),
      { seed: 22, numRuns: 2000 },
    );
  });
});

describe.each(all)("$name", (dtype) => {
  it("is known by its id, and becomes a dtype that can be written", () => {
    expect(dtypeOfGguf(dtype.ggufId)).toBe(dtype);
    expect(fileDtypes[dtype.name as FileDtypeName]).toBe(dtype);
    const native = encodableDtypes[dtype.native as keyof typeof encodableDtypes];
    expect(native.native).toBe(dtype.native);
    expect(native.packed).toBe(dtype.packed);
  });
  it("says which block is not finite", () => {
    const offsets = SCALES[dtype.name as FileDtypeName] ?? [dtype.bytesPerBlock - 2];
    const finite = new Uint8Array(8 * dtype.bytesPerBlock);
    expect(dtype.firstNotFinite(finite)).toBe(-1);
    expect(dtype.firstNotFinite(new Uint8Array(0))).toBe(-1);
    const special =
      dtype.name === "f32" || dtype.name === "bf16"
        ? [0x7f80, 0xff80, 0x7fc0, 0xff81]
        : [0x7c00, 0xfc00, 0x7e00, 0xfc01];
    for (const half of special)
      for (const offset of offsets)
        for (const block of [0, 5, 7]) {
          const at = block * dtype.bytesPerBlock + offset;
          const broken = finite.slice();
          broken.set([half & 255, half >> 8], at);
          expect(dtype.firstNotFinite(broken)).toBe(block);
          expect(dtype.decode(broken).every(Number.isFinite)).toBe(false);
        }
  });
});

it.each(["q3_k", "iq4_nl"] as const)("%s becomes its native dtype bit for bit", (name) => {
  const from = fileDtypes[name];
  const to = encodableDtypes[from.native as keyof typeof encodableDtypes];
  const blocks = randomBlocks(from, 200, 7);
  expect(same(to.decode(convert(from, to, blocks)), from.decode(blocks))).toBe(true);
});

it("q2_k becomes q8_0 to within half of its step", () => {
  const blocks = randomBlocks(fileDtypes.q2_k, 50, 8);
  for (let b = 0; b < 50; b++) for (const at of [81, 83]) blocks[84 * b + at]! &= 0xbf; // q8_0 has no scale above 65504
  const values = fileDtypes.q2_k.decode(blocks);
  const anew = fileDtypes.q8_0.decode(convert(fileDtypes.q2_k, encodableDtypes.q8_0, blocks));
  for (let first = 0; first < values.length; first += 32) {
    const largest = Math.max(...values.subarray(first, first + 32).map(Math.abs));
    for (let i = first; i < first + 32; i++)
      expect(Math.abs(anew[i]! - values[i]!)).toBeLessThanOrEqual(
        largest * (0.5 / 127 + 2 ** -11) + 127 * 2 ** -25,
      );
  }
});

describe("K-quants", () => {
  const errors: Record<string, Record<string, number>> = read("k_quants.json");
  const word = words(1);
  const bell = Float64Array.from({ length: 64 * 256 }, () => {
    let sum = 0;
    for (let i = 0; i < 12; i++) sum += word() / 2 ** 32;
    return sum - 6;
  });
  const kinds: Record<string, Float32Array> = {
    normal: Float32Array.from(bell),
    cubed: Float32Array.from(bell, (x) => x ** 3),
  };
  const kTypes = ["q4_k", "q5_k", "q6_k"] as const;

  it.each(kTypes)("%s: the error is at most 1.05 of that of ggml's encoder", (name) => {
    for (const [kind, values] of Object.entries(kinds)) {
      const decoded = fileDtypes[name].decode(encodableDtypes[name].encode(values));
      let [differences, squares] = [0, 0];
      for (let i = 0; i < values.length; i++) {
        differences += (decoded[i]! - values[i]!) ** 2;
        squares += values[i]! ** 2;
      }
      expect(Math.sqrt(differences / squares) / errors[kind]![name]!).toBeLessThan(1.05);
    }
  });
  it.each(kTypes)("%s: zeros, constants, one value, tiny and large ones", (name) => {
    const { encode, decode } = encodableDtypes[name];
    const made = (values: Float32Array) => decode(encode(values));
    expect(made(new Float32Array(256))).toEqual(new Float32Array(256));
    expect(made(new Float32Array(256).fill(1e-30)).every((x) => x === 0)).toBe(true);
    for (const constant of [1, -1, 3e-3, -500, 6e4, -6e4])
      for (const x of made(new Float32Array(256).fill(constant)))
        expect(Math.abs(x / constant - 1)).toBeLessThan(0.02);
    for (const place of [0, 100, 255]) {
      const values = new Float32Array(256);
      values[place] = -2.5;
      const [peak] = made(values).subarray(place, place + 1);
      expect(Math.abs(peak! + 2.5)).toBeLessThan(0.01);
    }
  });
  it.each(kTypes)("%s: what it wrote is written the same again, or nearer", (name) => {
    const { encode, decode } = encodableDtypes[name];
    const once = decode(encode(kinds.normal!));
    const twice = decode(encode(once));
    const error = Math.sqrt(once.reduce((sum, x, i) => sum + (x - twice[i]!) ** 2, 0) / once.length);
    expect(error).toBeLessThan(name === "q6_k" ? 0.02 : 0.05);
  });
});

it.each(encodable)("$name: whole blocks, one after another", (dtype) => {
  const word = words(3);
  const values = Float32Array.from({ length: 1024 }, () => word() / 2 ** 32 - 0.5);
  const encoded = dtype.encode(values);
  expect(encoded.length).toBe(bytesOf(dtype, 1024));
  expect(dtype.encode(values.subarray(512))).toEqual(encoded.slice(encoded.length / 2));
  expect(same(dtype.decode(encoded.subarray(encoded.length / 2)), dtype.decode(encoded).subarray(512))).toBe(
    true,
  );
});
