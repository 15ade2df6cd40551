/** Loading: what stands in memory means what the file says, whatever its type; what is not finite is refused. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import {
  type FileDtype,
  fileDtypes,
  type PackedDtypeName,
  packedDtypes,
} from "../../src/engine/dtypes/index.ts";
import { Engine } from "../../src/engine/host/engine.ts";
import { type Gguf, readGguf } from "../../src/llm/files/gguf.ts";
import { type TensorToWrite, writeGguf } from "../../src/llm/files/gguf_write.ts";
import { memorySource } from "../../src/llm/files/source.ts";
import { compileGeneration } from "../../src/llm/generate.ts";
import type { ModelConfig } from "../../src/llm/models/config.ts";
import { familyOf, modelWeights } from "../../src/llm/models/family.ts";
import { configFromGguf } from "../../src/llm/models/from_gguf.ts";
import { loadWeights, type WeightType } from "../../src/llm/models/load.ts";
import { fileRows } from "../kernels/file_rows.ts";
import { values } from "../kernels/products.ts";

const directory = mkdtempSync(path.join(tmpdir(), "edgewise-load-"));
afterAll(() => rmSync(directory, { recursive: true }));

const CONFIG = {
  architecture: "llama",
  layers: 1,
  channels: 256,
  heads: 4,
  kvHeads: 2,
  headSize: 64,
  feedForward: 512,
  vocabulary: 133, // no whole units of 16 rows
  context: 32,
  ropeBase: 10000,
  eps: 1e-5,
  tied: true,
} satisfies ModelConfig;

/** In f32 the embedding is more than one group of staging. */
const configOf = (type: FileDtype): ModelConfig =>
  type.name === "f32" ? { ...CONFIG, vocabulary: 1100 } : CONFIG;

const METADATA = [
  ["general.architecture", { type: "string", value: "llama" }],
  ...Object.entries({
    block_count: CONFIG.layers,
    embedding_length: CONFIG.channels,
    feed_forward_length: CONFIG.feedForward,
    context_length: CONFIG.context,
    "attention.head_count": CONFIG.heads,
    "attention.head_count_kv": CONFIG.kvHeads,
  }).map(([key, value]) => [`llama.${key}`, { type: "uint32", value }]),
  ["llama.attention.layer_norm_rms_epsilon", { type: "float32", value: CONFIG.eps }],
] as unknown as Parameters<typeof writeGguf>[1];

/** A model whose matrices are of one type; `spoil` changes the bytes of a tensor. */
async function modelFile(
  type: FileDtype,
  spoil: (name: string, bytes: Uint8Array) => void = () => {},
): Promise<{ path: string; source: Gguf["source"]; gguf: Gguf; config: ModelConfig }> {
  const tensors: TensorToWrite[] = modelWeights(configOf(type)).map(({ tensor, shape, role }, i) => {
    const norm = role === "norm";
    const [rows, columns] = norm ? [1, shape[0]] : (shape as readonly [number, number]);
    const data = norm ? fileDtypes.f32.encode(values(columns, i)) : rowsOf(type, rows, columns, i + 1);
    spoil(tensor, data);
    return { name: tensor, shape, type: norm ? fileDtypes.f32 : type, data: () => data };
  });
  const file = path.join(directory, `${type.name}.gguf`);
  await writeGguf(file, METADATA, tensors);
  const source = memorySource(readFileSync(file), "model.gguf");
  const gguf = await readGguf(source);
  return { path: file, source, gguf, config: configFromGguf(gguf) };
}

/** Types that kernels do not compute from are random bytes with a finite scale at their f16 places. */
function rowsOf(type: FileDtype, rows: number, columns: number, seed: number): Uint8Array {
  if (type.native === type.name) return fileRows(type, rows, columns, seed);
  const halves = { q2_k: [80, 82], q3_k: [108], iq4_nl: [0] }[type.name]!;
  const count = (rows * columns * type.bytesPerBlock) / type.blockSize;
  const bytes = Uint8Array.from(values(count, seed), (value) => (value + 1) * 127.99);
  for (let at = 0; at < count; at += type.bytesPerBlock)
    for (const half of halves) bytes.set([at & 255, 0x20], at + half);
  return bytes;
}

