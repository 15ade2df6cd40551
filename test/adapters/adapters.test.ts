/** Adapters on disk: PEFT's own file gives PEFT's logits here, ours give our logits there, and what is not plain LoRA is refused. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type Adapter,
  adapterFromBank,
  adapterHalves,
  adapterIntoBank,
} from "../../src/llm/adapters/adapter.ts";
import { baseOf } from "../../src/llm/adapters/base.ts";
import { type LoraConfig, parseConfig, scaleOf } from "../../src/llm/adapters/config.ts";
import { type Base, readAdapter, writeAdapter } from "../../src/llm/adapters/files.ts";
import { writeBatch } from "../../src/llm/batch.ts";
import { readSafetensors, writeSafetensors } from "../../src/llm/files/safetensors.ts";
import { memorySource } from "../../src/llm/files/source.ts";
import { roles } from "../../src/llm/models/config.ts";
import { loadWeights } from "../../src/llm/models/load.ts";
import { Scorer } from "../../src/llm/score.ts";
import { noise } from "../cases.ts";
import {
  bankOf,
  bankValues,
  CONTEXT,
  deviation,
  goldenDirectory,
  openGolden,
  SLOTS,
  specOf,
} from "../models/golden.ts";

const PEFT = path.join(goldenDirectory, "peft");
const TOKENS = [3, 17, 31, 5, 22, 8, 39, 0, 12];

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), "edgewise-adapter-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A bank of three over the untied golden model; `adapter` stands in the middle. */
async function openScorer(adapter: Adapter) {
  const golden = await openGolden("untied");
  const bank = { rank: adapter.config.r, roles, adapters: 3 };
  const model = { ...specOf(golden, "full"), bank };
  const scorer = await Scorer.open({
    model,
    context: CONTEXT,
    ...SLOTS,
    outputs: SLOTS.rows,
    inProcess: true,
  });
  await loadWeights(scorer.engine, golden.file.config, golden.file.gguf);
  adapterIntoBank(scorer.engine, golden.file.config, 1, adapter);
  return scorer;
}

async function logitsOf(adapter: Adapter, tokens: readonly number[]): Promise<Float32Array> {
  const { engine } = await openScorer(adapter);
  const sizes = writeBatch(engine, [{ tokens, adapter: 1, scale: scaleOf(adapter.config) }]);
  engine.u32("output_row").set(tokens.map((_, row) => row));
  await engine.run("score", "all", { ...sizes, outputs: tokens.length });
  return engine.f32("logits").slice(0, tokens.length * 40);
}

async function goldenBase(): Promise<Base> {
  return baseOf((await openGolden("untied")).file);
}

async function randomAdapter(config: LoraConfig, seed: number): Promise<Adapter> {
  const golden = await openGolden("untied");
  const halves = adapterHalves(golden.file.config, config.r, config.roles);
  const tensors = halves.map(({ name, shape: [a, b] }, i) => {
    const value = noise(seed + i);
    return [name, Float32Array.from({ length: a * b }, (_, at) => 0.5 * value(at))] as const;
  });
  return { config, tensors: new Map(tensors) };
}

test("an adapter that PEFT saved is read as it was", async () => {
  const golden = await openGolden("untied");
  const { adapter, warning } = await readAdapter(PEFT, await goldenBase());
  expect(adapter.config).toMatchObject({ r: 4, loraAlpha: 8, useRslora: false, roles });
  expect(warning).toMatch(/does not say for which base it was made; whether it is untied\.gguf is not known/);
  const bank = bankOf(golden, "all")!;
  const sizes = new Map(
    adapterHalves(golden.file.config, 4, roles).map(({ name, shape: [a, b] }) => [name, a * b]),
  );
  for (const [name, both] of bankValues(golden, bank, (name) => 2 * sizes.get(name)!))
    expect(adapter.tensors.get(name)).toEqual(both.subarray(0, both.length / 2)); // the script saved adapter 0
});

test("what drops in training alone, and modules named layer by layer, change nothing", async () => {
  const base = await goldenBase();
  const { adapter } = await readAdapter(PEFT, base);
  const { layers } = base.config;
  const modules =
    "self_attn.q_proj self_attn.k_proj self_attn.v_proj self_attn.o_proj mlp.gate_proj mlp.up_proj mlp.down_proj";
  // PEFT 0.21.2 writes whole paths for "all-linear" of models with fewer than 20 linears, in any order.
  const paths = Array.from({ length: layers }, (_, layer) =>
    modules.split(" ").map((module) => `model.layers.${layer}.${module}`),
  ).flat();
  for (const changes of [{ lora_dropout: 0.05 }, { lora_dropout: 0.1, target_modules: paths.reverse() }]) {
    cpSync(PEFT, directory, { recursive: true });
    const file = path.join(directory, "adapter_config.json");
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), ...changes }));
    const read = await readAdapter(directory, base);
    expect(read.adapter).toEqual(adapter);
  }
});

