import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, it } from "vitest";
import { InputError } from "../../src/errors.ts";
import { writeAtomically, writeFileAtomically } from "../../src/llm/files/atomic.ts";
import { readSafetensors, writeSafetensors } from "../../src/llm/files/safetensors.ts";
import { openFile } from "../../src/llm/files/source.ts";

const directory = mkdtempSync(path.join(tmpdir(), "edgewise-atomic-"));
afterAll(() => rmSync(directory, { recursive: true }));
const file = path.join(directory, "file");

it("a file is the old one until the new one is whole", async () => {
  await writeFileAtomically(file, "old");
  await writeAtomically(file, async (sink) => {
    await sink.write(new TextEncoder().encode("ne"));
    expect(sink.position).toBe(2);
    expect(readFileSync(file, "utf8")).toBe("old");
    await sink.write(new TextEncoder().encode("w"));
  });
  expect(readFileSync(file, "utf8")).toBe("new");
  expect(readdirSync(directory)).toEqual(["file"]);
});

it("whatever fails, the old file stays and nothing is left beside it", async () => {
  await writeFileAtomically(file, "old");
  const half = (error: Error) =>
    writeAtomically(file, async (sink) => {
      await sink.write(new Uint8Array(100));
      throw error;
    });
  await expect(half(new Error("broken"))).rejects.toThrow("broken");
  const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
  await expect(half(full)).rejects.toThrow(
    new InputError(`write: ${file}: the disk is full; nothing was written`),
  );
  expect(readFileSync(file, "utf8")).toBe("old");
  expect(readdirSync(directory)).toEqual(["file"]);
});

it("says where a file cannot be", async () => {
  const nowhere = path.join(directory, "none", "file");
  await expect(writeFileAtomically(nowhere, "x")).rejects.toThrow(
    `write: ${nowhere}: the directory does not exist`,
  );
});

it("puts no plain file where there is something else", async () => {
  await expect(writeFileAtomically("/dev/null", "x")).rejects.toThrow("write: /dev/null: is no regular file");
  await expect(writeFileAtomically(directory, "x")).rejects.toThrow(`write: ${directory}: is a directory`);
});

it("safetensors are read as they were written", async () => {
  const target = path.join(directory, "x.safetensors");
  const data = (bytes: number) => Uint8Array.from({ length: bytes }, (_, i) => i);
  await writeSafetensors(
    target,
    [
      { name: "half", dtype: "F16", shape: [3], data: data(6) },
      { name: "b", dtype: "F32", shape: [2, 2], data: data(16) },
      { name: "a", dtype: "F32", shape: [], data: data(4) },
    ],
    { format: "pt" },
  );
  const source = await openFile(target);
  const read = await readSafetensors(source);
  expect([...read.metadata]).toEqual([["format", "pt"]]);
  expect([...read.tensors.keys()]).toEqual(["a", "b", "half"]);
  for (const tensor of read.tensors.values()) {
    expect(tensor.dtype === "F32" ? tensor.offset % 4 : tensor.offset % 2).toBe(0);
    expect(Array.from(await read.read(tensor))).toEqual(Array.from(data(tensor.bytes)));
  }
  await source.close();
});
