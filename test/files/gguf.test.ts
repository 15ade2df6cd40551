import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { bytesOf, type FileDtype, fileDtypes } from "../../src/engine/dtypes/index.ts";
import { readGguf } from "../../src/llm/files/gguf.ts";
import { type TensorToWrite, writeGguf } from "../../src/llm/files/gguf_write.ts";
import type { MetadataValue } from "../../src/llm/files/metadata.ts";
import { memorySource, openFile } from "../../src/llm/files/source.ts";
import { sharedData } from "../shared.ts";

const directory = mkdtempSync(path.join(tmpdir(), "edgewise-gguf-"));
afterAll(() => rmSync(directory, { recursive: true }));

const COLUMNS = 256;
/** Rows of any bytes whose scales are finite: no byte is above 100. */
function rowsOf(type: FileDtype, rows: number): Uint8Array {
  return Uint8Array.from({ length: bytesOf(type, rows * COLUMNS) }, (_, i) => (i * 37 + (i >> 8)) % 101);
}
const tensors: TensorToWrite[] = Object.values(fileDtypes).map((type) => ({
  name: `weights.${type.name}`,
  shape: [3, COLUMNS],
  type,
  data: () => rowsOf(type, 3),
}));
const metadata: [string, MetadataValue][] = [
  ["general.architecture", { type: "string", value: "llama" }],
  ["a.uint8", { type: "uint8", value: 200 }],
  ["a.int8", { type: "int8", value: -100 }],
  ["a.uint16", { type: "uint16", value: 60000 }],
  ["a.int16", { type: "int16", value: -30000 }],
  ["a.uint32", { type: "uint32", value: 4000000000 }],
  ["a.int32", { type: "int32", value: -2000000000 }],
  ["a.float32", { type: "float32", value: 0.5 }],
  ["a.bool", { type: "bool", value: true }],
  ["a.uint64", { type: "uint64", value: 2n ** 63n + 1n }],
  ["a.int64", { type: "int64", value: -(2n ** 62n) }],
  ["a.float64", { type: "float64", value: 1 / 3 }],
  ["b.strings", { type: "array", of: "string", value: ["", "ä", "\u{1f999}"] }],
  ["b.bools", { type: "array", of: "bool", value: [true, false] }],
  ["b.floats", { type: "array", of: "float32", value: new Float32Array([1, -2.5]) }],
  ["b.longs", { type: "array", of: "int64", value: new BigInt64Array([-1n, 7n]) }],
  [
    "b.nested",
    {
      type: "array",
      of: "array",
      value: [
        { type: "array", of: "int32", value: new Int32Array([1, 2]) },
        { type: "array", of: "string", value: ["x"] },
      ],
    },
  ],
];

describe("GGUF", () => {
  it("reads what it writes: every value type, every tensor type, any rows", async () => {
    const file = path.join(directory, "all.gguf");
    await writeGguf(file, metadata, tensors);
    const source = await openFile(file);
    const gguf = await readGguf(source);
    expect([...gguf.metadata.entries]).toEqual(metadata);
    for (const { name, type } of tensors) {
      const tensor = gguf.tensors.get(name)!;
      expect(tensor.shape).toEqual([3, COLUMNS]);
      expect(tensor.type).toBe(type);
      const encoded = rowsOf(type, 3);
      expect(await gguf.readRows(tensor, 0, 3)).toEqual(encoded);
      expect(await gguf.readRows(tensor, 1, 1)).toEqual(
        encoded.slice(encoded.length / 3, (2 * encoded.length) / 3),
      );
      await expect(gguf.readRows(tensor, 2, 2)).rejects.toThrow("has 3 rows, asked for 2 from 2");
    }
    await source.close();
  });

  it("reads headers longer than its first window", async () => {
    const file = path.join(directory, "long.gguf");
    const tokens = Array.from({ length: 30000 }, (_, i) => `token ${i}`);
    await writeGguf(file, [["tokens", { type: "array", of: "string", value: tokens }]], tensors);
    const gguf = await readGguf(memorySource(readFileSync(file)));
    expect(gguf.metadata.strings("tokens")).toEqual(tokens);
    expect(gguf.tensors.size).toBe(tensors.length);
  });

  it("leaves nothing behind when a tensor is not as long as its shape says", async () => {
    const file = path.join(directory, "short.gguf");
    const before = readdirSync(directory);
    const wrong = [{ ...tensors[0], data: () => new Uint8Array(10) }];
    await expect(writeGguf(file, metadata, wrong)).rejects.toThrow(
      'tensor "weights.f32" (3,256) F32 takes 3072 bytes, got 10',
    );
    expect(readdirSync(directory)).toEqual(before);
  });

  it("names path and reason where a file cannot be opened", async () => {
    await expect(openFile(path.join(directory, "none.gguf"))).rejects.toThrow("none.gguf: no such file");
    await expect(openFile(directory)).rejects.toThrow("is a directory, not a file");
  });

  const stories = sharedData("models/stories260Ktok512.gguf");
  it.skipIf(stories === undefined)(
    "reads stories260K, and writes it again bit for bit in content (needs shared/data)",
    async () => {
      const source = await openFile(stories!);
      const gguf = await readGguf(source);
      expect(gguf.tensors.size).toBe(48);
      expect(gguf.metadata.integer("llama.embedding_length", 1, 1e6)).toBe(64);
      const copy = path.join(directory, "copy.gguf");
      await writeGguf(
        copy,
        gguf.metadata.entries,
        [...gguf.tensors.values()].map((tensor) => ({
          ...tensor,
          data: async function* () {
            for (let row = 0; row < tensor.rows; row++) yield await gguf.readRows(tensor, row, 1);
          },
        })),
      );
      const again = await readGguf(memorySource(readFileSync(copy)));
      expect([...again.metadata.entries]).toEqual([...gguf.metadata.entries]);
      for (const tensor of gguf.tensors.values()) {
        const written = again.tensors.get(tensor.name)!;
        const bytes = await gguf.readRows(tensor, 0, tensor.rows);
        expect(Buffer.compare(await again.readRows(written, 0, tensor.rows), bytes)).toBe(0);
      }
      await source.close();
    },
  );

  const python = process.env.EDGEWISE_PYTHON;
  it.skipIf(python === undefined)("writes what the gguf package reads (needs EDGEWISE_PYTHON)", async () => {
    const file = path.join(directory, "python.gguf");
    await writeGguf(
      file,
      metadata.filter(([key]) => key !== "b.nested"),
      tensors,
    );
    const script = `
import gguf, json, sys
reader = gguf.GGUFReader(sys.argv[1])
print(json.dumps({
  "strings": reader.fields["b.strings"].contents(),
  "uint64": str(reader.fields["a.uint64"].contents()),
  "float64": reader.fields["a.float64"].contents(),
  "tensors": {t.name: [t.tensor_type.name, [int(n) for n in t.shape],
    [float(v) for v in gguf.quants.dequantize(t.data, t.tensor_type).flatten()]] for t in reader.tensors},
}))`;
    const read = JSON.parse(execFileSync(python!, ["-c", script, file], { encoding: "utf8" }));
    expect(read.strings).toEqual(["", "ä", "\u{1f999}"]);
    expect(read.uint64).toBe(String(2n ** 63n + 1n));
    expect(read.float64).toBe(1 / 3);
    for (const { name, type } of tensors) {
      const decoded = Array.from(type.decode(rowsOf(type, 3)));
      expect(read.tensors[name]).toEqual([type.ggufName, [COLUMNS, 3], decoded]);
    }
  });
});
