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
import type { FileSource } from "./source.ts";
import { StringList } from "./string_list.ts";

/** Headers of the largest vocabularies (262,144 tokens with scores and types) take about 8 MiB. */
const HEADER_MAX = 1 << 26;
/** Least bytes that are read at once. */
const WINDOW = 1 << 16;
/** A window that was too small becomes so many times larger at most, or as large as honest headers are: lies about counts cost little. */
const GROWTH = 4;
const HONEST = 1 << 23;
/** Arrays of arrays exist in the format, deep or many ones only in hostile files. */
const NESTING_MAX = 4;
const LISTS_MAX = 1 << 16;
/** Keys and names are shown in messages; the format's own limit of a key is 65,535. */
const SHOWN_MAX = 120;
const U32 = 2 ** 32;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The header goes on behind the bytes at hand: at least, or probably, up to `until`. */
class NeedMoreBytes extends Error {
  readonly until: number;
  constructor(until: number) {
    super();
    this.until = Math.ceil(until);
  }
}

interface ArrayHead {
  readonly of: ValueType;
  readonly count: number;
}

/**
 * Little-endian values from the beginning of a file, through a window that moves and grows. Every length is compared with what is left of
 * the file before it is used.
 */
export class Reader {
  /** In the file. */
  position = 0;
  readonly fileSize: number;
  readonly #source: FileSource;
  /** The window, and the memory that it is read into again and again. */
  #bytes: Uint8Array = new Uint8Array(0);
  #buffer: Uint8Array = new Uint8Array(WINDOW);
  #view = new DataView(this.#bytes.buffer);
  /** Where the window starts in the file. */
  #start = 0;
  #place = "";

  constructor(source: FileSource) {
    this.#source = source;
    this.fileSize = source.size;
  }

  /** Runs `read`; where the window ends before it does, moves and grows the window, and runs it again from where it began. */
  async step<T>(read: () => T): Promise<T> {
    for (;;) {
      const start = this.position;
      try {
        return read();
      } catch (error) {
        if (!(error instanceof NeedMoreBytes)) throw error;
        this.position = start;
        await this.#refill(error.until);
      }
    }
  }

  async #refill(until: number): Promise<void> {
    const had = this.position === this.#start ? this.#bytes.length : 0;
    const wanted = Math.max(WINDOW, 2 * had, Math.min(until - this.position, Math.max(HONEST, GROWTH * had)));
    const length = Math.min(wanted, this.#end - this.position);
    this.#start = this.position;
    this.#bytes = this.#bytes.subarray(0, 0);
    if (this.#buffer.length < length) this.#buffer = new Uint8Array(length);
    this.#bytes = await this.#source.read(this.position, length, this.#buffer);
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, length);
  }

