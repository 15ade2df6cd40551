/** Files that lie: whatever is in them, reading ends in an InputError or in success, soon and without large allocations. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { fileDtypes } from "../../src/engine/dtypes/index.ts";
import { InputError } from "../../src/errors.ts";
import { doubledKey } from "../../src/llm/files/doubled_key.ts";
import { readGguf } from "../../src/llm/files/gguf.ts";
import { writeGguf } from "../../src/llm/files/gguf_write.ts";
import { readSafetensors, writeSafetensors } from "../../src/llm/files/safetensors.ts";
import { type FileSource, memorySource } from "../../src/llm/files/source.ts";
import { Tokenizer } from "../../src/llm/tokenizer/tokenizer.ts";
import { sharedData } from "../shared.ts";

const directory = mkdtempSync(path.join(tmpdir(), "edgewise-hostile-"));
afterAll(() => rmSync(directory, { recursive: true }));

async function ownGguf(): Promise<Uint8Array> {
  const file = path.join(directory, "own.gguf");
  const letters = Array.from({ length: 40 }, (_, i) => `token ${i}`);
  await writeGguf(
    file,
    [
      ["general.architecture", { type: "string", value: "llama" }],
      ["llama.block_count", { type: "uint32", value: 1 }],
      ["tokenizer.ggml.tokens", { type: "array", of: "string", value: letters }],
      ["nested", { type: "array", of: "array", value: [{ type: "array", of: "bool", value: [true] }] }],
    ],
    ["a", "b", "c"].map((name) => ({
      name,
      shape: [2, 32],
      type: fileDtypes.q8_0,
      data: () => new Uint8Array(68),
    })),
  );
  return readFileSync(file);
}

async function ownSafetensors(): Promise<Uint8Array> {
  const file = path.join(directory, "own.safetensors");
  const tensors = ["a", "b"].map((name) => ({
    name,
    dtype: "F32" as const,
    shape: [2, 4],
    data: new Uint8Array(32),
  }));
  await writeSafetensors(file, tensors, { format: "pt" });
  return readFileSync(file);
}

/** Counts the bytes that are read, so that a reader that takes more than there is shows. */
function counted(bytes: Uint8Array): FileSource & { bytesRead(): number } {
  const source = memorySource(bytes, "hostile");
  let bytesRead = 0;
  return {
    ...source,
    read(offset, length) {
      bytesRead += length;
      return source.read(offset, length);
    },
    bytesRead: () => bytesRead,
  };
}

/** Reads everything that a header promises; returns the message where that ends in an InputError. */
async function outcome(
  read: (source: FileSource) => Promise<unknown>,
  bytes: Uint8Array,
): Promise<string | undefined> {
  const source = counted(bytes);
  try {
    await read(source);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    expect(error.message).toContain("hostile: ");
    return error.message;
  } finally {
    // The header again for each longer window, and the tensors once.
    expect(source.bytesRead()).toBeLessThanOrEqual(4 * bytes.length + 16);
  }
}

async function readWholeGguf(source: FileSource): Promise<void> {
  const gguf = await readGguf(source);
  for (const tensor of gguf.tensors.values()) await gguf.readRows(tensor, 0, tensor.rows);
  if (gguf.metadata.has("tokenizer.ggml.scores"))
    Tokenizer.fromGguf(gguf.metadata).encode("Once upon a time");
}

async function readWholeSafetensors(source: FileSource): Promise<void> {
  const file = await readSafetensors(source);
  for (const tensor of file.tensors.values()) await file.read(tensor);
}

/** Up to three fields of 1, 2, 4 or 8 bytes set to values at the edges, among the first `header` bytes. */
function mutations(header: number) {
  const extreme = fc.constantFrom(
    0n,
    1n,
    2n,
    13n,
    2n ** 31n - 1n,
    2n ** 31n,
    2n ** 32n - 1n,
    2n ** 53n,
    2n ** 60n,
    2n ** 63n,
    2n ** 64n - 1n,
  );
  const value = fc.oneof(extreme, fc.bigInt({ min: 0n, max: 255n }));
  const field = fc.record({ at: fc.nat(header - 1), bytes: fc.constantFrom(1, 2, 4, 8), value });
  return fc.array(field, { minLength: 1, maxLength: 3 });
}

