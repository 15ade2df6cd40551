/** results.jsonl: durable appends, a torn last line cut at resume, one writer at a time. */
import fs from "node:fs";
import os from "node:os";
import { InputError } from "../../errors.ts";
import { changed, type LineageOf } from "./lineage.ts";
import { FORMAT, type Row, rowSchema } from "./row.ts";
import { rowKey } from "./settings.ts";

/** Rows of a whole file. `name` is only for messages. Throws InputError with file:line for a line that is not a row. */
export function parseRows(text: string, name: string): Row[] {
  const rows: Row[] = [];
  const seen = new Map<string, number>();
  text.split("\n").forEach((line, i) => {
    if (line === "") return;
    const row = parseLine(line, `${name}:${i + 1}`);
    const before = seen.get(row.key);
    if (before !== undefined)
      throw new InputError(`${name}:${i + 1}: key ${row.key} is already on line ${before}`);
    seen.set(row.key, i + 1);
    rows.push(row);
  });
  return rows;
}

function parseLine(line: string, where: string): Row {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new InputError(`${where}: not JSON: ${(error as Error).message}`);
  }
  const format = (value as { format?: unknown } | null)?.format;
  if (typeof format === "number" && format < FORMAT)
    throw new InputError(
      `${where}: a row of format ${format}; this edgewise writes format ${FORMAT}, and the two never stand in one file; use another --out`,
    );
  const parsed = rowSchema.safeParse(value);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0];
    throw new InputError(`${where}: not a row of format ${FORMAT}: ${path.join(".")}: ${message}`);
  }
  const key = rowKey(parsed.data.settings, parsed.data.user, parsed.data.lineage);
  if (key !== parsed.data.key) {
    throw new InputError(
      `${where}: key ${parsed.data.key} does not belong to these settings, user and lineage; theirs is ${key}`,
    );
  }
  return parsed.data;
}

/** Reads a results file without locking it, e.g. for the report. A torn last line is left out. */
export function readRows(path: string): Row[] {
  let text: string;
  try {
    text = fs.readFileSync(path, "utf8");
  } catch (error) {
    throw new InputError(`${path}: cannot be read: ${(error as Error).message}`);
  }
  return parseRows(text.slice(0, text.lastIndexOf("\n") + 1), path);
}

export interface ResultsOptions {
  /** Digest of the study (`studyDigest`): rows of another study are refused. */
  study: string;
  /** What rows rest on today: those that rest on something else are refused. */
  lineage: LineageOf;
  /** Without it a file that already has rows is refused. */
  resume: boolean;
  /** Told about a torn line that was cut, or a stale lock that was removed. */
  onMessage?: (message: string) => void;
}

/**
 * results.jsonl opened for appending. Holds `<path>.lock` until `close()`; a row is on the disk when `append` returns.
 */
export class Results {
  readonly path: string;
  readonly rows: Row[];
  readonly lineage: LineageOf;
  readonly #keys: Set<string>;
  readonly #lock: string;
  #file: number;
  #bytes: number;

  constructor(path: string, options: ResultsOptions) {
    const { onMessage = () => {} } = options;
    this.path = path;
    this.lineage = options.lineage;
    this.#lock = takeLock(`${path}.lock`, onMessage);
    this.#file = -1;
    try {
      this.#file = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT);
      const text = cutTornLine(this.#file, path, onMessage);
      this.#bytes = Buffer.byteLength(text);
      this.rows = parseRows(text, path);
      this.#keys = new Set(this.rows.map((row) => row.key));
      this.#refuse(options);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #refuse({ study, lineage, resume }: ResultsOptions): void {
    if (this.rows.length > 0 && !resume) {
      throw new InputError(
        `${this.path}: already has ${this.rows.length} rows; go on with --resume, or use another --out`,
      );
    }
    const stranger = this.rows.findIndex((row) => row.study !== study);
    if (stranger >= 0) {
      throw new InputError(
        `${this.path}:${stranger + 1}: written by another study (${this.rows[stranger].study}, this is ${study}): ` +
          `its tasks, models, items or seed have changed; use another --out`,
      );
    }
    this.rows.forEach((row, i) => {
      const change = changed(row.lineage, lineage(row.settings));
      if (change)
        throw new InputError(
          `${this.path}:${i + 1}: ${change}: a row measured today would not be this one, and the two never stand in one file; use another --out`,
        );
    });
  }

  /** Keys of all rows that are safely in the file: what a resumed run leaves out. */
  finishedKeys(): ReadonlySet<string> {
    return this.#keys;
  }

  /** Appends rows with one write and one fsync. All of them are in the file when this returns, or none. */
  append(...rows: Row[]): void {
    const keys = new Set<string>();
    for (const { key } of rows) {
      if (this.#keys.has(key) || keys.has(key))
        throw new Error(`${this.path}: key ${key} is written a second time`);
      keys.add(key);
    }
    const data = Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    try {
      for (let done = 0; done < data.length; ) {
        done += fs.writeSync(this.#file, data, done, data.length - done, this.#bytes + done);
      }
      fs.fsyncSync(this.#file);
    } catch (error) {
      fs.ftruncateSync(this.#file, this.#bytes);
      throw new InputError(
        `${this.path}: ${rows.length} rows could not be written: ${(error as Error).message}`,
      );
    }
    this.#bytes += data.length;
    for (const row of rows) {
      this.rows.push(row);
      this.#keys.add(row.key);
    }
  }

  close(): void {
    if (this.#file >= 0) fs.closeSync(this.#file);
    this.#file = -1;
    fs.rmSync(this.#lock, { force: true });
  }
}

/** Cuts what stands after the last line end: a write that was killed half-way. Returns the text that stays. */
function cutTornLine(file: number, path: string, onMessage: (message: string) => void): string {
  const data = fs.readFileSync(file);
  const end = data.lastIndexOf("\n") + 1;
  if (end < data.length) {
    fs.ftruncateSync(file, end);
    fs.fsyncSync(file);
    onMessage(
      `${path}: cut a torn last line of ${data.length - end} bytes; that cell and user are measured again`,
    );
  }
  return data.toString("utf8", 0, end);
}

interface Lock {
  pid: number;
  host: string;
}

/** Creates the lock file, which names its owner. A lock whose process is gone is removed with a message. */
function takeLock(path: string, onMessage: (message: string) => void): string {
  const mine: Lock = { pid: process.pid, host: os.hostname() };
  for (;;) {
    try {
      fs.writeFileSync(path, JSON.stringify(mine), { flag: "wx" });
      return path;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== "EEXIST") {
        fs.rmSync(path, { force: true }); // created, but on a full disk never written
        throw new InputError(`${path}: cannot be created: ${message}`);
      }
    }
    const owner = readLock(path);
    if (owner && (owner.host !== mine.host || isRunning(owner.pid))) {
      throw new InputError(
        `${path}: process ${owner.pid} on ${owner.host} is writing this study; wait for it, or remove the file if it is gone`,
      );
    }
    fs.rmSync(path, { force: true });
    onMessage(`${path}: removed a stale lock${owner ? ` of process ${owner.pid}` : ""}`);
  }
}

/** undefined: the file is gone again, or empty because its writer was killed. */
function readLock(path: string): Lock | undefined {
  try {
    return JSON.parse(fs.readFileSync(path, "utf8")) as Lock;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
