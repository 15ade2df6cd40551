/**
 * GGUF, versions 2 and 3:
 *
 *   "GGUF" u32 version u64 tensors u64 pairs │ pairs │ tensor infos │ padding to the alignment │ tensor data
 *   pair         key string, u32 value type, value        string  u64 bytes, UTF-8
 *   tensor info  name string, u32 dimensions, u64 each (fastest first), u32 type, u64 offset in the data
 *
 * Nothing in the file is trusted: a count is compared with what the rest of the file can hold before anything of that
 * size is made, and tensor data is read by rows when it is asked for.
 */
import { dtypeOfGguf, type FileDtype, fileDtypes } from "../../engine/dtypes/index.ts";
import { InputError } from "../../errors.ts";
import { Reader } from "./gguf_reader.ts";
import { Metadata } from "./metadata.ts";
import { kindOf, TELLING_BYTES } from "./recognize.ts";
import type { FileSource } from "./source.ts";
import { StringList } from "./string_list.ts";
import { UNREAD_TYPES } from "./unread_types.ts";

export const GGUF_MAGIC = 0x46554747;
export const DEFAULT_ALIGNMENT = 32;
const DIMENSIONS_MAX = 4;
const ALIGNMENT_MAX = 1 << 20;
/** Least bytes of a pair (empty key, type, one byte) and of a tensor info (empty name, one dimension). */
const PAIR_BYTES = 13;
const TENSOR_INFO_BYTES = 32;
/** Tensors, and pairs of metadata: ten times what the largest models have. */
const ENTRIES_MAX = 1 << 16;

export interface TensorInfo {
  name: string;
  /** Outermost dimension first, as in Hugging Face files: (rows, columns) of a matrix, (columns) of a vector. */
  shape: number[];
  type: FileDtype;
  /** Rows in all: the product of every dimension but the last. */
  rows: number;
  columns: number;
  rowBytes: number;
  /** Where the data starts in the file. */
  offset: number;
  bytes: number;
}

export interface GgufHeader {
  version: number;
  alignment: number;
  metadata: Metadata;
  tensors: Map<string, TensorInfo>;
}

export interface Gguf extends GgufHeader {
  source: FileSource;
  /** The bytes of rows [first, first + rows), in the file's own block format; `into` as in FileSource. */
  readRows(tensor: TensorInfo, first: number, rows: number, into?: Uint8Array): Promise<Uint8Array>;
}

/** Reads and checks the header of a GGUF file; one InputError names what is wrong with it, and where. */
export async function readGguf(source: FileSource): Promise<Gguf> {
  const header = await readHeader(source);
  return {
    ...header,
    source,
    async readRows(tensor, first, rows, into) {
      if (!(first >= 0 && rows >= 0 && first + rows <= tensor.rows)) {
        throw new InputError(
          `gguf: ${source.name}: tensor "${tensor.name}" has ${tensor.rows} rows, asked for ${rows} from ${first}`,
        );
      }
      return source.read(tensor.offset + first * tensor.rowBytes, rows * tensor.rowBytes, into);
    },
  };
}

async function readHeader(source: FileSource): Promise<GgufHeader> {
  const reader = new Reader(source);
  reader.at("header");
  await checkMagic(source);
  const { version, tensorCount, pairCount } = await reader.step(() => readCounts(reader));
  const metadata = new Metadata(source.name);
  for (let i = 0; i < pairCount; i++) await readPair(reader, i, metadata);
  refuseParts(source.name, metadata);
  const alignment = readAlignment(reader, metadata);
  const tensors = new Map<string, TensorInfo>();
  for (let i = 0; i < tensorCount; i++) {
    const tensor = await reader.step(() => readTensorInfo(reader, i, tensors));
    tensors.set(tensor.name, tensor);
  }
  const dataStart = Math.ceil(reader.position / alignment) * alignment;
  placeTensors(reader, [...tensors.values()], dataStart, alignment);
  return { version, alignment, metadata, tensors };
}

async function checkMagic(source: FileSource): Promise<void> {
  const refuse = (rule: string) => new InputError(`gguf: ${source.name}: ${rule}`);
  if (source.size === 0) throw refuse("is empty");
  const bytes = await source.read(0, Math.min(TELLING_BYTES, source.size));
  if (bytes.length >= 4 && new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true) === GGUF_MAGIC)
    return;
  const kind = kindOf(bytes);
  throw refuse(`header: does not start with "GGUF"${kind === undefined ? "" : `; it ${kind}`}`);
}

function readCounts(reader: Reader) {
  reader.take(4);
  const version = reader.u32();
  // The bytes of 1, 2 and 3 the other way round.
  if ([1, 2, 3].some((known) => version === known << 24))
    throw reader.error("is big-endian; only little-endian files are read");
  if (version === 1)
    throw reader.error("version 1 of 2023; versions 2 and 3 are read: convert the original model anew");
  if (version !== 2 && version !== 3) throw reader.error(`version ${version}; versions 2 and 3 are read`);
  const tensorCount = reader.count("tensors", TENSOR_INFO_BYTES, ENTRIES_MAX);
  const pairCount = reader.count("pairs of metadata", PAIR_BYTES, ENTRIES_MAX);
  return { version, tensorCount, pairCount };
}

