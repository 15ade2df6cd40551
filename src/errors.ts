/** What the user gave is wrong: the command line prints the message (where, rule, values, remedy) and exits with 1, without a stack. */
export class InputError extends Error {
  override readonly name = "InputError";
}

/** What the operating system says, in words that tell what to do; the rest keep Node's words. */
const SYSTEM_WORDS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  EACCES: "permission denied",
  EISDIR: "is a directory",
  ENOTDIR: "is not a directory",
  ENOSPC: "no space left on the disk",
  EROFS: "the file system is read-only",
  EMFILE: "too many open files",
};

/** What went wrong with a file, without its path. */
export function systemWords(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return (code && SYSTEM_WORDS[code]) ?? message;
}
