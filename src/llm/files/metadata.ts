import { InputError } from "../../errors.ts";
import { StringList } from "./string_list.ts";

/** GGUF's value types; the index is the id in the file. */
export const VALUE_TYPES = [
  "uint8",
  "int8",
  "uint16",
  "int16",
  "uint32",
  "int32",
  "float32",
  "bool",
  "string",
  "array",
  "uint64",
  "int64",
  "float64",
] as const;
export type ValueType = (typeof VALUE_TYPES)[number];

/** Values of the numeric types as they stand in the file; hosts of wasm are little-endian, and so is GGUF. */
export const NUMBER_ARRAYS = {
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  float32: Float32Array,
  uint64: BigUint64Array,
  int64: BigInt64Array,
  float64: Float64Array,
} as const;
export type NumberType = keyof typeof NUMBER_ARRAYS;

/** Least bytes of a value that is no number: a bool, the length of a string, type and count of an array. */
const OTHER_BYTES: Record<Exclude<ValueType, NumberType>, number> = { bool: 1, string: 8, array: 12 };

export function isNumberType(type: ValueType): type is NumberType {
  return Object.hasOwn(NUMBER_ARRAYS, type);
}

/** Bytes of a value of this type; of a string or an array the least that one can take. */
export function valueBytes(type: ValueType): number {
  return isNumberType(type) ? NUMBER_ARRAYS[type].BYTES_PER_ELEMENT : OTHER_BYTES[type];
}

export type Scalar = number | bigint | boolean | string;
/** A value with its type, so that a file can be written again as it was. 64-bit integers are bigint. */
export type MetadataValue =
  | { type: Exclude<ValueType, "array">; value: Scalar }
  | { type: "array"; of: ValueType; value: ArrayLike<Scalar> | MetadataValue[] };

const NAME_MAX = 100;

/** Key–value pairs of a GGUF file. Getters check the type and name file, key and what was found. */
export class Metadata {
  readonly entries = new Map<string, MetadataValue>();
  /** For messages. */
  readonly file: string;
  /** Arrays of strings by key: `entries` gives them as JavaScript's own. */
  readonly #strings = new Map<string, StringList>();
  readonly #asked = new Set<string>();

  constructor(file: string, entries: Iterable<readonly [string, MetadataValue]> = []) {
    this.file = file;
    for (const [key, value] of entries) this.entries.set(key, value);
  }

  /** An array of strings in the form that files have; `entries` gets a value that is made when it is asked for, and forgotten when memory is short. */
  setStrings(key: string, list: StringList): void {
    this.#strings.set(key, list);
    let made: WeakRef<string[]> | undefined;
    this.entries.set(key, {
      type: "array",
      of: "string",
      get value() {
        const known = made?.deref();
        if (known) return known;
        const strings = list.toArray();
        made = new WeakRef(strings);
        return strings;
      },
    });
  }

  /** Leaves out the arrays under keys that begin so: a vocabulary of 262,144 tokens takes 6 MiB. */
  forgetArrays(prefix: string): void {
    for (const [key, { type }] of [...this.entries]) {
      if (type !== "array" || !key.startsWith(prefix)) continue;
      this.entries.delete(key);
      this.#strings.delete(key);
    }
  }

  has(key: string): boolean {
    return this.entries.has(key);
  }

  keys(): string[] {
    return [...this.entries.keys()];
  }

  /** A number of any numeric type; an integer beyond 2^53 is an error. */
  number(key: string, fallback?: number): number {
    const entry = this.#entry(key);
    if (entry === undefined && fallback !== undefined) return fallback;
    const value = entry?.type === "array" ? undefined : entry?.value;
    if (typeof value === "number") return value;
    if (typeof value === "bigint" && Number.isSafeInteger(Number(value))) return Number(value);
    throw this.#mismatch(key, "a number");
  }

  /** A whole number in [least, most]. */
  integer(key: string, least: number, most: number, fallback?: number): number {
    const value = this.number(key, fallback);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw new InputError(
      `gguf: ${this.file}: metadata "${key}" is ${value}, must be a whole number from ${least} to ${most}`,
    );
  }

  string(key: string, fallback?: string): string {
    const entry = this.#entry(key);
    if (entry === undefined && fallback !== undefined) return fallback;
    if (entry?.type === "string") return entry.value as string;
    throw this.#mismatch(key, "a string");
  }

  /** A string that names something, so that a message can show it. */
  name(key: string, fallback?: string): string {
    const value = this.string(key, fallback);
    if (value.length <= NAME_MAX) return value;
    throw new InputError(
      `gguf: ${this.file}: metadata "${key}" has ${value.length} characters, a name has ${NAME_MAX} at most`,
    );
  }

  boolean(key: string, fallback?: boolean): boolean {
    const entry = this.#entry(key);
    if (entry === undefined && fallback !== undefined) return fallback;
    if (entry?.type === "bool") return entry.value as boolean;
    throw this.#mismatch(key, "a bool");
  }

  strings(key: string): string[] {
    const entry = this.#entry(key);
    if (entry?.type === "array" && entry.of === "string") return entry.value as string[];
    throw this.#mismatch(key, "an array of strings");
  }

  /** The same as UTF-8. */
  stringList(key: string): StringList {
    this.#asked.add(key);
    return this.#strings.get(key) ?? StringList.of(this.strings(key));
  }

  /** Values of an array; undefined where the key is absent or no array. */
  count(key: string): number | undefined {
    const entry = this.#strings.get(key) ?? this.entries.get(key);
    if (entry instanceof StringList) return entry.length;
    return entry?.type === "array" ? entry.value.length : undefined;
  }

  /** Bytes that an array takes in memory; 0 where the key is absent, no array or one of arrays. */
  arrayBytes(key: string): number {
    const list = this.#strings.get(key);
    if (list) return list.bytes.byteLength + list.ends.byteLength;
    const entry = this.entries.get(key);
    return entry?.type === "array" && isNumberType(entry.of) ? valueBytes(entry.of) * entry.value.length : 0;
  }

  /** An array of numbers of at most 32 bits, or of floats. */
  numbers(key: string): ArrayLike<number> {
    const entry = this.#entry(key);
    if (entry?.type === "array" && !["string", "array", "bool", "uint64", "int64"].includes(entry.of)) {
      return entry.value as ArrayLike<number>;
    }
    throw this.#mismatch(key, "an array of numbers");
  }

  /** The value of any type. */
  value(key: string): MetadataValue | undefined {
    return this.#entry(key);
  }

  /** Keys that begin so, of which no getter was asked for the value: what nobody here has read. */
  unread(prefix: string): string[] {
    return this.keys().filter((key) => key.startsWith(prefix) && !this.#asked.has(key));
  }

  #entry(key: string): MetadataValue | undefined {
    this.#asked.add(key);
    return this.entries.get(key);
  }

  #mismatch(key: string, wanted: string): InputError {
    const entry = this.entries.get(key);
    if (entry === undefined) return new InputError(`gguf: ${this.file}: metadata "${key}" is missing`);
    const found = entry.type === "array" ? `an array of ${entry.of}` : `${entry.type} ${shown(entry.value)}`;
    return new InputError(`gguf: ${this.file}: metadata "${key}" is ${found}, must be ${wanted}`);
  }
}

function shown(value: Scalar): string {
  const text = String(value);
  return JSON.stringify(text.length > NAME_MAX ? `${text.slice(0, NAME_MAX)}…` : text).slice(1, -1);
}