async function readPair(reader: Reader, index: number, metadata: Metadata): Promise<void> {
  reader.at(`key ${index} of metadata`);
  const key = await reader.step(() => reader.string());
  reader.at(`metadata ${JSON.stringify(key)}`);
  if (metadata.has(key)) throw reader.error("occurs twice");
  const value = await reader.value();
  if (value instanceof StringList) metadata.setStrings(key, value);
  else metadata.entries.set(key, value);
}

/** llama-gguf-split numbers the parts of a large model; one part alone is no model. */
function refuseParts(name: string, metadata: Metadata): void {
  const parts = metadata.number("split.count", 1);
  if (parts <= 1) return;
  const part = metadata.number("split.no", 0) + 1;
  throw new InputError(
    `gguf: ${name}: is part ${part} of ${parts} of a split model; join the parts with \`llama-gguf-split --merge\``,
  );
}

function readAlignment(reader: Reader, metadata: Metadata): number {
  const alignment = metadata.number("general.alignment", DEFAULT_ALIGNMENT);
  if (alignment >= 1 && alignment <= ALIGNMENT_MAX && Number.isInteger(Math.log2(alignment)))
    return alignment;
  reader.at('metadata "general.alignment"');
  throw reader.error(`is ${alignment}, must be a power of two up to ${ALIGNMENT_MAX}`);
}

/** The offset is still relative to the data section. */
function readTensorInfo(reader: Reader, index: number, before: ReadonlyMap<string, TensorInfo>): TensorInfo {
  reader.at(`name of tensor ${index}`);
  const name = reader.string();
  reader.at(`tensor ${JSON.stringify(name)}`);
  if (before.has(name)) throw reader.error("occurs twice");
  const dimensions = reader.u32();
  if (dimensions < 1 || dimensions > DIMENSIONS_MAX) {
    throw reader.error(`has ${dimensions} dimensions, must have 1 to ${DIMENSIONS_MAX}`);
  }
  const sizes = Array.from({ length: dimensions }, () => reader.u64());
  const id = reader.u32();
  const offset = reader.u64();
  const type = dtypeOfGguf(id);
  if (type === undefined) {
    const known = UNREAD_TYPES.get(id);
    const readable = Object.values(fileDtypes)
      .map((each) => each.ggufName)
      .join(", ");
    if (known === undefined) throw reader.error(`has type ${id}, which is no type of GGUF`);
    throw reader.error(`has type ${known}, which is not read; these are: ${readable}`);
  }
  const elements = sizes.reduce((product, size) => product * size, 1n);
  if (sizes.some((size) => size === 0n)) throw reader.error(`has a dimension 0 (${sizes.join(" × ")})`);
  if (sizes[0] % BigInt(type.blockSize) !== 0n) {
    throw reader.error(
      `has rows of ${sizes[0]} elements, ${type.ggufName} needs a multiple of ${type.blockSize}`,
    );
  }
  const bytes = (elements / BigInt(type.blockSize)) * BigInt(type.bytesPerBlock);
  if (bytes > BigInt(reader.fileSize) || offset > BigInt(reader.fileSize)) {
    throw reader.error(
      `${sizes.join(" × ")} ${type.ggufName} needs ${bytes} bytes at offset ${offset}, the file has ${reader.fileSize} in all`,
    );
  }
  const shape = sizes.map(Number).reverse();
  const columns = shape[shape.length - 1];
  const rows = Number(elements) / columns;
  const rowBytes = (columns / type.blockSize) * type.bytesPerBlock;
  return { name, shape, type, rows, columns, rowBytes, offset: Number(offset), bytes: Number(bytes) };
}

/** Makes offsets absolute; refuses tensors that are misaligned, leave the file or share bytes. */
function placeTensors(reader: Reader, tensors: TensorInfo[], dataStart: number, alignment: number): void {
  for (const tensor of tensors) {
    reader.at(`tensor ${JSON.stringify(tensor.name)}`);
    if (tensor.offset % alignment !== 0) {
      throw reader.error(`starts at offset ${tensor.offset}, not a multiple of the alignment ${alignment}`);
    }
    tensor.offset += dataStart;
    if (tensor.offset + tensor.bytes > reader.fileSize) {
      throw reader.error(
        `takes bytes ${tensor.offset} to ${tensor.offset + tensor.bytes}, the file has ${reader.fileSize}`,
      );
    }
  }
  const ordered = [...tensors].sort((a, b) => a.offset - b.offset);
  for (let i = 1; i < ordered.length; i++) {
    const before = ordered[i - 1];
    if (before.offset + before.bytes <= ordered[i].offset) continue;
    reader.at(`tensor ${JSON.stringify(ordered[i].name)}`);
    throw reader.error(
      `at byte ${ordered[i].offset} overlaps ${JSON.stringify(before.name)}, which ends at ${before.offset + before.bytes}`,
    );
  }
}
