import { fstatSync, type Stats } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { InputError } from "../../errors.ts";

/** Bytes that are read by position; nothing is loaded that was not asked for. */
export interface FileSource {
  /** For messages: the path as the user gave it. */
  readonly name: string;
  /** Bytes in all. */
  readonly size: number;
  /**
   * Exactly `length` bytes from `offset`; an InputError where the file ends before that. `into`, of at least as many bytes, may be used
   * for them, so that a long file read piece by piece leaves no garbage of its size.
   */
  read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Node reads less than 2 GiB in one call. */
const READ_MAX = 2 ** 30;

/**
 * A file of this machine, of any size. The handle stays open until `close()`: a file that is replaced meanwhile is read on as it was, one
 * that is written to is an InputError.
 */
export async function openFile(path: string): Promise<FileSource> {
  const handle = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    throw new InputError(`read: ${path}: ${reason(error)}`);
  });
  const { size, mtimeMs } = await regular(path, handle);
  return {
    name: path,
    size,
    async read(offset, length, into) {
      checkExtent(path, size, offset, length);
      const bytes = into?.subarray(0, length) ?? new Uint8Array(length);
      for (let done = 0; done < length; ) {
        const wanted = Math.min(READ_MAX, length - done);
        const { bytesRead } = await handle.read(bytes, done, wanted, offset + done);
        if (bytesRead === 0) {
          throw new InputError(`read: ${path}: ended at byte ${offset + done}, it had ${size} when opened`);
        }
        done += bytesRead;
      }
      const now = fstatSync(handle.fd);
      if (now.size !== size || now.mtimeMs !== mtimeMs)
        throw new InputError(
          `read: ${path}: was changed while it was read: ${size} bytes when opened, ${now.size} now`,
        );
      return bytes;
    },
    close: () => handle.close(),
  };
}

/** A file that is already in memory; reads are views of `bytes`. */
export function memorySource(bytes: Uint8Array, name = "memory"): FileSource {
  return {
    name,
    size: bytes.length,
    async read(offset, length) {
      checkExtent(name, bytes.length, offset, length);
      return new Uint8Array(bytes.buffer, bytes.byteOffset + offset, length);
    },
    close: async () => {},
  };
}

function checkExtent(name: string, size: number, offset: number, length: number): void {
  const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length);
  if (!whole || offset < 0 || length < 0 || offset + length > size) {
    throw new InputError(`read: ${name}: ${length} bytes at ${offset} asked for, the file has ${size}`);
  }
}

async function regular(path: string, handle: FileHandle): Promise<Stats> {
  const stat = await handle.stat();
  if (stat.isFile()) return stat;
  await handle.close();
  throw new InputError(
    `read: ${path}: is ${stat.isDirectory() ? "a directory" : "no regular file"}, not a file`,
  );
}

function reason(error: NodeJS.ErrnoException): string {
  if (error.code === "ENOENT") return "no such file";
  if (error.code === "EACCES") return "permission denied";
  return error.message;
}