describe("what is written is read again", () => {
  test.each([
    { r: 4, loraAlpha: 8, useRslora: false, roles },
    { r: 3, loraAlpha: 7.5, useRslora: true, roles: ["q", "v", "down"] },
  ] satisfies LoraConfig[])("$r $loraAlpha $useRslora", async (config) => {
    const [adapter, base] = [await randomAdapter(config, 50), await goldenBase()];
    await writeAdapter(path.join(directory, "new", "one"), adapter, base);
    expect(readdirSync(path.join(directory, "new", "one")).sort()).toEqual([
      "adapter_config.json",
      "adapter_model.safetensors",
    ]);
    const read = await readAdapter(path.join(directory, "new", "one"), base);
    expect(read.warning).toBeUndefined();
    expect(read.adapter.config).toEqual({ ...config, baseSha256: base.sha256 });
    expect(read.adapter.tensors).toEqual(adapter.tensors);
    const scorer = await openScorer(adapter);
    const { config: model } = (await openGolden("untied")).file;
    expect(adapterFromBank(scorer.engine, model, 1, config)).toEqual(adapter);
  });

  test("F16 and BF16 tensors too", async () => {
    const config: LoraConfig = { r: 2, loraAlpha: 2, useRslora: false, roles: ["k"] };
    const base = await goldenBase();
    await writeAdapter(directory, await randomAdapter(config, 60), base);
    for (const [dtype, half] of [["F16", 0x3e00] as const, ["BF16", 0x3fc0] as const]) {
      const tensors = adapterHalves(base.config, 2, ["k"]).map(({ layer, half: which, shape }) => ({
        name: `base_model.model.model.layers.${layer}.self_attn.k_proj.lora_${which.toUpperCase()}.weight`,
        dtype,
        shape,
        data: new Uint8Array(new Uint16Array(shape[0] * shape[1]).fill(half).buffer),
      }));
      await writeSafetensors(path.join(directory, "adapter_model.safetensors"), tensors);
      for (const values of (await readAdapter(directory, base)).adapter.tensors.values())
        expect(values.every((value) => value === 1.5)).toBe(true);
    }
  });
});

describe("the checksum of a base", () => {
  test("changes with one bit of one weight", async () => {
    const { file } = await openGolden("untied");
    const again = async (change: (bytes: Uint8Array, tensor: string) => void) =>
      (
        await baseOf({
          ...file,
          gguf: {
            ...file.gguf,
            readRows: async (tensor, first, rows) => {
              const bytes = (await file.gguf.readRows(tensor, first, rows)).slice();
              change(bytes, tensor.name);
              return bytes;
            },
          },
        })
      ).sha256;
    const { sha256 } = await baseOf(file);
    expect(await again(() => {})).toBe(sha256);
    const other = await again((bytes, tensor) => {
      if (tensor === "blk.1.attn_q.weight") bytes[0] ^= 1;
    });
    expect(other).not.toBe(sha256);
  });

  test("is asked for: an adapter of another base is refused with both sums", async () => {
    const base = await goldenBase();
    const config: LoraConfig = { r: 4, loraAlpha: 8, useRslora: false, roles: ["q"] };
    await writeAdapter(directory, await randomAdapter(config, 1), { ...base, sha256: "ab".repeat(32) });
    const failure = expect(readAdapter(directory, base)).rejects;
    await failure.toThrow(
      new RegExp(`sha256 ${"ab".repeat(32)}, but untied.gguf has ${base.sha256}; use the model`),
    );
    await failure.toMatchObject({ name: "InputError" });
  });
});

test("the checksum stands in the tensors' metadata, where PEFT does not look, and is read from older configurations too", async () => {
  const base = await goldenBase();
  const config: LoraConfig = { r: 4, loraAlpha: 8, useRslora: false, roles };
  await writeAdapter(directory, await randomAdapter(config, 2), base);
  const fields = JSON.parse(readFileSync(path.join(directory, "adapter_config.json"), "utf8"));
  expect(Object.keys(fields).filter((key) => key.startsWith("edgewise"))).toEqual([]);
  const source = memorySource(readFileSync(path.join(directory, "adapter_model.safetensors")));
  const { metadata } = await readSafetensors(source);
  expect(metadata.get("edgewise_base_sha256")).toBe(base.sha256);
  cpSync(PEFT, directory, { recursive: true });
  const older = { ...fields, edgewise_base_sha256: "cd".repeat(32) };
  writeFileSync(path.join(directory, "adapter_config.json"), JSON.stringify(older));
  await expect(readAdapter(directory, base)).rejects.toThrow(/was made for a base with sha256 cdcdcd/);
});

