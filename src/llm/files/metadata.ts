import { InputError } from "../../errors.ts";

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

/** Bytes of a value of each type; for strings and arrays the least that one can take. */
export const VALUE_BYTES: Record<ValueType, number> = {
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  float32: 4,
  bool: 1,
  string: 8,
  array: 12,
  uint64: 8,
  int64: 8,
  float64: 8,
};

export type Scalar = number | bigint | boolean | string;
/** A value with its type, so that a file can be written again as it was. 64-bit integers are bigint. */
export type MetadataValue =
  | { type: Exclude<ValueType, "array">; value: Scalar }
  | { type: "array"; of: ValueType; value: ArrayLike<Scalar> | MetadataValue[] };

/** Key–value pairs of a GGUF file. Getters check the type and name file, key and what was found. */
export class Metadata {
  readonly entries = new Map<string, MetadataValue>();
  /** For messages. */
  readonly file: string;

  constructor(file: string, entries: Iterable<readonly [string, MetadataValue]> = []) {
    this.file = file;
    for (const [key, value] of entries) this.entries.set(key, value);
  }

  has(key: string): boolean {
    return this.entries.has(key);
  }

  keys(): string[] {
    return [...this.entries.keys()];
  }

  /** A number of any numeric type; an integer beyond 2^53 is an error. */
  number(key: string, fallback?: number): number {
    const entry = this.entries.get(key);
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
    const entry = this.entries.get(key);
    if (entry === undefined && fallback !== undefined) return fallback;
    if (entry?.type === "string") return entry.value as string;
    throw this.#mismatch(key, "a string");
  }

  boolean(key: string, fallback?: boolean): boolean {
    const entry = this.entries.get(key);
    if (entry === undefined && fallback !== undefined) return fallback;
    if (entry?.type === "bool") return entry.value as boolean;
    throw this.#mismatch(key, "a bool");
  }

  strings(key: string): string[] {
    const entry = this.entries.get(key);
    if (entry?.type === "array" && entry.of === "string") return entry.value as string[];
    throw this.#mismatch(key, "an array of strings");
  }

  /** An array of numbers of at most 32 bits, or of floats. */
  numbers(key: string): ArrayLike<number> {
    const entry = this.entries.get(key);
    if (entry?.type === "array" && !["string", "array", "bool", "uint64", "int64"].includes(entry.of)) {
      return entry.value as ArrayLike<number>;
    }
    throw this.#mismatch(key, "an array of numbers");
  }

  #mismatch(key: string, wanted: string): InputError {
    const entry = this.entries.get(key);
    if (entry === undefined) return new InputError(`gguf: ${this.file}: metadata "${key}" is missing`);
    const found = entry.type === "array" ? `an array of ${entry.of}` : `${entry.type} ${String(entry.value)}`;
    return new InputError(`gguf: ${this.file}: metadata "${key}" is ${found}, must be ${wanted}`);
  }
}
