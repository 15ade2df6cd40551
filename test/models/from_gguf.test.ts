/** What a file says of a model: read as it was written, and refused by name where it asks for what is not computed. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { fileDtypes } from "../../src/engine/dtypes/index.ts";
import type { GgufHeader, TensorInfo } from "../../src/llm/files/gguf.ts";
import { Metadata, type MetadataValue } from "../../src/llm/files/metadata.ts";
import { openModel } from "../../src/llm/model_file.ts";
import type { ModelConfig } from "../../src/llm/models/config.ts";
import { families, modelWeights, parameterCount } from "../../src/llm/models/family.ts";
import { configFromGguf } from "../../src/llm/models/from_gguf.ts";
import { decodedRows } from "../../src/llm/models/load.ts";
import { rotaryTable, rotations } from "../../src/llm/models/rotary.ts";
import { saveModel } from "../../src/llm/models/save.ts";
import { noise } from "../cases.ts";
import { goldenDirectory } from "./golden.ts";

const directory = mkdtempSync(path.join(tmpdir(), "edgewise-models-"));
afterAll(() => rmSync(directory, { recursive: true }));
const seed = Date.now() % 2 ** 31;
console.log(`seed ${seed}`);

const llama: ModelConfig = {
  ...{ architecture: "llama", layers: 2, channels: 16, heads: 4, kvHeads: 2, headSize: 8, feedForward: 24 },
  ...{ vocabulary: 12, context: 64, ropeBase: 500, eps: 2 ** -16, tied: false },
};
const gemma3: ModelConfig = {
  ...{ ...llama, architecture: "gemma3", layers: 7, tied: true, window: 5, ropeBaseLocal: 50 },
  windowed: [true, true, true, true, true, false, true],
};

const uint32 = (value: number): MetadataValue => ({ type: "uint32", value });
const float32 = (value: number): MetadataValue => ({ type: "float32", value });
const text = (value: string): MetadataValue => ({ type: "string", value });

function info(name: string, shape: number[]): TensorInfo {
  const columns = shape[shape.length - 1];
  const rows = shape.reduce((a, b) => a * b, 1) / columns;
  const rowBytes = 4 * columns;
  return { name, shape, type: fileDtypes.f32, rows, columns, rowBytes, offset: 0, bytes: rows * rowBytes };
}

/** The header of a golden file, with changes: undefined takes an entry or a tensor away. */
async function header(
  golden: "llama/untied" | "gemma3/tiny",
  keys: Record<string, MetadataValue | undefined> = {},
  tensors: Record<string, number[] | undefined> = {},
): Promise<GgufHeader> {
  const { gguf, source } = await openModel(path.join(goldenDirectory, `../${golden}.gguf`));
  await source.close();
  const metadata = new Metadata("m.gguf", gguf.metadata.entries);
  for (const [key, value] of Object.entries(keys))
    if (value) metadata.entries.set(key, value);
    else metadata.entries.delete(key);
  const all = new Map(gguf.tensors);
  for (const [name, shape] of Object.entries(tensors))
    if (shape) all.set(name, info(name, shape));
    else all.delete(name);
  return { ...gguf, metadata, tensors: all };
}

async function roundTrip(config: ModelConfig): Promise<void> {
  const file = path.join(directory, `${config.architecture}.gguf`);
  const specs = modelWeights(config);
  const weights = new Map(
    specs.map(({ name, shape }, index) => {
      const value = noise(index);
      return [name, Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => value(i))];
    }),
  );
  await saveModel(file, config, (name) => weights.get(name)!, []);
  const model = await openModel(file);
  try {
    expect(model.config).toEqual(config);
    for (const spec of specs) {
      const read: number[] = [];
      for await (const rows of decodedRows(model.gguf, spec, config)) read.push(...rows);
      expect(Float32Array.from(read), spec.name).toEqual(weights.get(spec.name));
    }
  } finally {
    await model.source.close();
  }
}

