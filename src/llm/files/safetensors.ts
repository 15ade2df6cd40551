/**
 * Safetensors:  u64 bytes of the header │ header, JSON, padded with spaces to 8 │ tensor data
 *
 *   {"__metadata__": {key: string}, name: {"dtype": "F32", "shape": […], "data_offsets": [begin, end]}, …}
 *
 * Tensors lie side by side without holes; nothing in the file is trusted, and nothing is read that two readers could take for two things:
 * no byte order mark, and no key twice in one object.
 */
import { InputError } from "../../errors.ts";
import { type FileSink, writeAtomically } from "./atomic.ts";
import { doubledKey } from "./doubled_key.ts";
import type { FileSource } from "./source.ts";

const DTYPE_BYTES = {
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
} as const;
export type SafetensorsDtype = keyof typeof DTYPE_BYTES;

/** The limit of the original library. */
const HEADER_MAX = 100_000_000;
const DIMENSIONS_MAX = 8;

export interface SafetensorsTensor {
  name: string;
  dtype: SafetensorsDtype;
  shape: number[];
  /** Where the data starts in the file. */
  offset: number;
  bytes: number;
}

export interface Safetensors {
  metadata: Map<string, string>;
  tensors: Map<string, SafetensorsTensor>;
  read(tensor: SafetensorsTensor): Promise<Uint8Array>;
}

export interface SafetensorsToWrite {
  name: string;
  dtype: SafetensorsDtype;
  shape: readonly number[];
  data: Uint8Array;
}

/** Reads and checks the header; one InputError names what is wrong with it. */
export async function readSafetensors(source: FileSource): Promise<Safetensors> {
  const problem = (rule: string) => new InputError(`safetensors: ${source.name}: ${rule}`);
  if (source.size < 8) throw problem(`has ${source.size} bytes, the length of the header alone takes 8`);
  const start = await source.read(0, 8);
  const length = new DataView(start.buffer, start.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(Math.min(HEADER_MAX, source.size - 8))) {
    throw problem(
      `header of ${length} bytes, the file has ${source.size - 8} more and ${HEADER_MAX} are allowed`,
    );
  }
  const header = parseHeader(await source.read(8, Number(length)), problem);
  const metadata = readMetadata(header.get("__metadata__"), problem);
  header.delete("__metadata__");
  const dataAt = 8 + Number(length);
  const tensors = [...header].map(([name, value]) => readTensor(name, value, dataAt, problem));
  checkPlaces(tensors, dataAt, source.size, problem);
  return {
    metadata,
    tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])),
    read: (tensor) => source.read(tensor.offset, tensor.bytes),
  };
}

type Problem = (rule: string) => InputError;

function parseHeader(bytes: Uint8Array, problem: Problem): Map<string, unknown> {
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    if (text.startsWith("\ufeff")) throw new Error("it begins with a byte order mark");
    header = JSON.parse(text);
  } catch (error) {
    throw problem(`header is not JSON: ${(error as Error).message}`);
  }
  if (!isObject(header)) throw problem("header is not a JSON object");
  const doubled = doubledKey(text)?.map((key) => JSON.stringify(key.slice(0, 120)));
  if (doubled) throw problem(`header has ${doubled.join(", in it ")} twice`);
  return new Map(Object.entries(header));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function readMetadata(value: unknown, problem: Problem): Map<string, string> {
  if (value === undefined || value === null) return new Map();
  if (!isObject(value)) throw problem("__metadata__ is not a JSON object");
  return new Map(
    Object.entries(value).map(([key, text]) => {
      if (typeof text !== "string") throw problem(`__metadata__ ${JSON.stringify(key)} is not a string`);
      return [key, text];
    }),
  );
}

function readTensor(name: string, value: unknown, dataAt: number, problem: Problem): SafetensorsTensor {
  const place = `tensor ${JSON.stringify(name.slice(0, 120))}`;
  if (!isObject(value)) throw problem(`${place} is not a JSON object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== "string" || !Object.hasOwn(DTYPE_BYTES, dtype)) {
    const known = Object.keys(DTYPE_BYTES).join(", ");
    throw problem(`${place} has dtype ${JSON.stringify(dtype)}; known are ${known}`);
  }
  if (!isCounts(shape) || shape.length > DIMENSIONS_MAX) {
    throw problem(
      `${place} has shape ${JSON.stringify(shape)}, must be up to ${DIMENSIONS_MAX} whole numbers`,
    );
  }
  if (!isCounts(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    throw problem(`${place} has data_offsets ${JSON.stringify(offsets)}, must be [begin, end]`);
  }
  const bytes = shape.reduce((product, size) => product * size, DTYPE_BYTES[dtype as SafetensorsDtype]);
  if (bytes !== offsets[1] - offsets[0]) {
    throw problem(
      `${place} (${shape}) ${dtype} takes ${bytes} bytes, its data_offsets hold ${offsets[1] - offsets[0]}`,
    );
  }
  return { name, dtype: dtype as SafetensorsDtype, shape, offset: dataAt + offsets[0], bytes };
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((each) => Number.isSafeInteger(each) && each >= 0);
}

/** Side by side, from the header to the end of the file. */
function checkPlaces(tensors: SafetensorsTensor[], dataAt: number, size: number, problem: Problem): void {
  let end = dataAt;
  for (const { name, offset, bytes } of [...tensors].sort(
    (a, b) => a.offset - b.offset || a.bytes - b.bytes,
  )) {
    if (offset !== end) {
      throw problem(`tensor ${JSON.stringify(name)} starts at byte ${offset}, the one before ends at ${end}`);
    }
    end = offset + bytes;
  }
  if (end !== size) throw problem(`tensors end at byte ${end}, the file has ${size}`);
}

/** Writes a file atomically. */
export function writeSafetensors(
  path: string,
  tensors: readonly SafetensorsToWrite[],
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  return writeAtomically(path, safetensorsContent(path, tensors, metadata));
}

/** What writes the file, with the tensors in the original library's order: wide dtypes first (so that all are aligned), then by name. */
export function safetensorsContent(
  path: string,
  tensors: readonly SafetensorsToWrite[],
  metadata: Readonly<Record<string, string>>,
): (sink: FileSink) => Promise<void> {
  const ordered = [...tensors].sort(
    (a, b) => DTYPE_BYTES[b.dtype] - DTYPE_BYTES[a.dtype] || (a.name < b.name ? -1 : 1),
  );
  const header: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) header.push(["__metadata__", metadata]);
  let end = 0;
  for (const { name, dtype, shape, data } of ordered) {
    const bytes = shape.reduce((product, size) => product * size, DTYPE_BYTES[dtype]);
    if (data.length !== bytes || header.some(([known]) => known === name)) {
      throw new InputError(
        `safetensors: ${path}: tensor "${name}" (${shape}) ${dtype} takes ${bytes} bytes, got ${data.length}, or is given twice`,
      );
    }
    header.push([name, { dtype, shape, data_offsets: [end, end + bytes] }]);
    end += bytes;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const padded = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(padded.buffer).setBigUint64(0, BigInt(padded.length - 8), true);
  padded.set(json, 8);
  return async (sink) => {
    await sink.write(padded);
    for (const { data } of ordered) await sink.write(data);
  };
}
