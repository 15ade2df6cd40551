/** Files that are either whole or not there: written beside their place, synced, then renamed. */
import { type FileHandle, open, readdir, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { InputError } from "../../errors.ts";

/** Where the bytes of a new file go, one after another. */
export interface FileSink {
  /** Bytes written so far. */
  readonly position: number;
  write(bytes: Uint8Array): Promise<void>;
}

const PARTIAL = ".partial";
let written = 0;

/** A new file that is whole, but still beside its place. */
export interface PreparedFile {
  readonly target: string;
  /** Puts it into its place. */
  commit(): Promise<void>;
  /** Removes it, unless it is in its place. */
  discard(): Promise<void>;
}

/**
 * Makes the file `target` of what `write` writes. Whatever goes wrong, in here or in `write`, nothing is left behind and a file that
 * was there before is as it was. Disk full, no permission and the like are InputErrors.
 */
export async function writeAtomically(
  target: string,
  write: (sink: FileSink) => Promise<void>,
): Promise<void> {
  const prepared = await prepareFile(target, write);
  await prepared.commit();
}

/** The same, up to the rename: for several files that belong together. */
export async function prepareFile(
  target: string,
  write: (sink: FileSink) => Promise<void>,
): Promise<PreparedFile> {
  await refuseSpecial(target);
  const directory = path.dirname(target);
  const temporary = path.join(directory, `.${path.basename(target)}.${process.pid}.${written++}${PARTIAL}`);
  const discard = () => rm(temporary, { force: true });
  let handle: FileHandle | undefined;
  try {
    handle = await open(temporary, "wx");
    await write(sinkOf(handle));
    await handle.sync();
    await handle.close();
  } catch (error) {
    // A second close of a closed handle fails, and says nothing new.
    await handle?.close().catch(() => {});
    if (handle !== undefined) await discard();
    throw explained(target, error);
  }
  const commit = async () => {
    try {
      await rename(temporary, target);
    } catch (error) {
      await discard();
      throw explained(target, error);
    }
    await syncDirectory(directory);
  };
  return { target, commit, discard };
}

/** A rename would put a plain file where a device or a pipe is. */
async function refuseSpecial(target: string): Promise<void> {
  const there = await stat(target).catch(() => undefined);
  if (!there || there.isFile()) return;
  throw new InputError(`write: ${target}: ${there.isDirectory() ? "is a directory" : "is no regular file"}`);
}

/** A whole file at once. */
export function writeFileAtomically(target: string, content: Uint8Array | string): Promise<void> {
  return writeAtomically(target, contentOf(content));
}

/** What writes a content that is at hand. */
export function contentOf(content: Uint8Array | string): (sink: FileSink) => Promise<void> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return (sink) => sink.write(bytes);
}

/** Removes what writers of this file left behind that were killed. Nobody else may be writing it. */
export async function removeLeftovers(target: string): Promise<void> {
  const directory = path.dirname(target);
  const isLeftover = (name: string) =>
    name.startsWith(`.${path.basename(target)}.`) && name.endsWith(PARTIAL);
  for (const name of await readdir(directory))
    if (isLeftover(name)) await rm(path.join(directory, name), { force: true });
}

function sinkOf(handle: FileHandle): FileSink {
  let position = 0;
  return {
    get position() {
      return position;
    },
    async write(bytes) {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position);
        done += bytesWritten;
        position += bytesWritten;
      }
    },
  };
}

/** The new name itself must survive a power cut. Windows has no such call on directories. */
async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full; nothing was written",
  EDQUOT: "the quota of the disk is used up; nothing was written",
  EFBIG: "the file is larger than may be; nothing was written",
  ENOENT: "the directory does not exist",
  ENOTDIR: "the directory does not exist",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
  EISDIR: "is a directory",
};

function explained(target: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === undefined || !Object.hasOwn(REASONS, code)) return error;
  return new InputError(`write: ${target}: ${REASONS[code]}`);
}
