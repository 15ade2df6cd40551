/** What people write after an option, as numbers: every rule about it stands here. Errors are usage errors (exit code 2). */
import { type Command, InvalidArgumentError, Option } from "commander";
import { THREADS_MAX } from "../../kernels/layout.ts";
import { type CacheType, cacheTypes } from "../engine/dtypes/cache.ts";
import { type EncodableDtypeName, encodableDtypes } from "../engine/dtypes/index.ts";
import type { WeightType } from "../llm/models/load.ts";

/** Bytes by unit: KiB and K are 1024, kB is 1000. */
const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 2 ** 10,
  kib: 2 ** 10,
  kb: 1e3,
  m: 2 ** 20,
  mib: 2 ** 20,
  mb: 1e6,
  g: 2 ** 30,
  gib: 2 ** 30,
  gb: 1e9,
};

/** Bytes: `512MiB`, `1.5 GiB`, `2G` (1024³), `800MB` (1000²), `100000`. */
export function size(text: string): number {
  const [, number, unit] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text) ?? [];
  const factor = number === undefined ? undefined : UNITS[unit.toLowerCase()];
  if (factor === undefined)
    throw new InvalidArgumentError("A size is a number and a unit, such as 512MiB, 2GiB or 100000 (bytes).");
  const bytes = Math.floor(Number(number) * factor);
  if (bytes < 1 || !Number.isSafeInteger(bytes))
    throw new InvalidArgumentError(`A size must be from 1 to ${Number.MAX_SAFE_INTEGER} bytes.`);
  return bytes;
}

/** A whole number in [least, most]. */
export function whole(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^[+-]?\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  };
}

/** A number in [least, most]. */
export function decimal(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be a number from ${least} to ${most}.`);
  };
}

/** Positions and rows: more of them fit no memory that WebAssembly can address. */
const POSITIONS_MAX = 2 ** 24;

const fileTypes = Object.keys(encodableDtypes) as EncodableDtypeName[];

/** Options that several commands share, in the words of llama.cpp where it has some. */
export const shared = {
  model: (meaning = "the model: a GGUF file, or smollm2 or gemma3 of edgewise models (required)") =>
    new Option("-m, --model <file>", meaning),
  type: () =>
    new Option("--type <type>", `weights in memory: as in the file, or ${fileTypes.join(", ")}`)
      .default("file" satisfies WeightType)
      .argParser(oneOf(["file", ...fileTypes])),
  fileType: () =>
    new Option("--type <type>", `${fileTypes.join(", ")} (required)`).argParser(oneOf(fileTypes)),
  cacheType: () =>
    new Option("--cache-type <type>", `keys and values of the context: ${cacheTypes.join(", ")}`)
      .default("f32" satisfies CacheType)
      .argParser(oneOf(cacheTypes)),
  threads: () => new Option("--threads <n>", "threads").default(1).argParser(whole(1, THREADS_MAX)),
  contextSize: (meaning: string) => new Option("--n-ctx <n>", meaning).argParser(whole(1, POSITIONS_MAX)),
  batch: () =>
    new Option("--n-batch <n>", "rows of a prompt that run at once")
      .default(128)
      .argParser(whole(1, POSITIONS_MAX)),
  memoryLimit: () =>
    new Option("--memory-limit <size>", "refuse to start above this, e.g. 512MiB").argParser(size),
  json: () => new Option("--json", "print one JSON document on stdout, and nothing else"),
};

/** One of these, in any case: `Q4_0` is q4_0. */
function oneOf<T extends string>(names: readonly T[]): (text: string) => T {
  return (text) => {
    const found = names.find((name) => name === text.toLowerCase());
    if (found) return found;
    throw new InvalidArgumentError(`Allowed choices are ${names.join(", ")}.`);
  };
}

/**
 * For hooks before an action: the option must be there. Commander's own check comes before that of mistyped options, and would hide
 * them.
 */
export function requireOption(name: string): (program: Command, command: Command) => void {
  return (_program, command) => {
    if (command.opts()[name] !== undefined) return;
    const option = command.options.find((each) => each.attributeName() === name)!;
    command.error(`error: required option '${option.flags}' not specified`);
  };
}