describe.each([Number.NaN, Number.POSITIVE_INFINITY])("an adapter that holds %d", (value) => {
  const config: LoraConfig = { r: 2, loraAlpha: 2, useRslora: false, roles: ["k"] };
  const message =
    /tensor ".*layers\.1\.self_attn\.k_proj\.lora_B\.weight" holds (NaN|Infinity) at 3, must be/;
  const broken = async () => {
    const adapter = await randomAdapter(config, 3);
    adapter.tensors.get("adapter.1.k.b")![3] = value;
    return adapter;
  };

  test("is not written", async () => {
    const base = await goldenBase();
    await writeAdapter(directory, await randomAdapter(config, 4), base);
    await expect(writeAdapter(directory, await broken(), base)).rejects.toThrow(message);
    const { adapter } = await readAdapter(directory, base);
    expect(adapter.tensors).toEqual((await randomAdapter(config, 4)).tensors);
  });

  test.each(["F32", "F16", "BF16"] as const)("is not read, %s", async (dtype) => {
    const base = await goldenBase();
    await writeAdapter(directory, await randomAdapter(config, 4), base);
    const halves = adapterHalves(base.config, 2, ["k"]).map(({ name, layer, half, shape }) => {
      const values = new Float32Array(shape[0] * shape[1]);
      if (name === "adapter.1.k.b") values[3] = value;
      const words = new Uint32Array(values.buffer);
      const halved = Uint16Array.from(words, (word) =>
        dtype === "BF16" ? word >>> 16 : word ? (Number.isNaN(value) ? 0x7e00 : 0x7c00) : 0,
      );
      const data = new Uint8Array(dtype === "F32" ? words.buffer : halved.buffer);
      const peft = `base_model.model.model.layers.${layer}.self_attn.k_proj.lora_${half.toUpperCase()}.weight`;
      return { name: peft, dtype, shape, data };
    });
    await writeSafetensors(path.join(directory, "adapter_model.safetensors"), halves);
    await expect(readAdapter(directory, base)).rejects.toThrow(message);
  });
});

