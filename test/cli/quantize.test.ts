import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, expect, test } from "vitest";
import {
  bytesOf,
  type EncodableDtype,
  encodableDtypes,
  type FileDtype,
  fileDtypes,
} from "../../src/engine/dtypes/index.ts";
import { typeOf } from "../../src/llm/compress/mix.ts";
import { quantizeFile } from "../../src/llm/compress/quantize.ts";
import { type Gguf, readGguf, type TensorInfo } from "../../src/llm/files/gguf.ts";
import { writeGguf } from "../../src/llm/files/gguf_write.ts";
import { openFile } from "../../src/llm/files/source.ts";
import { type ModelFile, openModel } from "../../src/llm/model_file.ts";
import { noise } from "../cases.ts";
import { edgewise, tinyModel } from "./command.ts";

let directory: string;
let model: string;
beforeAll(async () => {
  ({ directory, model } = await tinyModel());
});

test.each(["Q8_0", "q4_0", "Q4_1", "q5_0", "Q5_1", "F16", "bf16", "f32"])(
  "%s --pure: every matrix of whole blocks, the rest as it was",
  async (type) => {
    const out = path.join(directory, `${type}.gguf`);
    const { code, stdout } = await edgewise(["quantize", model, out, "--type", type, "--pure"]);
    expect(code).toBe(0);
    const hasBlocks = type.toUpperCase().startsWith("Q");
    expect(stdout.includes("rows of 36 are no whole blocks of 32")).toBe(hasBlocks);
    const [before, after] = [await openModel(model), await openModel(out)];
    expect(after.config).toEqual(before.config);
    for (const key of before.gguf.metadata.keys())
      expect(after.gguf.metadata.entries.get(key)).toEqual(before.gguf.metadata.entries.get(key));
    for (const [name, tensor] of after.gguf.tensors) {
      const isKept = tensor.shape.length < 2 || (hasBlocks && tensor.columns === 36);
      expect(`${name} ${tensor.type.ggufName}`).toBe(`${name} ${isKept ? "F32" : type.toUpperCase()}`);
    }
    await before.source.close();
    await after.source.close();
  },
);

test("a file of Q8_0 gives the same tokens as a file encoded while it is loaded", async () => {
  const out = path.join(directory, "same.gguf");
  await edgewise(["quantize", model, out, "--type", "q8_0"]);
  const args = ["-p", "The lazy", "-n", "16", "--tokens"];
  const [file, memory] = await Promise.all([
    edgewise(["generate", "-m", out, ...args]),
    edgewise(["generate", "-m", model, "--type", "q8_0", ...args]),
  ]);
  expect(file.stdout).toBe(memory.stdout);
});

/** Type of each tensor of a file, and its metadata. */
async function typesIn(file: string) {
  const { gguf, source } = await openModel(file);
  await source.close();
  return new Map([...gguf.tensors].map(([name, { type }]) => [name, type.ggufName]));
}

test.each([
  ["q4_0", 2, "Q8_0"],
  ["Q5_1", 9, "Q8_0"],
  ["Q8_0", 7, "Q8_0"],
] as const)("%s: the head has the bits of Q6_K at least", async (type, id, head) => {
  const out = path.join(directory, `mix-${type}.gguf`);
  const { code, stdout } = await edgewise(["quantize", model, out, "--type", type]);
  expect(code).toBe(0);
  const types = await typesIn(out);
  expect(types.get(types.has("output.weight") ? "output.weight" : "token_embd.weight")).toBe(head);
  expect(types.get("blk.0.attn_q.weight")).toBe(type.toUpperCase());
  // Rows of 32 are no whole blocks of Q6_K, which the table says.
  expect(stdout.includes("the head gets 6 bits")).toBe(type !== "Q8_0");
  const { gguf, source } = await openModel(out);
  expect(gguf.metadata.entries.get("general.file_type")).toEqual({ type: "uint32", value: id });
  expect(gguf.metadata.entries.get("general.quantization_version")).toEqual({ type: "uint32", value: 2 });
  await source.close();
});

test.each([
  ["output.weight", 256, "q4_0", false, "q6_k", "the head gets 6 bits"],
  ["output.weight", 256, "q5_1", false, "q6_k", "the head gets 6 bits"],
  ["output.weight", 256, "q5_1", true, "q5_1", ""],
  ["output.weight", 256, "q8_0", false, "q8_0", ""],
  ["output.weight", 96, "q4_k", false, "q8_0", "the head gets 6 bits; rows of 96 are no whole blocks of 256"],
  ["output.weight", 96, "q4_k", true, "q5_0", "rows of 96 are no whole blocks of 256"],
  ["token_embd.weight", 256, "q4_k", false, "q4_k", ""], // there is another head
  ["blk.0.attn_q.weight", 256, "q6_k", false, "q6_k", ""],
  [
    "blk.0.attn_q.weight",
    36,
    "q6_k",
    false,
    undefined,
    "rows of 36 are no whole blocks of 256; rows of 36 are no whole blocks of 32",
  ],
] as const)("%s with rows of %d in %s (pure: %s) becomes %s", (name, columns, type, pure, to, reason) => {
  const matrix = { name, columns, shape: [4, columns] } as TensorInfo;
  const gguf = { tensors: new Map([["output.weight", matrix]]) } as Gguf;
  const expected = to === undefined ? { reason } : { to: encodableDtypes[to], reason };
  expect(typeOf(gguf, matrix, encodableDtypes[type], pure)).toEqual(expected);
});