  /** Where a header ends at the latest. */
  get #end(): number {
    return Math.min(this.fileSize, HEADER_MAX);
  }

  /** Names what is read from here on, for messages. */
  at(place: string): void {
    this.#place = place.length > SHOWN_MAX ? `${place.slice(0, SHOWN_MAX)}…` : place;
  }

  error(rule: string): InputError {
    return new InputError(`gguf: ${this.#source.name}: ${this.#place}: ${rule}`);
  }

  /** Moves over `bytes` and returns where they start in the window. */
  take(bytes: number): number {
    const start = this.position;
    this.#skip(bytes);
    if (start >= this.#start && start + bytes <= this.#start + this.#bytes.length) return start - this.#start;
    this.position = start;
    throw new NeedMoreBytes(start + bytes);
  }

  /** Moves over `bytes`, whether or not they are in the window. */
  #skip(bytes: number): void {
    if (this.position + bytes > this.#end) throw this.#tooLong(bytes);
    this.position += bytes;
  }

  #tooLong(bytes: number | bigint): InputError {
    const needs = `needs ${bytes} bytes at byte ${this.position}`;
    return this.fileSize <= HEADER_MAX
      ? this.error(`${needs}, the file ends at ${this.fileSize}`)
      : this.error(`${needs}, a header has ${HEADER_MAX} bytes at most`);
  }

  u32(): number {
    return this.#view.getUint32(this.take(4), true);
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.take(8), true);
  }

  /** A count of things that take at least `least` bytes each. */
  count(things: string, least: number, most = Number.POSITIVE_INFINITY): number {
    const at = this.take(8);
    const count = this.#view.getUint32(at, true) + U32 * this.#view.getUint32(at + 4, true);
    const left = this.#end - this.position;
    if (count * least <= left && count <= most) return count;
    const exact = this.#view.getBigUint64(at, true);
    if (count * least <= left) throw this.error(`counts ${exact} ${things}, at most ${most} are read`);
    throw this.error(`counts ${exact} ${things}, the ${left} bytes left in the file cannot hold them`);
  }

  string(): string {
    const length = this.count("bytes of a string", 1);
    const start = this.take(length);
    try {
      return utf8.decode(this.#bytes.subarray(start, start + length));
    } catch {
      throw this.error(`string of ${length} bytes at byte ${this.position - length} is not UTF-8`);
    }
  }

  /** A value with its type; an array of strings is a StringList. Long arrays go straight to where they stay. */
  async value(): Promise<MetadataValue | StringList> {
    const head = await this.step(() => {
      const type = this.#type();
      return type === "array" ? this.#arrayHead() : { type, value: this.#scalar(type) };
    });
    if ("value" in head) return head;
    const { of, count } = head;
    if (of === "string") return this.#strings(count);
    if (isNumberType(of)) return { type: "array", of, value: await this.#numbers(of, count) };
    return this.step(() => this.#array(1, head));
  }

  #type(): ValueType {
    const id = this.u32();
    const type = VALUE_TYPES[id];
    if (type === undefined)
      throw this.error(`has value type ${id}, known are 0 to ${VALUE_TYPES.length - 1}`);
    return type;
  }

  #arrayHead(): ArrayHead {
    const of = this.#type();
    const most = of === "array" || of === "bool" ? LISTS_MAX : undefined;
    return { of, count: this.count(`values of type ${of}`, valueBytes(of), most) };
  }

  /** An array whose bytes are all in the window, as those within arrays are. */
  #array(depth: number, { of, count } = this.#arrayHead()): MetadataValue {
    if (depth > NESTING_MAX) throw this.error(`nests arrays more than ${NESTING_MAX} deep`);
    if (isNumberType(of)) return { type: "array", of, value: this.#numbersHere(of, count) };
    const next = () => (of === "array" ? this.#array(depth + 1) : this.#scalar(of));
    return { type: "array", of, value: this.#list(count, next) } as MetadataValue;
  }

  /** A copy: the values may stand unaligned, and the window moves on. */
  #numbersHere(of: NumberType, count: number): ArrayLike<Scalar> {
    const start = this.take(count * valueBytes(of));
    return new NUMBER_ARRAYS[of](this.#bytes.slice(start, start + count * valueBytes(of)).buffer);
  }

  /** Grows as values arrive: an array of `count` is not made before the bytes have been seen. */
  #list<T>(count: number, next: () => T): T[] {
    const list: T[] = [];
    for (let i = 0; i < count; i++) list.push(next());
    return list;
  }

  /** Twice over the bytes, with the window passing over them: to see how many there are, then to take them. */
  async #strings(count: number): Promise<StringList> {
    const first = this.position;
    let total = 0;
    await this.#each(count, () => {
      const length = this.count("bytes of a string", 1);
      this.#skip(length);
      total += length;
    });
    this.position = first;
    const bytes = new Uint8Array(total);
    const ends = new Uint32Array(count);
    let to = 0;
    await this.#each(count, (i) => {
      const length = this.count("bytes of a string", 1);
      let from = this.take(length);
      for (const end = to + length; to < end; ) bytes[to++] = this.#bytes[from++];
      ends[i] = to;
    });
    const list = new StringList(bytes, ends);
    const invalid = list.firstInvalid();
    if (invalid >= 0) throw this.error(`string ${invalid} is not UTF-8`);
    return list;
  }

  /** Calls `read` so often; one that the window is too short for is called again. */
  async #each(count: number, read: (i: number) => void): Promise<void> {
    for (let i = 0; i < count; ) {
      i = await this.step(() => {
        for (let next = i; ; next++) {
          const start = this.position;
          if (next === count) return next;
          try {
            read(next);
          } catch (error) {
            if (!(error instanceof NeedMoreBytes) || next === i) throw error;
            this.position = start;
            return next;
          }
        }
      });
    }
  }

  async #numbers(of: NumberType, count: number): Promise<ArrayLike<Scalar>> {
    const values = new NUMBER_ARRAYS[of](count);
    const bytes = new Uint8Array(values.buffer);
    const read = await this.#source.read(this.position, bytes.length, bytes);
    if (read.buffer !== bytes.buffer) bytes.set(read);
    this.#skip(bytes.length);
    return values;
  }

  #scalar(type: Exclude<ValueType, "array">): Scalar {
    if (type === "string") return this.string();
    if (type === "bool") return this.#bool();
    return this.#numbersHere(type, 1)[0];
  }

  #bool(): boolean {
    const value = this.#bytes[this.take(1)];
    if (value > 1) throw this.error(`bool at byte ${this.position - 1} is ${value}, must be 0 or 1`);
    return value === 1;
  }
}
