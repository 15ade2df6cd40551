import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { f16ToF32, f32ToF16 } from "../../src/engine/dtypes/half.ts";
import { fileDtypes } from "../../src/engine/dtypes/index.ts";

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