describe("what is saved is read again", () => {
  test.each([
    ["llama", llama],
    ["llama, tied, heads of another size", { ...llama, tied: true, headSize: 12 }],
    ["llama with linear scaling", { ...llama, ropeScaling: 4 }],
    ["llama with a factor for each frequency", { ...llama, ropeFactors: [1, 1, 2.5, 8] }],
    ["gemma3", gemma3],
    [
      "gemma3 without windows",
      { ...gemma3, window: undefined, windowed: undefined, ropeBaseLocal: undefined },
    ],
    ["gemma3 with a head of its own and linear scaling", { ...gemma3, tied: false, ropeScaling: 8 }],
  ])("%s", async (_, config) => {
    await roundTrip(JSON.parse(JSON.stringify(config)));
  });

  test("any layers with windows", () => {
    const patterns = fc.array(fc.boolean(), { minLength: 1, maxLength: 20 });
    const property = fc.property(patterns, (windowed) => {
      const config = { ...gemma3, layers: windowed.length, windowed };
      const { window, ropeBaseLocal } = config;
      const file = new Metadata("m", families.gemma3.metadata(config));
      expect(families.gemma3.settings(file, config)).toEqual({ window, windowed, ropeBaseLocal });
    });
    fc.assert(property, { seed });
  });

  test("parameters are counted: those of gemma-3-270m", () => {
    const sizes = { layers: 18, channels: 640, heads: 4, kvHeads: 1, headSize: 256, feedForward: 2048 };
    expect(parameterCount({ ...gemma3, ...sizes, vocabulary: 262144 })).toBe(268098176);
  });
});

describe("Gemma 3's settings", () => {
  test("every sixth layer sees all, local base 10,000, unless the file says otherwise", async () => {
    const absent = {
      "gemma3.attention.sliding_window_pattern": undefined,
      "gemma3.rope.freq_base_swa": undefined,
    };
    const config = configFromGguf(await header("gemma3/tiny", absent));
    expect(config).toMatchObject({ window: 5, windowed: [true, true, true], ropeBaseLocal: 10000 });
    const local = { ...absent, "gemma3.rope.local.freq_base": float32(77) };
    expect(configFromGguf(await header("gemma3/tiny", local)).ropeBaseLocal).toBe(77);
    const layers = families.gemma3.settings(
      new Metadata("m", [["gemma3.attention.sliding_window", uint32(512)]]),
      { ...gemma3, layers: 18 },
    );
    expect(layers.windowed!.flatMap((windowed, layer) => (windowed ? [] : [layer]))).toEqual([5, 11, 17]);
  });

  test("a window, a base and a scale for each layer", () => {
    const { attention } = families.gemma3;
    expect(attention(gemma3, 0)).toEqual({ window: 5, scale: 8 ** -0.5, rotary: "rotary_local" });
    expect(attention(gemma3, 5)).toEqual({ window: 0, scale: 8 ** -0.5, rotary: "rotary" });
    const large = { ...gemma3, layers: 62, channels: 5376, heads: 32, headSize: 128 };
    expect(families.gemma3.settings(new Metadata("m"), large)).toEqual({ attentionScale: 168 ** -0.5 });
    expect(attention({ ...large, attentionScale: 168 ** -0.5 }, 0).scale).toBe(168 ** -0.5);
  });

  test("text models in files with a vision tower", async () => {
    const tower = { "v.blk.0.attn_q.weight": [4, 4], "mm.input_projection.weight": [4, 4] };
    expect(configFromGguf(await header("gemma3/tiny", {}, tower)).layers).toBe(3);
  });
});

describe("rotary tables", () => {
  test("scaling and factors divide the angle; windowed layers have neither", () => {
    const scaled = { ...gemma3, ropeScaling: 4, ropeFactors: [1, 2, 4, 8] };
    const { rotary, rotary_local } = rotations(scaled);
    expect(rotary_local).toEqual({ base: 50 });
    const table = rotaryTable(20, 8, rotary);
    for (let position = 0; position < 20; position++)
      for (let i = 0; i < 4; i++) {
        const angle = position / 4 / 2 ** i / 500 ** (i / 4);
        expect(table[position * 8 + i]).toBeCloseTo(Math.cos(angle), 6);
        expect(table[position * 8 + 4 + i]).toBeCloseTo(Math.sin(angle), 6);
      }
    const same = rotaryTable(20, 8, { base: 500, factors: [4, 8, 16, 32] });
    expect(same).toEqual(table);
  });
});

