import { describe, expect, it } from "vitest";
import {
  blockDtypes,
  bytesOf,
  type EncodableDtype,
  type PackedDtypeName,
  packedDtypes,
  packedOf,
} from "../../src/engine/dtypes/index.ts";
import { fileRows, nativeDtypes } from "../kernels/file_rows.ts";
import { callAt } from "../kernels/harness.ts";
import { values } from "../kernels/products.ts";

/** Packed bytes of a type beside its bytes in a file: scales in f32 cost; K-quants keep theirs in bytes. */
const GROWTH: Record<string, number> = { q4_1: 1.2 };

describe.each(nativeDtypes)("$name in memory", (dtype) => {
  const packed = packedOf(dtype);
  const unit = Math.max(32, dtype.blockSize);
  it("takes at most 1.12 of its bytes in a file (q4_1: 1.2)", () => {
    const growth = packed.packedBytes(64, 256) / bytesOf(dtype, 64 * 256);
    expect(growth).toBeLessThanOrEqual(GROWTH[dtype.name] ?? 1.12);
    expect(packed.packedBytes(64, 256)).toBe((64 * 256 * packed.bytesPerBlock) / packed.blockSize);
  });
  it("unpack ∘ pack is decode, bit for bit", () => {
    for (const [n, blocks] of [
      [1, 1],
      [16, 2],
      [17, 3],
      [40, 1],
    ] as const) {
      const k = blocks * unit;
      const file = fileRows(dtype, n, k, n);
      const all = packed.pack(file, n, k);
      expect(all.length).toBe(packed.packedBytes(n, k));
      expect(packed.unpack(all, n, k)).toEqual(dtype.decode(file));
    }
  });
  it("the wasm packs the same bytes, any number of rows at once, and zeros behind the last", () => {
    for (const [n, blocks] of [
      [16, 1],
      [5, 2],
      [37, 3],
    ] as const) {
      const k = blocks * unit;
      const file = fileRows(dtype, n, k, 3);
      const all = new Uint8Array(packed.packedBytes(n, k)).fill(0xee);
      callAt(`pack_${packed.name}`, [file, all], n, k);
      expect(all).toEqual(packed.pack(file, n, k));
    }
  });
  if ("encode" in dtype)
    it("packs subnormal scales as they are", () => {
      const k = Math.max(64, dtype.blockSize);
      const x = values(8 * k, 3);
      x.fill(dtype.blockSize === 256 ? 1e-3 : 1e-6, 0, k / 2); // K-quants cut their scales once more
      x.fill(0, k / 2, k);
      const file = (dtype as EncodableDtype).encode(x);
      const all = new Uint8Array(packed.packedBytes(8, k));
      callAt(`pack_${packed.name}`, [file, all], 8, k);
      expect(all).toEqual(packed.pack(file, 8, k));
      expect(packed.unpack(all, 8, k)).toEqual(dtype.decode(file));
    });
});

it("packed dtypes have their own names, and every native type has one", () => {
  for (const [name, dtype] of Object.entries(packedDtypes)) expect(dtype.name).toBe(name);
  expect(nativeDtypes.map((dtype) => dtype.packed).sort()).toEqual(Object.keys(packedDtypes).sort());
});

it("exact integers, scales, mins and factors give the values of unpack", () => {
  for (const dtype of nativeDtypes) {
    if (!(dtype.packed in blockDtypes)) continue;
    const packed = blockDtypes[dtype.packed as keyof typeof blockDtypes & PackedDtypeName];
    const file = fileRows(dtype, 9, 512, 5);
    const { integers, scales, mins, factors } = packed.blocks(packed.pack(file, 9, 512), 9, 512);
    const f = Math.fround;
    const decoded = dtype.decode(file);
    integers.forEach((integer, i) => {
      const scale = f(scales[i >> 5]! * (factors?.[i >> 4] ?? 1));
      expect(f(f(scale * integer) + (mins?.[i >> 5] ?? 0))).toBe(decoded[i]! + 0);
    });
  }
});
