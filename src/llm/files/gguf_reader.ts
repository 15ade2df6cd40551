import { InputError } from "../../errors.ts";
import { type MetadataValue, type Scalar, VALUE_BYTES, VALUE_TYPES, type ValueType } from "./metadata.ts";

/** The header goes on behind the bytes at hand; the file has more of them. */
export class NeedMoreBytes extends Error {}

/** Arrays of arrays exist in the format, deep ones only in hostile files. */
const NESTING_MAX = 4;
/** Keys and names are shown in messages; the format's own limit of a key is 65,535. */
const SHOWN_MAX = 120;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Little-endian values from the first bytes of a file of `fileSize` bytes, every length checked before it is used. */
export class Reader {
  position = 0;
  readonly fileSize: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #name: string;
  #place = "";

  constructor(bytes: Uint8Array, fileSize: number, name: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.fileSize = fileSize;
    this.#name = name;
  }

  /** Names what is read from here on, for messages. */
  at(place: string): void {
    this.#place = place.length > SHOWN_MAX ? `${place.slice(0, SHOWN_MAX)}…` : place;
  }

  error(rule: string): InputError {
    return new InputError(`gguf: ${this.#name}: ${this.#place}: ${rule}`);
  }

  /** Moves over `bytes` and returns where they start. */
  take(bytes: number): number {
    const start = this.position;
    if (start + bytes > this.fileSize) {
      throw this.error(`needs ${bytes} bytes at byte ${start}, the file ends at ${this.fileSize}`);
    }
    if (start + bytes > this.#bytes.length) throw new NeedMoreBytes();
    this.position = start + bytes;
    return start;
  }

  u32(): number {
    return this.#view.getUint32(this.take(4), true);
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.take(8), true);
  }

  /** A count of things that take at least `least` bytes each. */
  count(things: string, least: number): number {
    const count = this.u64();
    const left = this.fileSize - this.position;
    if (count * BigInt(least) > BigInt(left)) {
      throw this.error(`counts ${count} ${things}, the ${left} bytes left in the file cannot hold them`);
    }
    return Number(count);
  }

  string(): string {
    const length = this.count("bytes of a string", 1);
    const start = this.take(length);
    try {
      return utf8.decode(this.#bytes.subarray(start, start + length));
    } catch {
      throw this.error(`string of ${length} bytes at byte ${start} is not UTF-8`);
    }
  }

  value(): MetadataValue {
    const type = this.#type();
    return type === "array" ? this.#array(1) : { type, value: this.#scalar(type) };
  }

  #type(): ValueType {
    const id = this.u32();
    const type = VALUE_TYPES[id];
    if (type === undefined)
      throw this.error(`has value type ${id}, known are 0 to ${VALUE_TYPES.length - 1}`);
    return type;
  }

  #array(depth: number): MetadataValue {
    if (depth > NESTING_MAX) throw this.error(`nests arrays more than ${NESTING_MAX} deep`);
    const of = this.#type();
    const count = this.count(`values of type ${of}`, VALUE_BYTES[of]);
    if (of === "array") return { type: "array", of, value: this.#list(count, () => this.#array(depth + 1)) };
    if (of === "string" || of === "bool")
      return { type: "array", of, value: this.#list(count, () => this.#scalar(of)) };
    return { type: "array", of, value: this.#typedArray(of, count) };
  }

  /** Grows as values arrive: an array of `count` is not made before the bytes have been seen. */
  #list<T>(count: number, next: () => T): T[] {
    const list: T[] = [];
    for (let i = 0; i < count; i++) list.push(next());
    return list;
  }

  #typedArray(of: Exclude<ValueType, "array" | "string" | "bool">, count: number): ArrayLike<Scalar> {
    const start = this.take(count * VALUE_BYTES[of]);
    // A copy: the values may stand unaligned, and must not hold the window.
    const copy = new Uint8Array(this.#bytes.subarray(start, this.position)).buffer;
    switch (of) {
      case "uint8":
        return new Uint8Array(copy);
      case "int8":
        return new Int8Array(copy);
      case "uint16":
        return new Uint16Array(copy);
      case "int16":
        return new Int16Array(copy);
      case "uint32":
        return new Uint32Array(copy);
      case "int32":
        return new Int32Array(copy);
      case "float32":
        return new Float32Array(copy);
      case "uint64":
        return new BigUint64Array(copy);
      case "int64":
        return new BigInt64Array(copy);
      case "float64":
        return new Float64Array(copy);
    }
  }

  #scalar(type: Exclude<ValueType, "array">): Scalar {
    if (type === "string") return this.string();
    const start = this.take(VALUE_BYTES[type]);
    switch (type) {
      case "uint8":
        return this.#view.getUint8(start);
      case "int8":
        return this.#view.getInt8(start);
      case "uint16":
        return this.#view.getUint16(start, true);
      case "int16":
        return this.#view.getInt16(start, true);
      case "uint32":
        return this.#view.getUint32(start, true);
      case "int32":
        return this.#view.getInt32(start, true);
      case "float32":
        return this.#view.getFloat32(start, true);
      case "bool":
        return this.#bool(start);
      case "uint64":
        return this.#view.getBigUint64(start, true);
      case "int64":
        return this.#view.getBigInt64(start, true);
      case "float64":
        return this.#view.getFloat64(start, true);
    }
  }

  #bool(start: number): boolean {
    const value = this.#view.getUint8(start);
    if (value > 1) throw this.error(`bool at byte ${start} is ${value}, must be 0 or 1`);
    return value === 1;
  }
}
