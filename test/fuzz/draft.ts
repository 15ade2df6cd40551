/** A GGUF file before it is bytes: every count, length and offset may be right, or what a mutation has put there. */
import { type MetadataValue, VALUE_TYPES, type ValueType } from "../../src/llm/files/metadata.ts";
import type { FileSource } from "../../src/llm/files/source.ts";

export interface DraftTensor {
  name: string;
  /** Fastest first, as in the file. */
  sizes: bigint[];
  type: number;
  /** Instead of the offset that follows from the tensors before. */
  offset?: bigint;
}

export interface Draft {
  version: number;
  pairs: [string, MetadataValue][];
  tensors: DraftTensor[];
  /** What tensor data is filled with: as f16 a scale of 0.06. */
  fill: number;
}

/** The bytes of a header, where its numbers stand, and how long the file with all of its tensors is. */
export interface Encoded {
  bytes: Uint8Array;
  fields: { at: number; bytes: number }[];
  size: number;
}

/** Values and bytes of a block of each type, by id.     ggml's table of types (ggml.c), versions of 2024 to 2026 */
export const BLOCKS: ReadonlyMap<number, readonly [number, number]> = new Map([
  [0, [1, 4]],
  [1, [1, 2]],
  [2, [32, 18]],
  [3, [32, 20]],
  [6, [32, 22]],
  [7, [32, 24]],
  [8, [32, 34]],
  [10, [256, 84]],
  [11, [256, 110]],
  [12, [256, 144]],
  [13, [256, 176]],
  [14, [256, 210]],
  [20, [32, 18]],
  [30, [1, 2]],
]);
/** Files are not made longer than this, whatever the sizes of their tensors. */
const SIZE_MAX = 2n ** 46n;

/** Lays the tensors out one after another, and writes the header. */
export function encodeDraft({ version, pairs, tensors }: Draft): Encoded {
  const fields = new Fields();
  fields.raw(new TextEncoder().encode("GGUF"));
  fields.number(version, 4);
  fields.number(tensors.length, 8);
  fields.number(pairs.length, 8);
  for (const [key, value] of pairs) {
    fields.string(key);
    fields.number(VALUE_TYPES.indexOf(value.type), 4);
    fields.value(value);
  }
  const alignment = alignmentOf(pairs);
  let end = 0n;
  for (const { name, sizes, type, offset } of tensors) {
    fields.string(name);
    fields.number(sizes.length, 4);
    for (const size of sizes) fields.number(size, 8);
    fields.number(type, 4);
    end = aligned(end, alignment);
    fields.number(offset ?? end, 8);
    end += bytesOf(sizes, type);
    if (end > SIZE_MAX) end = SIZE_MAX;
  }
  const bytes = fields.bytes();
  return { bytes, fields: fields.places, size: Number(aligned(BigInt(bytes.length), alignment) + end) };
}

function alignmentOf(pairs: Draft["pairs"]): bigint {
  const value = pairs.find(([key]) => key === "general.alignment")?.[1].value;
  const alignment = typeof value === "number" && Number.isInteger(value) ? BigInt(value) : 32n;
  return alignment > 0n && alignment <= 2n ** 20n ? alignment : 32n;
}

function aligned(offset: bigint, alignment: bigint): bigint {
  return ((offset + alignment - 1n) / alignment) * alignment;
}

function bytesOf(sizes: readonly bigint[], type: number): bigint {
  const [values, bytes] = BLOCKS.get(type) ?? [1, 4];
  const elements = sizes.reduce((product, size) => product * size, 1n);
  return (elements * BigInt(bytes)) / BigInt(values);
}

/** A file of these first bytes, filled up to `size`; nothing of that size is ever made. */
export function filledSource(
  header: Uint8Array,
  size: number,
  fill: number,
): FileSource & { largest(): number } {
  let largest = 0;
  return {
    name: "mutated",
    size,
    async read(offset, length) {
      if (!(offset >= 0 && length >= 0 && offset + length <= size))
        throw new Error(`a read of ${length} bytes at ${offset}, the file has ${size}`);
      largest = Math.max(largest, length);
      const bytes = new Uint8Array(length).fill(fill);
      if (offset < header.length) bytes.set(header.subarray(offset, offset + length));
      return bytes;
    },
    close: async () => {},
    largest: () => largest,
  };
}

/** Little-endian fields; remembers where the numbers stand. */
class Fields {
  readonly places: { at: number; bytes: number }[] = [];
  readonly #parts: Uint8Array[] = [];
  #end = 0;

  raw(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#end += bytes.length;
  }

  number(value: number | bigint, bytes: number): void {
    this.places.push({ at: this.#end, bytes });
    const field = new Uint8Array(8);
    new DataView(field.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true);
    this.raw(field.subarray(0, bytes));
  }

  string(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.number(bytes.length, 8);
    this.raw(bytes);
  }

  value(value: MetadataValue): void {
    if (value.type !== "array") {
      this.#scalar(value.type, value.value);
      return;
    }
    this.number(VALUE_TYPES.indexOf(value.of), 4);
    this.number(value.value.length, 8);
    for (let i = 0; i < value.value.length; i++) {
      if (value.of === "array") this.value(value.value[i] as MetadataValue);
      else this.#scalar(value.of, value.value[i]);
    }
  }

  #scalar(type: ValueType, value: unknown): void {
    if (type === "string") this.string(String(value));
    else if (type === "float32") this.raw(new Uint8Array(Float32Array.of(Number(value)).buffer));
    else if (type === "float64") this.raw(new Uint8Array(Float64Array.of(Number(value)).buffer));
    else this.number(whole(value), WIDTHS[type as keyof typeof WIDTHS]);
  }

  bytes(): Uint8Array {
    const all = new Uint8Array(this.#end);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }
}

const WIDTHS = { bool: 1, uint8: 1, int8: 1, uint16: 2, int16: 2, uint32: 4, int32: 4, uint64: 8, int64: 8 };

/** A value as an integer, whatever a change of type has put in its place. */
export function whole(value: unknown): bigint {
  if (typeof value === "bigint") return value;
  const number = Number(value);
  return Number.isFinite(number) ? BigInt(Math.trunc(number)) : 0n;
}