test.each([
  ["Q4_K", "Q5_0"],
  ["q5_k", "Q5_1"],
  ["q6_k", "Q8_0"],
] as const)("%s: rows that are no whole blocks of 256 become %s", async (type, short) => {
  const out = path.join(directory, `${type}.gguf`);
  const { code, stdout } = await edgewise(["quantize", model, out, "--type", type, "--pure"]);
  expect(code).toBe(0);
  expect(stdout).toContain("rows of 32 are no whole blocks of 256");
  expect((await typesIn(out)).get("blk.0.attn_q.weight")).toBe(short);
});

test("K-quants where rows are whole blocks, from every type that is read", async () => {
  const columns = 256;
  const values = Float32Array.from({ length: 2 * columns }, (_, i) => noise(5)(i));
  const { encode } = fileDtypes.q4_k;
  for (const from of Object.values(fileDtypes) as FileDtype[]) {
    const data =
      "encode" in from ? (from as EncodableDtype).encode(values) : new Uint8Array(bytesOf(from, 512));
    const input = path.join(directory, `from-${from.name}.gguf`);
    const out = path.join(directory, `to-${from.name}.gguf`);
    await writeGguf(input, [], [{ name: "w", shape: [2, columns], type: from, data: () => data }]);
    const source = await openFile(input);
    const gguf = await readGguf(source);
    const [result] = await quantizeFile({ path: input, source, gguf } as ModelFile, out, fileDtypes.q4_k);
    await source.close();
    expect(result).toMatchObject({ from, to: fileDtypes.q4_k, reason: "", toBytes: 288 });
    const written = readFileSync(out);
    const expected = from === fileDtypes.q4_k ? data : encode(from.decode(data));
    expect(written.subarray(written.length - 288)).toEqual(Buffer.from(expected));
  }
});

test.each([
  ["f32", NaN, "q8_0", "holds NaN or an infinite number"],
  ["f32", -Infinity, "q4_k", "holds NaN or an infinite number"],
  ["f32", 1e9, "q4_0", "is beyond Q4_0: halves end at 65504"],
  ["f32", 1e9, "f16", "is beyond F16: halves end at 65504"],
  ["q4_0", 1e9, "q4_1", "holds NaN or an infinite number"], // the scale is infinite in the file
] as const)("%s of %d to %s is refused with tensor and row", async (from, value, to, problem) => {
  const values = Float32Array.from({ length: 3 * 256 }, (_, i) => noise(6)(i));
  values[300] = value;
  const input = path.join(directory, "extreme.gguf");
  const out = path.join(directory, "refused.gguf");
  const data = encodableDtypes[from].encode(values);
  await writeGguf(input, [], [{ name: "w", shape: [3, 256], type: fileDtypes[from], data: () => data }]);
  const source = await openFile(input);
  const gguf = await readGguf(source);
  const done = quantizeFile({ path: input, source, gguf } as ModelFile, out, encodableDtypes[to]);
  await expect(done).rejects.toThrow(`quantize: ${input}: tensor "w", row 1 ${problem}`);
  await source.close();
  expect(readdirSync(directory).filter((name) => name.includes("refused"))).toEqual([]);
});

test("what was quantized before is warned of", async () => {
  const [once, twice] = ["once.gguf", "twice.gguf"].map((name) => path.join(directory, name));
  await edgewise(["quantize", model, once, "--type", "q4_0"]);
  const { code, stderr } = await edgewise(["quantize", once, twice, "--type", "q5_0"]);
  expect(code).toBe(0);
  expect(stderr).toMatch(/warning: \d+ tensors of this llama are Q4_0 already; what was lost stays lost/);
});

test("Ctrl-C leaves nothing", async () => {
  const out = path.join(directory, "stopped.gguf");
  const controller = new AbortController();
  const file = await openModel(model);
  const done = quantizeFile(file, out, fileDtypes.q8_0, {
    signal: controller.signal,
    onProgress: () => controller.abort(),
  });
  await expect(done).rejects.toThrow(/abort/i);
  await file.source.close();
  expect(readdirSync(directory).filter((name) => name.includes("stopped"))).toEqual([]);
});

test("a failure leaves what was there, and nothing half-written", async () => {
  const out = path.join(directory, "there.gguf");
  writeFileSync(out, "as it was");
  const broken = path.join(directory, "broken.gguf");
  writeFileSync(broken, readFileSync(model).subarray(0, -100));
  const { code } = await edgewise(["quantize", broken, out, "--type", "q8_0"]);
  expect(code).toBe(1);
  expect(readFileSync(out, "utf8")).toBe("as it was");
  expect(readdirSync(directory).filter((name) => name.includes("partial"))).toEqual([]);
});