describe("refused by name", () => {
  const plain = JSON.parse(readFileSync(path.join(PEFT, "adapter_config.json"), "utf8"));
  const read = (changes: object) => parseConfig(JSON.stringify({ ...plain, ...changes }), "F", 2);

  test.each<[string, unknown]>([
    ["bias", "all"],
    ["use_dora", true],
    ["modules_to_save", ["lm_head"]],
    ["rank_pattern", { q_proj: 8 }],
    ["alpha_pattern", { q_proj: 8 }],
    ["layers_to_transform", [0]],
    ["layer_replication", [[0, 2]]],
    ["fan_in_fan_out", true],
    ["trainable_token_indices", [1]],
    ["a_field_of_the_future", { on: true }],
  ])("%s %j", (field, value) => {
    expect(() => read({ [field]: value })).toThrow(
      `adapter: F: ${field} is ${JSON.stringify(value)}, which is not supported`,
    );
  });

  test.each<[object, RegExp]>([
    [{ peft_type: "IA3" }, /peft_type is "IA3"; only "LORA" is read/],
    [{ init_lora_weights: "pissa" }, /init_lora_weights is "pissa", which changes the base/],
    [{ r: 0 }, /r is 0, must be a whole number from 1/],
    [{ r: 2 ** 40 }, /r is 1099511627776, must be a whole number from 1/],
    [{ lora_alpha: "8" }, /lora_alpha is "8", must be a number above 0/],
    [{ use_rslora: 1 }, /use_rslora is 1, must be true or false/],
    [
      { target_modules: ["q_proj", "embed_tokens"] },
      /target_modules has "embed_tokens"; known are q_proj, k_proj/,
    ],
    [
      { target_modules: ["model.layers.0.self_attn.q_proj"] },
      /target_modules names self_attn.q_proj in layers 0; it must be in all 2 layers or in none/,
    ],
    [
      { target_modules: ["v_proj", "layers.1.mlp.up_proj", "layers.2.mlp.up_proj"] },
      /target_modules names mlp.up_proj in layers 1, 2; it must be in all 2 layers/,
    ],
    [{ target_modules: ["model.layers.0.q_proj"] }, /target_modules has "model.layers.0.q_proj"; known are/],
    [{ target_modules: ["model.layers.x.self_attn.q_proj"] }, /has "model.layers.x.self_attn.q_proj"; known/],
    [{ lora_dropout: 1.5 }, /lora_dropout is 1.5, must be a number from 0 to 1/],
    [{ lora_dropout: "a" }, /lora_dropout is "a", must be a number from 0 to 1/],
    [{ target_modules: [] }, /target_modules is \[\], must be a list/],
    [{ edgewise_base_sha256: "x" }, /edgewise_base_sha256 is "x", must be 64 hexadecimal digits/],
  ])("%j", (changes, message) => {
    expect(() => read(changes)).toThrow(message);
  });

  test("what is no configuration at all", () => {
    expect(() => parseConfig("{", "F")).toThrow(/^adapter: F: is not JSON: /);
    expect(() => parseConfig("[]", "F")).toThrow("adapter: F: is not a JSON object");
    expect(() => parseConfig("{}", "F")).toThrow('adapter: F: peft_type is missing; only "LORA" is read');
  });

  test("plain settings are taken", () => {
    expect(read({ target_modules: "all-linear", use_rslora: true })).toMatchObject({
      roles,
      useRslora: true,
    });
    expect(scaleOf(read({ use_rslora: true }))).toBe(4);
    expect(scaleOf(read({}))).toBe(2);
    expect(read({ target_modules: ["self_attn.v_proj", "q_proj"] }).roles).toEqual(["q", "v"]);
  });

  test("tensors that are missing, too many or of another shape, and files that are not there", async () => {
    const base = await goldenBase();
    cpSync(PEFT, directory, { recursive: true });
    const config = (changes: object) =>
      writeFileSync(path.join(directory, "adapter_config.json"), JSON.stringify({ ...plain, ...changes }));
    config({ r: 3 });
    await expect(readAdapter(directory, base)).rejects.toThrow(
      'tensor "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight" is (4,16) but r and the base ask for (3,16)',
    );
    config({ target_modules: ["q_proj"] });
    await expect(readAdapter(directory, base)).rejects.toThrow(
      /tensor ".*" belongs to none of the target_modules/,
    );
    config({});
    await expect(readAdapter(directory, { ...base, config: { ...base.config, layers: 3 } })).rejects.toThrow(
      /file has no tensor "base_model\.model\.model\.layers\.2\.self_attn\.q_proj\.lora_A\.weight"; nearest is "/,
    );
    rmSync(path.join(directory, "adapter_model.safetensors"));
    await expect(readAdapter(directory, base)).rejects.toThrow(/adapter_model\.safetensors: no such file/);
    await expect(readAdapter(path.join(directory, "nowhere"), base)).rejects.toThrow(
      /adapter_config\.json: no such file/,
    );
  });
});

function findPython(): string | undefined {
  return [process.env.EDGEWISE_PYTHON, "python3"].find((python) => {
    try {
      execFileSync(python!, ["-c", "import gguf, peft, transformers"], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  });
}

const python = findPython();
const absent = python
  ? ""
  : ' (skipped: no Python with "peft", "transformers" and "gguf"; set EDGEWISE_PYTHON)';

test.skipIf(!python)(
  `PEFT over the same GGUF gives the same logits, with its adapter and with ours${absent}`,
  async () => {
    const base = await goldenBase();
    const rslora: LoraConfig = { r: 3, loraAlpha: 7.5, useRslora: true, roles: ["q", "k", "o", "up"] };
    const ours = await randomAdapter(rslora, 70);
    await writeAdapter(directory, ours, base);
    const { adapter: theirs } = await readAdapter(PEFT, base);
    const script = path.join(import.meta.dirname, "peft_logits.py");
    const model = (await openGolden("untied")).file.path;
    const output = execFileSync(python!, [script, model, JSON.stringify(TOKENS), PEFT, directory], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const { results, warned } = JSON.parse(output) as { results: number[][][]; warned: string[][] };
    expect(warned[1]).toEqual(warned[0]);
    const wanted = results.map((logits) => logits.flat());
    for (const [i, adapter] of [theirs, ours].entries()) {
      const found = deviation(await logitsOf(adapter, TOKENS), wanted[i]);
      console.log(`logits beside PEFT: ${found.toExponential(1)}`);
      expect(found).toBeLessThanOrEqual(1e-4);
    }
    expect(deviation(wanted[0], wanted[1])).toBeGreaterThan(0.1);
  },
);