function mutate(original: Uint8Array, fields: { at: number; bytes: number; value: bigint }[]): Uint8Array {
  const bytes = new Uint8Array(original);
  for (const { at, bytes: width, value } of fields) {
    for (let i = 0; i < width && at + i < bytes.length; i++)
      bytes[at + i] = Number((value >> BigInt(8 * i)) & 255n);
  }
  return bytes;
}

describe("hostile GGUF", () => {
  it("ends in an InputError wherever it is truncated", async () => {
    const bytes = await ownGguf();
    // The last tensor ends before the padding does.
    for (let length = 0; length < bytes.length - 32; length++) {
      expect(await outcome(readWholeGguf, bytes.subarray(0, length)), `${length} bytes`).toBeDefined();
    }
  });

  it("survives any field set to any value", async () => {
    const bytes = await ownGguf();
    await fc.assert(
      fc.asyncProperty(mutations(bytes.length), async (fields) => {
        await outcome(readWholeGguf, mutate(bytes, fields));
      }),
      { numRuns: 3000 },
    );
  });

  const stories = sharedData("models/stories260Ktok512.gguf");
  it.skipIf(stories === undefined)("survives mutations of a real file (needs shared/data)", async () => {
    const bytes = new Uint8Array(readFileSync(stories!));
    const header = 14176;
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.oneof(mutations(header), mutations(2048)), async (fields) => {
        if ((await outcome(readWholeGguf, mutate(bytes, fields))) !== undefined) refused++;
      }),
      { numRuns: 400 },
    );
    expect(refused).toBeGreaterThan(40);
    for (let length = 0; length < bytes.length; length += 1024) {
      expect(await outcome(readWholeGguf, bytes.subarray(0, length)), `${length} bytes`).toBeDefined();
    }
  });

  /** The own file with one field of the tensor info of "b" replaced. */
  async function withTensorField(offset: number, value: bigint, width: number): Promise<string | undefined> {
    const bytes = await ownGguf();
    const name = bytes.findIndex((_, i) => bytes[i] === 1 && bytes[i + 8] === 98 && bytes[i + 9] === 2);
    expect(name).toBeGreaterThan(0);
    return outcome(readWholeGguf, mutate(bytes, [{ at: name + 9 + offset, bytes: width, value }]));
  }

  it("says what is wrong with a tensor", async () => {
    expect(await withTensorField(0, 5n, 4)).toContain('tensor "b": has 5 dimensions, must have 1 to 4');
    expect(await withTensorField(4, 2n ** 60n, 8)).toContain("needs");
    expect(await withTensorField(4, 33n, 8)).toContain(
      "has rows of 33 elements, Q8_0 needs a multiple of 32",
    );
    expect(await withTensorField(4, 0n, 8)).toContain("has a dimension 0 (0 × 2)");
    expect(await withTensorField(20, 23n, 4)).toContain("has type IQ4_XS, which is not read; these are: F32");
    expect(await withTensorField(20, 99n, 4)).toContain("has type 99, which is no type of GGUF");
    expect(await withTensorField(24, 8n, 8)).toContain("not a multiple of the alignment 32");
    expect(await withTensorField(24, 64n, 8)).toContain('overlaps "a"');
    expect(await withTensorField(24, 2n ** 40n, 8)).toContain("at offset 1099511627776, the file has");
    expect(await withTensorField(-1, 97n, 1)).toContain('tensor "a": occurs twice');
  });
});

