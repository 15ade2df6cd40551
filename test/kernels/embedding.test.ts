import { describe, expect, it } from "vitest";
import { ERROR_NONE, ERROR_OPERAND_BYTES, ERROR_TOKEN } from "../../kernels/layout.ts";
import { packedOf } from "../../src/engine/dtypes/index.ts";
import { fileRows, nativeDtypes } from "./file_rows.ts";
import { call, split } from "./harness.ts";
import { values } from "./products.ts";

describe.each(["f32", ...nativeDtypes.map((dtype) => dtype.packed)])("embedding over %s", (name) => {
  const file = nativeDtypes.find((dtype) => dtype.packed === name);
  it("gives the table's rows, in any split", () => {
    for (const c of { 32: [32, 96], 256: [256, 512] }[file?.blockSize ?? 1] ?? [1, 15, 16, 17, 33])
      for (const v of [1, 16, 23]) {
        const bytes = file && fileRows(file, v, c, 1);
        const table = file && bytes ? packedOf(file).pack(bytes, v, c) : values(v * c, 1);
        const rows = file && bytes ? file.decode(bytes) : values(v * c, 1);
        const token = Uint32Array.from({ length: 7 }, (_, i) => (i * 5) % v);
        const expected = Float32Array.from(
          { length: 7 * c },
          (_, i) => rows[token[Math.floor(i / c)]! * c + (i % c)]!,
        );
        for (const parts of [1, 2, 3]) {
          const y = new Float32Array(7 * c);
          expect(call(`embedding_${name}`, [token, table, y, 7, c, v], split(7, parts), 0)).toBe(ERROR_NONE);
          expect(y).toEqual(expected);
        }
      }
  });
  it("refuses a token that the vocabulary does not have", () => {
    const c = Math.max(32, file?.blockSize ?? 1);
    const table = file ? packedOf(file).pack(fileRows(file, 2, c, 1), 2, c) : values(2 * c, 1);
    const y = new Float32Array(2 * c);
    for (const token of [2, 0xffffffff]) {
      const operands = [Uint32Array.of(1, token), table, y, 2, c, 2];
      expect(call(`embedding_${name}`, operands, [[0, 2]], 0)).toBe(ERROR_TOKEN);
      expect(y.slice(c)).toEqual(new Float32Array(c));
    }
    expect(call(`embedding_${name}`, [Uint32Array.of(1), table, y, 2, c, 2], [[0, 2]], 0)).toBe(
      ERROR_OPERAND_BYTES,
    );
  });
});

describe("embedding_grad", () => {
  const run = (t: number, c: number, v: number, acc: number, parts: number) => {
    const token = Uint32Array.from({ length: t }, (_, i) => (i * i) % v);
    const table = values(v * c, 2);
    expect(
      call(
        "embedding_grad",
        [token, values(t * c, 1), table, t, c, v, acc],
        split(Math.ceil(c / 16), parts),
        0,
      ),
    ).toBe(0);
    return { token, table };
  };
  it("adds rows in ascending order, the same in any split", () => {
    for (const c of [1, 15, 16, 17, 37])
      for (const acc of [0, 1]) {
        const [t, v] = [40, 7];
        const { token, table } = run(t, c, v, acc, 1);
        const expected = acc ? values(v * c, 2) : new Float32Array(v * c);
        const dy = values(t * c, 1);
        for (let r = 0; r < t; r++)
          for (let i = 0; i < c; i++) expected[token[r]! * c + i]! += dy[r * c + i]!;
        expect(table).toEqual(expected);
        for (const parts of [2, 3]) expect(run(t, c, v, acc, parts).table).toEqual(table);
      }
  });
  it("refuses a token that the vocabulary does not have", () => {
    const operands = [Uint32Array.of(3), values(4, 1), new Float32Array(12), 1, 4, 3, 1];
    expect(call("embedding_grad", operands, [[0, 1]], 0)).toBe(ERROR_TOKEN);
  });
});
