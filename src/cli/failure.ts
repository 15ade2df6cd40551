/** How a command ends when it does not end well: what is printed, and the exit code. */
import { CommanderError } from "commander";
import { MemoryLimitError } from "../engine/plan/program.ts";
import { InputError, systemWords } from "../errors.ts";

export const EXIT = {
  /** What the user gave is wrong: a file, a value, a limit. */
  input: 1,
  /** The command line itself is wrong. */
  usage: 2,
  /** edgewise is wrong. */
  bug: 70,
  interrupted: 130,
} as const;

/** Prints what is to be said about the error on stderr, and returns the exit code. */
export function fail(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage;
  if (isAbort(error)) return EXIT.interrupted;
  if (isSystemError(error) && error.code === "EPIPE") return 0;
  const message = knownMessage(error);
  const code = message === undefined ? EXIT.bug : EXIT.input;
  process.stderr.write(`edgewise: ${message ?? bugMessage(error)}\n`);
  if (process.env.EDGEWISE_DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  return code;
}

/** Whether what went wrong lies in what the user gave, or in the machine: a file, a value, a limit, a full disk. */
export function isUserError(error: unknown): boolean {
  return knownMessage(error) !== undefined;
}

export function messageOf(error: unknown): string {
  return knownMessage(error) ?? bugMessage(error);
}

function knownMessage(error: unknown): string | undefined {
  if (error instanceof InputError || error instanceof MemoryLimitError) return error.message;
  if (!isSystemError(error)) return undefined;
  const { syscall, path } = error;
  return `${syscall}: ${path ? `${path}: ` : ""}${systemWords(error)}`;
}

function bugMessage(error: unknown): string {
  const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const remedy = process.env.EDGEWISE_DEBUG ? "" : "; run it again with EDGEWISE_DEBUG=1 to see where";
  return `${what}\nThis is a bug of edgewise, not of what you gave it (Node ${process.version}, ${process.platform} ${process.arch})${remedy}.`;
}

interface SystemError extends Error {
  readonly code: string;
  readonly syscall: string;
  readonly path?: string;
}

function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && "syscall" in error && "code" in error;
}

export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}