const bytesOf = (array: Float32Array, from: number, count: number) =>
  Buffer.from(array.buffer, array.byteOffset + 4 * from, 4 * count);

async function load(file: Awaited<ReturnType<typeof modelFile>>, type: WeightType = "file") {
  const program = compileGeneration(file, { type, rows: 4, context: 32 });
  const engine = await Engine.open(program, { inProcess: true });
  await loadWeights(engine, file.config, file.gguf);
  return engine;
}

describe.each(Object.values(fileDtypes))("a file of $ggufName", (type) => {
  test("in memory means what it says, row by row in Hugging Face order", async () => {
    const file = await modelFile(type);
    const engine = await load(file);
    for (const spec of modelWeights(file.config)) {
      const place = engine.place(spec.name);
      if (spec.role === "norm") continue;
      const [n, k] = spec.shape as readonly [number, number];
      const tensor = file.gguf.tensors.get(spec.tensor)!;
      const bytes = await file.gguf.readRows(tensor, 0, n);
      const packed = packedDtypes[place.value.dtype as PackedDtypeName];
      expect(packed.name).toBe(type.packed);
      const found = packed.unpack(engine.bytes(place.offset, place.bytes), n, k);
      const decoded = type.decode(bytes);
      const native = fileDtypes[type.native as keyof typeof fileDtypes];
      const exact = native === type || type.toNative;
      const wanted = exact ? decoded : native.decode((native as typeof fileDtypes.q8_0).encode(decoded));
      const fileRow = familyOf(CONFIG).fileRow(spec, CONFIG) ?? ((row: number) => row);
      for (let row = 0; row < n; row++) {
        const [from, to] = [fileRow(row) * k, row * k];
        expect(Buffer.compare(bytesOf(found, to, k), bytesOf(wanted, from, k)), `row ${row}`).toBe(0);
      }
    }
    await engine.close();
  });

  test("with a scale that is not finite is refused, with the tensor and its row", async () => {
    const place = { q2_k: 80, q3_k: 108, q6_k: 208 }[type.name] ?? 0;
    const bad = await modelFile(type, (name, bytes) => {
      if (name !== "blk.0.ffn_down.weight") return;
      const rowBytes = bytes.length / CONFIG.channels;
      const last = 17 * rowBytes + rowBytes - type.bytesPerBlock;
      const infinity = { f32: [0, 0, 0x80, 0x7f], bf16: [0x80, 0x7f] }[type.name] ?? [0, 0x7c];
      bytes.set(infinity, last + place);
    });
    const what = type.blockSize > 1 ? "its scale is not finite" : "it has values that are not finite";
    await expect(load(bad)).rejects.toThrow(
      `llama: model.gguf: tensor "blk.0.ffn_down.weight" (${type.ggufName}), row 17: ${what}`,
    );
  });
});

test("a norm that is not finite is refused", async () => {
  const bad = await modelFile(fileDtypes.q4_1, (name, bytes) => {
    if (name === "output_norm.weight") bytes.set([0, 0, 0xc0, 0x7f], 40);
  });
  await expect(load(bad)).rejects.toThrow('tensor "output_norm.weight" (F32), row 0: it has values that');
});

test("a wanted type is encoded anew", async () => {
  const file = await modelFile(fileDtypes.q4_k);
  const engine = await load(file, "q5_1");
  const place = engine.place("model.layers.0.mlp.up_proj.weight");
  expect(place.value.dtype).toBe("q5_1_r8");
  const tensor = file.gguf.tensors.get("blk.0.ffn_up.weight")!;
  const values = fileDtypes.q4_k.decode(await file.gguf.readRows(tensor, 0, tensor.rows));
  const found = packedDtypes.q5_1_r8.unpack(engine.bytes(place.offset, place.bytes), 512, 256);
  const wanted = fileDtypes.q5_1.decode(fileDtypes.q5_1.encode(values));
  expect(Buffer.compare(bytesOf(found, 0, 512 * 256), bytesOf(wanted, 0, 512 * 256))).toBe(0);
  await engine.close();
});
