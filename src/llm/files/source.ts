import { open } from "node:fs/promises";
import { InputError } from "../../errors.ts";

/** Bytes that are read by position; nothing is loaded that was not asked for. */
export interface FileSource {
  /** For messages: the path as the user gave it. */
  readonly name: string;
  /** Bytes in all. */
  readonly size: number;
  /** Exactly `length` bytes from `offset`; an InputError where the file ends before that. */
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** A file of this machine. The handle stays open until `close()`. */
export async function openFile(path: string): Promise<FileSource> {
  const handle = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    throw new InputError(`read: ${path}: ${reason(error)}`);
  });
  const stat = await handle.stat();
  if (!stat.isFile()) {
    await handle.close();
    throw new InputError(`read: ${path}: is not a file`);
  }
  const size = stat.size;
  return {
    name: path,
    size,
    async read(offset, length) {
      checkExtent(path, size, offset, length);
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length; ) {
        const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
        if (bytesRead === 0) {
          throw new InputError(`read: ${path}: ended at byte ${offset + done}, it had ${size} when opened`);
        }
        done += bytesRead;
      }
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

function reason(error: NodeJS.ErrnoException): string {
  if (error.code === "ENOENT") return "no such file";
  if (error.code === "EACCES") return "permission denied";
  return error.message;
}
