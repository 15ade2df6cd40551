import { InputError } from "../../errors.ts";
import {
  isNumberType,
  type MetadataValue,
  NUMBER_ARRAYS,
  type NumberType,
  type Scalar,
  VALUE_TYPES,
  type ValueType,
  valueBytes,
} from "./metadata.ts";

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
    const count = this.count(`values of type ${of}`, valueBytes(of));
    if (isNumberType(of)) return { type: "array", of, value: this.#numbers(of, count) };
    if (of === "array") return { type: "array", of, value: this.#list(count, () => this.#array(depth + 1)) };
    return { type: "array", of, value: this.#list(count, () => this.#scalar(of)) };
  }

  /** Grows as values arrive: an array of `count` is not made before the bytes have been seen. */
  #list<T>(count: number, next: () => T): T[] {
    const list: T[] = [];
    for (let i = 0; i < count; i++) list.push(next());
    return list;
  }

  #numbers(of: NumberType, count: number): ArrayLike<Scalar> {
    const start = this.take(count * valueBytes(of));
    // A copy: the values may stand unaligned, and must not hold the window.
    const copy = new Uint8Array(this.#bytes.subarray(start, this.position)).buffer;
    return new NUMBER_ARRAYS[of](copy);
  }

  #scalar(type: Exclude<ValueType, "array">): Scalar {
    if (type === "string") return this.string();
    if (type === "bool") return this.#bool();
    return this.#numbers(type, 1)[0];
  }

  #bool(): boolean {
    const start = this.take(1);
    const value = this.#bytes[start];
    if (value > 1) throw this.error(`bool at byte ${start} is ${value}, must be 0 or 1`);
    return value === 1;
  }
}