describe("hostile safetensors", () => {
  it("ends in an InputError wherever it is truncated", async () => {
    const bytes = await ownSafetensors();
    for (let length = 0; length < bytes.length; length++) {
      expect(await outcome(readWholeSafetensors, bytes.subarray(0, length)), `${length} bytes`).toBeDefined();
    }
  });

  it("survives any field set to any value", async () => {
    const bytes = await ownSafetensors();
    await fc.assert(
      fc.asyncProperty(mutations(bytes.length), async (fields) => {
        await outcome(readWholeSafetensors, mutate(bytes, fields));
      }),
      { numRuns: 3000 },
    );
  });

  it("says what is wrong with a header", async () => {
    const withHeader = (header: string, data = 32) => {
      const json = new TextEncoder().encode(header);
      const bytes = new Uint8Array(8 + json.length + data);
      bytes[0] = json.length;
      bytes.set(json, 8);
      return outcome(readWholeSafetensors, bytes);
    };
    expect(await withHeader("[1]")).toContain("header is not a JSON object");
    expect(await withHeader('{"a":')).toContain("header is not JSON");
    expect(await withHeader('{"a":{"dtype":"F9","shape":[8],"data_offsets":[0,32]}}')).toContain(
      'has dtype "F9"',
    );
    expect(await withHeader('{"a":{"dtype":"F32","shape":[-8],"data_offsets":[0,32]}}')).toContain(
      "has shape [-8]",
    );
    expect(await withHeader('{"a":{"dtype":"F32","shape":[8],"data_offsets":[0]}}')).toContain(
      "must be [begin, end]",
    );
    expect(await withHeader('{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,32]}}')).toContain(
      "takes 36 bytes",
    );
    expect(await withHeader('{"a":{"dtype":"F32","shape":[8],"data_offsets":[0,32]}}', 40)).toContain(
      "tensors end at byte",
    );
    const twice =
      '"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"a":{"dtype":"F32","shape":[4],"data_offsets":[16,32]}';
    expect(await withHeader(`{${twice}}`)).toContain('header has "a" twice');
    expect(await withHeader('{"__metadata__":{"x":1}}')).toContain('__metadata__ "x" is not a string');
    const inMetadata = '{"__metadata__":{"k":"v","\\u006b":"w"}}';
    expect(await withHeader(inMetadata)).toContain('header has "__metadata__", in it "k" twice');
    expect(await withHeader('\ufeff{"a":{}}')).toContain("it begins with a byte order mark");
  });

  const outcomeOf = (header: string, data = 32) => {
    const json = new TextEncoder().encode(header);
    const bytes = new Uint8Array(8 + json.length + data);
    new DataView(bytes.buffer).setUint32(0, json.length, true);
    bytes.set(json, 8);
    return outcome(readWholeSafetensors, bytes);
  };

  it("takes and refuses the headers that the original library takes and refuses", async () => {
    const golden: { header: string; data: number; accepted: boolean }[] = JSON.parse(
      readFileSync(path.join(import.meta.dirname, "../golden/safetensors_headers.json"), "utf8"),
    );
    expect(golden.filter(({ accepted }) => accepted)).toHaveLength(6);
    for (const { header, data, accepted } of golden) {
      const refusal = await outcomeOf(header, data);
      expect(refusal === undefined, `${header}: ${refusal}`).toBe(accepted);
    }
  });

  it("refuses whatever says one thing twice", async () => {
    const a = '"dtype":"F32","shape":[8],"data_offsets":[0,32]';
    for (const header of [
      `{"a":{${a}},"a":{${a}}}`,
      `{"a":{${a}},"\\u0061":{${a}}}`,
      `{"__metadata__":{"k":"v","k":"v"},"a":{${a}}}`,
      `{"__metadata__":{"k":"v","\\u006b":"w"},"a":{${a}}}`,
      `{"a":{${a},"note":1,"note":1}}`,
      `{"a":{${a},"note":{"x":1,"x":2}}}`,
    ])
      expect(await outcomeOf(header), header).toMatch(/header has .*"(a|k|note|x)" twice/);
  });

  it("takes keys that are equal in different objects, and text that looks like a key", () => {
    expect(doubledKey('{"a":{"a":[{"a":"\\",\\"a\\":"},{"a":["a","a"]}]},"b":{"a":{}}}')).toBeUndefined();
    expect(doubledKey('{"x":[1,{"y":{"z":1,"w":"}","z":2}}]}')).toEqual(["x", "", "y", "z"]);
    const deep = `${"[".repeat(50_000)}${"]".repeat(50_000)}`;
    expect(doubledKey(`{"a":${deep},"a":1}`)).toEqual(["a"]);
  });
});