describe("what a family does not compute is refused, with file, key and value", () => {
  const of = (key: string, value: MetadataValue) => ({ [key]: value });
  test.each([
    ["llama/untied", of("llama.rope.scaling.type", text("yarn")), '"llama.rope.scaling.type" is "yarn"'],
    ["llama/untied", of("llama.rope.scaling.factor", float32(2 ** -30)), "divided by rope.scaling.factor"],
    ["llama/untied", of("llama.rope.scaling.factor", float32(-2)), 'factor" is -2; must be finite and above'],
    [
      "llama/untied",
      of("llama.rope.dimension_count", uint32(4)),
      'dimension_count" is 4; must be the head size, 8',
    ],
    [
      "llama/untied",
      of("llama.attention.value_length", uint32(4)),
      'value_length" is 4; must be the head size',
    ],
    ["llama/untied", of("llama.attention.sliding_window", uint32(16)), "no windows, and the context is 64"],
    ["llama/untied", of("llama.expert_count", uint32(8)), '"llama.expert_count" is 8'],
    ["llama/untied", of("llama.attention.head_count", uint32(0)), "must be a whole number from 1"],
    ["llama/untied", of("llama.attention.head_count_kv", uint32(3)), "must be a multiple of 3 key-value"],
    [
      "llama/untied",
      of("general.architecture", text("qwen2")),
      '"qwen2" is unknown; known are llama, gemma3',
    ],
    ["gemma3/tiny", of("gemma3.final_logit_softcapping", float32(30)), 'final_logit_softcapping" is 30'],
    ["gemma3/tiny", of("gemma3.rope.freq_base_swa", float32(0)), "windowed layers is 0; must be finite"],
    [
      "gemma3/tiny",
      of("gemma3.attention.sliding_window_pattern", { type: "array", of: "bool", value: [true] }),
      "has 1 values for 3 layers",
    ],
  ] as const)("%s %j", async (golden, keys, message) => {
    const file = await header(golden, keys);
    expect(() => configFromGguf(file)).toThrow(message);
    expect(() => configFromGguf(file)).toThrow(/m\.gguf/);
  });

  const neutral: [string, MetadataValue, MetadataValue][] = [
    ["final_logit_softcapping", float32(0), float32(30)],
    ["attn_logit_softcapping", float32(0), float32(50)],
    ["logit_scale", float32(1), float32(0.5)],
    ["residual_scale", float32(1), float32(0.5)],
    ["embedding_scale", float32(1), float32(12)],
    ["attention.scale", float32(0), float32(0.1)],
    ["attention.clamp_kqv", float32(0), float32(8)],
    ["attention.max_alibi_bias", float32(0), float32(8)],
    ["attention.shared_kv_layers", uint32(0), uint32(1)],
    ["attention.causal", { type: "bool", value: true }, { type: "bool", value: false }],
    ["expert_count", uint32(0), uint32(8)],
    ["expert_shared_count", uint32(0), uint32(1)],
    ["rope.scaling.attn_factor", float32(1), float32(1.19)],
    ["rope.scaling.yarn_attn_factor", float32(1), float32(2)],
    ["rope.scaling.yarn_ext_factor", float32(0), float32(1)],
    ["rope.dimension_count_swa", uint32(8), uint32(4)],
  ];
  test.each(neutral)("%s, but for the value that changes nothing", async (name, nothing, something) => {
    for (const architecture of ["llama", "gemma3"]) {
      const golden = architecture === "llama" ? "llama/untied" : "gemma3/tiny";
      const config = configFromGguf(await header(golden));
      const key = `${architecture}.${name}`;
      expect(configFromGguf(await header(golden, of(key, nothing)))).toEqual(config);
      const file = await header(golden, of(key, something));
      expect(() => configFromGguf(file)).toThrow(`m.gguf: metadata "${key}" is ${something.value}; `);
    }
  });

  test("a setting that nobody here has heard of", async () => {
    const read = (key: string, value: MetadataValue) =>
      header("llama/untied", of(key, value)).then(configFromGguf);
    await expect(read("llama.attention.twist", float32(2))).rejects.toThrow(
      'llama: m.gguf: metadata "llama.attention.twist" is 2; this setting is not known, and the model could answer wrongly without it',
    );
    await expect(
      read("llama.gates", { type: "array", of: "float32", value: Float32Array.of(1, 2) }),
    ).rejects.toThrow('"llama.gates" is an array of 2; this setting is not known');
    await expect(read("llama.vision.block_count", uint32(2))).rejects.toThrow("is not known");
    const config = configFromGguf(await header("llama/untied"));
    expect(await read("general.attention.twist", float32(2))).toEqual(config);
    expect(await read("gemma3.attention.twist", float32(2))).toEqual(config);
  });

  test("not what is known to be without effect (llama.cpp gives the same logits with each)", async () => {
    const without: [string, MetadataValue][] = [
      ["vocab_size", uint32(12)],
      ["rope.scaling.original_context_length", uint32(32)],
      ["rope.scaling.finetuned", { type: "bool", value: true }],
      ["rope.scaling.yarn_beta_fast", float32(3)],
      ["rope.scaling.yarn_beta_slow", float32(3)],
      ["rope.scaling.yarn_log_multiplier", float32(0.5)],
      ["expert_feed_forward_length", uint32(9)],
      ["expert_gating_func", uint32(1)],
      ["expert_weights_norm", { type: "bool", value: true }],
      ["expert_weights_scale", float32(2)],
      ["attention.layer_norm_epsilon", float32(0.1)],
      ["pooling_type", uint32(1)],
      ["tensor_data_layout", text("Meta AI original pth")],
    ];
    const keys = Object.fromEntries(without.map(([name, value]) => [`llama.${name}`, value]));
    const config = configFromGguf(await header("llama/untied"));
    expect(configFromGguf(await header("llama/untied", keys))).toEqual(config);
    const none = { "llama.rope.scaling.type": text("none"), "llama.rope.scaling.factor": float32(4) };
    expect(configFromGguf(await header("llama/untied", none))).toEqual(config);
  });

  test("not what Ollama writes for Gemma 3", async () => {
    const keys = {
      "gemma3.rope.freq_base": undefined,
      "gemma3.rope.global.freq_base": float32(5000),
      "gemma3.vision.block_count": uint32(27),
      "gemma3.mm.tokens_per_image": uint32(256),
    };
    const config = configFromGguf(await header("gemma3/tiny"));
    expect(configFromGguf(await header("gemma3/tiny", keys))).toEqual({ ...config, ropeBase: 5000 });
  });

  test.each([
    ["llama/untied", { "blk.0.attn_q.bias": [16] }, '"blk.0.attn_q.bias" is a bias, and the family has none'],
    ["llama/untied", { "blk.1.attn_q_norm.weight": [8] }, '"blk.1.attn_q_norm.weight" is none of the family'],
    [
      "llama/untied",
      { "rope_freqs.weight": [8] },
      '"rope_freqs.weight" is (8) but the model\'s sizes ask for (4)',
    ],
    [
      "llama/untied",
      { "blk.0.attn_q.weight": undefined },
      'no tensor "blk.0.attn_q.weight"; nearest is "blk.',
    ],
    ["llama/untied", { "blk.1.ffn_up.weight": [24, 8] }, "is (24,8) but the model's sizes ask for (24,16)"],
    ["gemma3/tiny", { "blk.2.post_ffw_norm.weight": undefined }, 'no tensor "blk.2.post_ffw_norm.weight"'],
    ["gemma3/tiny", { "rope_freqs.weight": [4] }, '"rope_freqs.weight" is none of the family'],
    ["gemma3/tiny", { "blk.0.attn_k_norm.weight": [16] }, "is (16) but the model's sizes ask for (8)"],
  ] as const)("%s with tensors %j", async (golden, tensors, message) => {
    const file = await header(golden, {}, tensors as unknown as Record<string, number[] | undefined>);
    expect(() => configFromGguf(file)).toThrow(message);
  });

  test("rotary factors that are no numbers above 0", async () => {
    const file = path.join(directory, "factors.gguf");
    const zeros = (config: ModelConfig) => (name: string) =>
      new Float32Array(
        modelWeights(config)
          .find((spec) => spec.name === name)!
          .shape.reduce((a, b) => a * b),
      );
    const config = { ...llama, ropeFactors: [1, 0, 1, 1] };
    await saveModel(file, config, zeros(config), []);
    await expect(openModel(file)).rejects.toThrow('"rope_freqs.weight" holds 0 at 1; factors must be finite');
  });
});
