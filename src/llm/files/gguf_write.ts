/** GGUF version 3, written as it is described in gguf.ts. */
import type { FileDtype } from "../../engine/dtypes/index.ts";
import { InputError } from "../../errors.ts";
import { type FileSink, writeAtomically } from "./atomic.ts";
import { DEFAULT_ALIGNMENT, GGUF_MAGIC } from "./gguf.ts";
import {
  isNumberType,
  type MetadataValue,
  NUMBER_ARRAYS,
  type NumberType,
  type Scalar,
  VALUE_TYPES,
  type ValueType,
} from "./metadata.ts";

export interface TensorToWrite {
  name: string;
  /** Outermost dimension first. */
  shape: readonly number[];
  type: FileDtype;
  /** The rows in the type's own blocks, whole or in pieces; asked for when the tensor's turn comes. */
  data(): Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** Writes a file atomically; tensors are streamed. An InputError if a tensor's data is not as long as its shape says. */
export function writeGguf(
  path: string,
  metadata: Iterable<readonly [string, MetadataValue]>,
  tensors: readonly TensorToWrite[],
): Promise<void> {
  const header = encodeHeader(path, [...metadata], tensors);
  return writeAtomically(path, async (sink) => {
    await sink.write(header);
    await pad(sink);
    for (const tensor of tensors) {
      await writeTensor(path, sink, tensor);
      await pad(sink);
    }
  });
}

function encodeHeader(
  path: string,
  metadata: (readonly [string, MetadataValue])[],
  tensors: readonly TensorToWrite[],
): Uint8Array {
  const fields = new Fields();
  fields.u32(GGUF_MAGIC);
  fields.u32(3);
  fields.u64(tensors.length);
  // Files have one alignment, so one that was read with another is written with the default.
  const pairs = metadata.filter(([key]) => key !== "general.alignment");
  fields.u64(pairs.length);
  for (const [key, value] of pairs) {
    fields.string(key);
    fields.value(value);
  }
  let offset = 0;
  for (const tensor of tensors) {
    fields.string(tensor.name);
    fields.u32(tensor.shape.length);
    for (const size of [...tensor.shape].reverse()) fields.u64(size);
    fields.u32(tensor.type.ggufId);
    fields.u64(offset);
    offset = aligned(offset + tensorBytes(path, tensor));
  }
  return fields.bytes();
}

async function writeTensor(path: string, sink: FileSink, tensor: TensorToWrite): Promise<void> {
  const start = sink.position;
  const data = tensor.data();
  if (data instanceof Uint8Array) await sink.write(data);
  else for await (const piece of data) await sink.write(piece);
  const expected = tensorBytes(path, tensor);
  if (sink.position - start === expected) return;
  throw new InputError(
    `gguf: ${path}: tensor "${tensor.name}" (${tensor.shape}) ${tensor.type.ggufName} takes ${expected} bytes, got ${sink.position - start}`,
  );
}

function tensorBytes(path: string, { name, shape, type }: TensorToWrite): number {
  const columns = shape[shape.length - 1];
  if (columns % type.blockSize !== 0) {
    throw new InputError(
      `gguf: ${path}: tensor "${name}" has rows of ${columns} elements, ${type.ggufName} needs a multiple of ${type.blockSize}`,
    );
  }
  const elements = shape.reduce((product, size) => product * size, 1);
  return (elements / type.blockSize) * type.bytesPerBlock;
}

function aligned(offset: number): number {
  return Math.ceil(offset / DEFAULT_ALIGNMENT) * DEFAULT_ALIGNMENT;
}

async function pad(sink: FileSink): Promise<void> {
  await sink.write(new Uint8Array(aligned(sink.position) - sink.position));
}

/** Little-endian fields in a buffer that doubles. */
class Fields {
  #bytes = new Uint8Array(1 << 16);
  #end = 0;

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#end);
  }

  u32(value: number): void {
    this.#numbers("uint32", [value]);
  }

  u64(value: number): void {
    this.#numbers("uint64", [BigInt(value)]);
  }

  string(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.u64(bytes.length);
    this.#raw(bytes);
  }

  /** Type, then value. */
  value(value: MetadataValue): void {
    this.u32(VALUE_TYPES.indexOf(value.type));
    if (value.type === "array") this.#array(value);
    else this.#scalar(value.type, value.value);
  }

  #array({ of, value }: MetadataValue & { type: "array" }): void {
    this.u32(VALUE_TYPES.indexOf(of));
    this.u64(value.length);
    if (isNumberType(of)) {
      this.#numbers(of, Array.from(value as ArrayLike<Scalar>));
      return;
    }
    for (let i = 0; i < value.length; i++) {
      if (of === "array") this.#array(value[i] as MetadataValue & { type: "array" });
      else this.#scalar(of, value[i] as Scalar);
    }
  }

  #scalar(type: Exclude<ValueType, "array">, value: Scalar): void {
    if (type === "string") this.string(value as string);
    else if (type === "bool") this.#raw(Uint8Array.of(value ? 1 : 0));
    else this.#numbers(type, [value]);
  }

  #numbers(type: NumberType, values: Scalar[]): void {
    // bigint for the two types of 64 bits, which no common type of these constructors says
    const NumberArray = NUMBER_ARRAYS[type] as Float64ArrayConstructor;
    this.#raw(new Uint8Array(new NumberArray(values as number[]).buffer));
  }

  #raw(bytes: Uint8Array): void {
    const start = this.#end;
    this.#end += bytes.length;
    if (this.#end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#end));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, start);
  }
}
