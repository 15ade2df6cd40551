/** Real and lying files through `openModel`: each ends in one clear error that says where, which rule, and the values. */
import {
  chmodSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it, test } from "vitest";
import { fileDtypes } from "../../src/engine/dtypes/index.ts";
import { packageRoot } from "../../src/engine/host/assets.ts";
import { MemoryLimitError } from "../../src/engine/plan/program.ts";
import { InputError } from "../../src/errors.ts";
import { readGguf } from "../../src/llm/files/gguf.ts";
import { writeGguf } from "../../src/llm/files/gguf_write.ts";
import type { MetadataValue } from "../../src/llm/files/metadata.ts";
import { memorySource, openFile } from "../../src/llm/files/source.ts";
import { compileGeneration } from "../../src/llm/generate.ts";
import { type ModelFile, modelOf, openModel } from "../../src/llm/model_file.ts";
import { Tokenizer } from "../../src/llm/tokenizer/tokenizer.ts";
import { type Draft, encodeDraft, filledSource } from "../fuzz/draft.ts";
import { EXTREMES } from "../fuzz/mutate.ts";
import { syntheticSeeds } from "../fuzz/seeds.ts";
import { cachedModel } from "../shared.ts";

const directory = mkdtempSync(path.join(tmpdir(), "edgewise-refused-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** Everything up to the last byte of the last tensor; the message where that is refused. */
async function readThrough(bytes: Uint8Array): Promise<string | undefined> {
  try {
    const { gguf } = await modelOf(memorySource(bytes, "cut"));
    for (const tensor of gguf.tensors.values()) await gguf.readRows(tensor, 0, tensor.rows);
    return undefined;
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return error.message;
  }
}

test("a real model, truncated at every KiB", async () => {
  const bytes = new Uint8Array(readFileSync(path.join(packageRoot(), "models", "edgewise-s.gguf")));
  expect(await readThrough(bytes)).toBeUndefined();
  for (let length = 0; length < bytes.length; length += 1024)
    expect(await readThrough(bytes.subarray(0, length)), `${length} bytes`).toMatch(/^gguf: cut: /);
});

for (const name of ["SmolLM2-135M-Instruct.Q4_1.gguf", "gemma-3-270m-q4_k_m.gguf"]) {
  const found = cachedModel(name);
  test.skipIf(found === undefined)(`${name}, its header truncated (needs the model cache)`, async () => {
    const source = await openFile(found!);
    const { tensors } = await readGguf(source);
    const end = Math.min(...[...tensors.values()].map(({ offset }) => offset));
    const header = await source.read(0, end);
    await source.close();
    // Every 1 KiB of some MiB would take minutes: places closer and closer together toward the start.
    for (let length = end - 1; length > 0; length = Math.floor(length * 0.8) - 3)
      expect(await readThrough(header.subarray(0, length)), `${length} bytes`).toMatch(/^gguf: cut: /);
  });
}

describe("a field at its extremes", () => {
  const seed = syntheticSeeds().get("two layers")!;
  const { bytes, fields, size } = encodeDraft(seed);
  const data = new Uint8Array(size).fill(seed.fill);
  data.set(bytes);

  it("of a header of which none is left out, ends in one clear error or in a model", async () => {
    // Tokens, types and merges are fields by the hundred, so one in 30 of them; of all others, all.
    const lists = fields.length - 300;
    let refused = 0;
    let cases = 0;
    for (const [i, field] of fields.entries()) {
      if (lists > 0 && i > 60 && i < lists && i % 30 !== 0) continue;
      for (const extreme of EXTREMES) {
        const changed = new Uint8Array(data);
        const value = BigInt.asUintN(64, extreme);
        for (let b = 0; b < field.bytes; b++) changed[field.at + b] = Number((value >> BigInt(8 * b)) & 255n);
        cases++;
        if ((await readThrough(changed)) !== undefined) refused++;
      }
    }
    expect(cases).toBeGreaterThan(3000);
    expect(refused).toBeGreaterThan(cases / 3);
  });
});

/** Opens a seed that was changed; the message that refuses it. */
async function messageOf(change: (draft: Draft) => void, name = "two layers"): Promise<string> {
  const seed = syntheticSeeds().get(name)!;
  const draft = { ...seed, pairs: [...seed.pairs], tensors: seed.tensors.map((tensor) => ({ ...tensor })) };
  change(draft);
  const { bytes, size } = encodeDraft(draft);
  const outcome = await opened(filledSource(bytes, size, draft.fill)).catch((error: unknown) => error);
  expect(outcome).toBeInstanceOf(InputError);
  return (outcome as InputError).message;
}

async function opened(source: Parameters<typeof modelOf>[0]): Promise<ModelFile> {
  const file = await modelOf(source);
  Tokenizer.fromGguf(file.gguf.metadata);
  return file;
}

const set = (key: string, value: MetadataValue) => (draft: Draft) => {
  const at = draft.pairs.findIndex(([other]) => other === key);
  if (at < 0) draft.pairs.push([key, value]);
  else draft.pairs[at] = [key, value];
};
const u32 = (value: number): MetadataValue => ({ type: "uint32", value });
const text = (value: string): MetadataValue => ({ type: "string", value });
const strings = (value: string[]): MetadataValue => ({ type: "array", of: "string", value });
const tensor = (name: string, change: (tensor: Draft["tensors"][number]) => void) => (draft: Draft) =>
  change(draft.tensors.find((each) => each.name === name)!);

/** What is wrong, and what of the message says so. */
const lies: Record<string, [(draft: Draft) => void, RegExp]> = {
  "version 1": [
    (draft) => Object.assign(draft, { version: 1 }),
    /header: version 1 of 2023; versions 2 and 3/,
  ],
  "big-endian": [(draft) => Object.assign(draft, { version: 3 << 24 }), /is big-endian; only little-endian/],
  "version 4": [(draft) => Object.assign(draft, { version: 4 }), /version 4; versions 2 and 3 are read/],
  "a part of a split model": [
    (draft) => {
      set("split.count", { type: "uint16", value: 3 })(draft);
      set("split.no", { type: "uint16", value: 0 })(draft);
    },
    /is part 1 of 3 of a split model; join the parts with `llama-gguf-split --merge`/,
  ],
  "alignment 0": [set("general.alignment", u32(0)), /"general.alignment": is 0, must be a power of two/],
  "alignment 24": [set("general.alignment", u32(24)), /is 24, must be a power of two/],
  "a key twice": [(draft) => draft.pairs.push(draft.pairs[2]), /metadata "llama.block_count": occurs twice/],
  "a tensor twice": [
    (draft) => draft.tensors.push(draft.tensors[3]),
    /tensor "blk.0.attn_k.weight": occurs twice/,
  ],
  "a missing tensor": [
    tensor("output_norm.weight", (each) => Object.assign(each, { name: "output_nrm.weight" })),
    /no tensor "output_norm.weight"; nearest is "output_nrm.weight"/,
  ],
  "overlapping tensors": [
    tensor("blk.0.attn_v.weight", (each) => Object.assign(each, { offset: 32n })),
    /overlaps ".*", which ends at/,
  ],
  "a misaligned tensor": [
    tensor("blk.0.attn_v.weight", (each) => Object.assign(each, { offset: 8n })),
    /tensor "blk.0.attn_v.weight": starts at offset 8, not a multiple of the alignment 32/,
  ],
  "a wrong shape": [
    tensor("blk.0.attn_v.weight", (each) => Object.assign(each, { sizes: each.sizes.toReversed() })),
    /tensor "blk.0.attn_v.weight" is \(32,16\) but the model's sizes ask for \(16,32\)/,
  ],
  "a dimension 0": [
    tensor("output_norm.weight", (each) => Object.assign(each, { sizes: [0n] })),
    /tensor "output_norm.weight": has a dimension 0/,
  ],
  "a product beyond 2^53": [
    tensor("output_norm.weight", (each) => Object.assign(each, { sizes: [2n ** 31n, 2n ** 31n, 2n ** 31n] })),
    /needs \d+ bytes at offset \d+, the file has \d+ in all/,
  ],
  "a type that is not read": [
    tensor("output_norm.weight", (each) => Object.assign(each, { type: 16 })),
    /has type IQ2_XXS, which is not read; these are: F32, F16, BF16/,
  ],
  "a type of today's": [
    tensor("output_norm.weight", (each) => Object.assign(each, { type: 42 })),
    /has type Q2_0, which is not read; these are: F32, F16, BF16/,
  ],
  "an unknown type": [
    tensor("output_norm.weight", (each) => Object.assign(each, { type: 4096 })),
    /has type 4096, which is no type of GGUF/,
  ],
  "an unknown architecture": [
    set("general.architecture", text("rwkv7")),
    /architecture "rwkv7" is unknown; known are llama/,
  ],
  "an architecture of Object": [set("general.architecture", text("constructor")), /"constructor" is unknown/],
  "an unsupported pre-tokenizer": [
    set("tokenizer.ggml.pre", text("kimi-k2")),
    /pre-tokenizer "kimi-k2" is not known; known are .*edgewise/,
  ],
  "more tokens than the embedding has rows": [
    tensor("token_embd.weight", (each) => Object.assign(each, { sizes: [32n, 263n] })),
    /the vocabulary has 264 tokens, the embedding "token_embd.weight" has 263 rows/,
  ],
  "a size stated otherwise": [
    set("llama.vocab_size", u32(9)),
    /"llama.vocab_size" says 9 tokens, .* 264 rows/,
  ],
  "merges of tokens that are missing": [
    set("tokenizer.ggml.merges", strings(["t zz"])),
    /merge 0 "t zz" needs the token/,
  ],
  "a cycle of merges": [
    set("tokenizer.ggml.merges", strings(["t h", "th t", "h t"])),
    /needs the token "tht"/,
  ],
  "a merge twice": [set("tokenizer.ggml.merges", strings(["t h", "t h"])), /merges 0 and 1 are both "t h"/],
};

test.each(Object.keys(lies))("refused: %s", async (name) => {
  const [change, expected] = lies[name];
  expect(await messageOf(change)).toMatch(expected);
});

test("every type of ggml 0.25.3, 0 to 42, is read or refused by its name", async () => {
  for (let type = 0; type <= 42; type++) {
    const message = await messageOf(
      // Four dimensions, of which none fits the model.
      tensor("output_norm.weight", (each) => Object.assign(each, { type, sizes: [3n, 1n, 1n, 1n] })),
    );
    expect(message, `type ${type}`).toMatch(/tensor "output_norm.weight"/);
    expect(message, `type ${type}`).not.toContain("is no type of GGUF");
  }
});

describe("a file that is none", () => {
  const looks: Record<string, [Uint8Array | string, string]> = {
    "an empty file": ["", "is empty"],
    "a web page": ["<!DOCTYPE html><html><title>404</title>", "looks like a web page"],
    safetensors: ['\u0020\0\0\0\0\0\0\0{"a":{"dtype":"F32"}}', "looks like a safetensors file"],
    "a zip archive": ["PK\u0003\u0004abcdefghijklmnop", "is a zip archive, such as a PyTorch checkpoint"],
    "a Git LFS pointer": [
      "version https://git-lfs.github.com/spec/v1\noid sha256:12",
      "is a Git LFS pointer",
    ],
    "an older format": ["tjgg\u0003\0\0\0", "is of the format before GGUF"],
    zeros: [new Uint8Array(4096), "as a download that was not finished does"],
    "any text": ["hello, world", 'does not start with "GGUF"'],
    "three bytes": ["GGU", 'does not start with "GGUF"'],
    "the magic alone": ["GGUF", "needs 4 bytes at byte 4, the file ends at 4"],
  };
  it.each(Object.keys(looks))("%s", async (name) => {
    const file = path.join(directory, "none.gguf");
    writeFileSync(file, looks[name][0]);
    await expect(openModel(file)).rejects.toThrow(looks[name][1]);
    await expect(openModel(file)).rejects.toBeInstanceOf(InputError);
  });

  it("a directory", async () => {
    await expect(openModel(directory)).rejects.toThrow("is a directory, not a file");
  });

  // Root may read everything.
  it.skipIf(process.getuid?.() === 0)(
    "a file without permission (needs a user who is not root)",
    async () => {
      const file = path.join(directory, "secret.gguf");
      writeFileSync(file, "GGUF");
      chmodSync(file, 0);
      await expect(openModel(file)).rejects.toThrow("secret.gguf: permission denied");
    },
  );
});

describe("a file that changes while it is read", () => {
  const file = path.join(directory, "changing.gguf");
  const write = () =>
    writeGguf(
      file,
      [],
      [{ name: "a", shape: [4, 256], type: fileDtypes.f32, data: () => new Uint8Array(4096) }],
    );

  it("cut", async () => {
    await write();
    const source = await openFile(file);
    const gguf = await readGguf(source);
    truncateSync(file, 200);
    await expect(gguf.readRows(gguf.tensors.get("a")!, 0, 4)).rejects.toThrow(
      /ended at byte 200, it had \d+ when/,
    );
    await source.close();
  });

  it("written to", async () => {
    await write();
    const source = await openFile(file);
    const gguf = await readGguf(source);
    await new Promise((resolve) => setTimeout(resolve, 20));
    writeSync(openSync(file, "r+"), "x", 4000);
    await expect(gguf.readRows(gguf.tensors.get("a")!, 0, 4)).rejects.toThrow(
      "was changed while it was read",
    );
    await source.close();
  });
});

/** A model of 6 GiB: two layers in F16 whose feed-forward is that wide. */
function largeDraft(): Draft {
  const seed = syntheticSeeds().get("two layers")!;
  const wide = 2n ** 24n;
  return {
    ...seed,
    pairs: seed.pairs.map(([key, value]) => [
      key,
      key === "llama.feed_forward_length" ? u32(Number(wide)) : value,
    ]),
    tensors: seed.tensors.map((each) => ({
      ...each,
      sizes: each.name.includes("ffn_") ? each.sizes.map((size) => (size === 64n ? wide : size)) : each.sizes,
    })),
  };
}

describe("a sparse file of 6 GiB", () => {
  const file = path.join(directory, "large.gguf");
  const { bytes, size } = encodeDraft(largeDraft());

  it("is read by position behind 4 GiB, and refused before a byte of it is allocated", async () => {
    expect(size).toBeGreaterThan(6 * 2 ** 30);
    writeFileSync(file, bytes);
    truncateSync(file, size);
    const model = await openModel(file);
    const { gguf } = model;
    const last = gguf.tensors.get("output_norm.weight")!;
    expect(last.offset).toBeGreaterThan(2 ** 32);
    const handle = openSync(file, "r+");
    writeSync(handle, Uint8Array.of(1, 2, 3, 4), 0, 4, last.offset + 8);
    await model.source.close();
    const again = await openModel(file);
    const { gguf: now } = again;
    expect([...(await now.readRows(now.tensors.get("output_norm.weight")!, 0, 1)).slice(4, 16)]).toEqual([
      0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0,
    ]);
    const before = process.memoryUsage().external;
    let refusal: unknown;
    try {
      compileGeneration(again);
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(MemoryLimitError);
    expect((refusal as Error).message).toMatch(
      /needs [\d.]+ GiB \(constants [\d.]+ GiB, state .*arena .*scratch .*io .*plans .*\) but the limit is 4\.00 GiB/,
    );
    expect(process.memoryUsage().external - before).toBeLessThan(2 ** 20);
    await again.source.close();
  });
});
