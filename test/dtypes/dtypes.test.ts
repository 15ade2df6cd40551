import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { f16ToF32, f32ToF16 } from "../../src/engine/dtypes/half.ts";
import { bytesOf, dtypeOfGguf, fileDtypes, packedDtypes, packedOf } from "../../src/engine/dtypes/index.ts";
import { callAt } from "../kernels/harness.ts";
import { values } from "../kernels/products.ts";

interface Golden {
  readonly encoded: string;
  readonly decoded: string;
}
const golden = JSON.parse(readFileSync(new URL("../golden/dtypes.json", import.meta.url), "utf8")) as Record<
  string,
  Golden
> & {
  values: string;
};
const bytes = (base64: string) => new Uint8Array(Buffer.from(base64, "base64"));
const floats = (base64: string) => new Float32Array(bytes(base64).buffer);

describe.each(["f16", "q8_0", "q4_0"] as const)("%s beside the gguf package", (name) => {
  const dtype = fileDtypes[name];
  it("encodes to the same bytes", () => {
    expect(dtype.encode(floats(golden.values))).toEqual(bytes(golden[name]!.encoded));
  });
  it("decodes to the same values", () => {
    expect(dtype.decode(bytes(golden[name]!.encoded))).toEqual(floats(golden[name]!.decoded));
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

describe.each(Object.values(fileDtypes))("$name", (dtype) => {
  const packed = packedOf(dtype);
  const pack = `pack_${packed.name}`;
  it("is known by its GGUF id, and packs to at most 1.12 of its bytes", () => {
    expect(dtypeOfGguf(dtype.ggufId)).toBe(dtype);
    expect(packed.packedBytes(64, 64) / bytesOf(dtype, 64 * 64)).toBeLessThanOrEqual(1.12);
  });
  it("unpack ∘ pack is decode", () => {
    for (const [n, k] of [
      [1, 32],
      [16, 64],
      [17, 96],
      [40, 32],
    ] as const) {
      const file = dtype.encode(values(n * k, n));
      const all = packed.pack(file, n, k);
      expect(all.length).toBe(packed.packedBytes(n, k));
      expect(packed.unpack(all, n, k)).toEqual(dtype.decode(file));
    }
  });
  it("the wasm packs the same bytes, group by group, subnormal and special scales included", () => {
    for (const [n, k] of [
      [16, 32],
      [5, 64],
      [37, 96],
    ] as const) {
      const x = values(n * k, 3);
      x.fill(1e-6, 0, 32); // a subnormal half as the scale
      x.fill(1e9, k * 4, k * 4 + 32); // an infinite one
      const file = dtype.encode(x);
      const rowBytes = bytesOf(dtype, k);
      const groups = [];
      for (let row = 0; row < n; row += 16) {
        const rows = file.slice(row * rowBytes, (row + 16) * rowBytes);
        const group = new Uint8Array(packed.packedBytes(16, k));
        callAt(pack, [rows, group], Math.min(16, n - row), k);
        groups.push(group);
      }
      expect(new Uint8Array(Buffer.concat(groups))).toEqual(packed.pack(file, n, k));
    }
  });
});

it("packed dtypes have their own names", () => {
  expect(
    Object.keys(packedDtypes).map((name) => packedDtypes[name as keyof typeof packedDtypes].name),
  ).toEqual(Object.keys(packedDtypes));
});
