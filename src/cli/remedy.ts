/** What to change when the memory limit is too small: tried, not guessed. */
import { formatBytes, MemoryLimitError, type Program } from "../engine/plan/program.ts";
import { InputError } from "../errors.ts";
import { checkProcess } from "../llm/memory/limit.ts";
import { type ProcessSetup, processMemory } from "../llm/memory/process_memory.ts";
import type { WeightType } from "../llm/models/load.ts";

/** The settings that decide about memory, all of them given. */
export interface Sizes {
  readonly type: WeightType;
  readonly context: number;
  readonly rows: number;
}

/** Least context that is offered: a shorter one helps nobody. */
const CONTEXT_MIN = 128;
const SMALLER_TYPES: readonly WeightType[] = ["q8_0", "q4_0"];

/**
 * The program of these sizes. Where its process would need more than the limit (undefined: there is none) it raises an InputError with every
 * part of memory and the first smaller setting that fits. Nothing is allocated either way.
 */
export function compileWithin(
  limit: number | undefined,
  sizes: Sizes,
  process: ProcessSetup,
  compile: (sizes: Sizes) => Program,
): Program {
  try {
    const program = compile(sizes);
    checkProcess(program, limit, process);
    return program;
  } catch (error) {
    if (!(error instanceof MemoryLimitError)) throw error;
    const total = (smaller: Sizes) => processTotal(() => compile(smaller), process);
    throw new InputError(`${error.message}; ${remedy(sizes, error.limit, total)}`);
  }
}

/** Bytes of the process that runs a program; of one that no memory can hold those of the program alone. */
export function processTotal(compile: () => Program, process: ProcessSetup): number {
  try {
    return processMemory(compile(), process).total;
  } catch (error) {
    if (error instanceof MemoryLimitError) return error.total;
    throw error;
  }
}

function remedy(sizes: Sizes, limit: number, total: (sizes: Sizes) => number): string {
  const tried = smallerThan(sizes).map((smaller) => ({ smaller, bytes: total(smaller) }));
  const fitting = tried.find(({ bytes }) => bytes <= limit);
  if (fitting) return `try ${optionsOf(fitting.smaller, sizes)} (${formatBytes(fitting.bytes)})`;
  const least = tried.reduce((a, b) => (b.bytes < a.bytes ? b : a), { smaller: sizes, bytes: total(sizes) });
  return least.smaller === sizes
    ? "no setting makes it smaller"
    : `even ${optionsOf(least.smaller, sizes)} needs ${formatBytes(least.bytes)}`;
}

/** The gentlest first: what costs speed, then what costs memory of the past, then what costs quality. */
function smallerThan(sizes: Sizes): Sizes[] {
  const rows = [32, 8, 1].filter((n) => n < sizes.rows);
  const least = Math.min(8, sizes.rows);
  const contexts: number[] = [];
  for (let n = sizes.context >> 1; n >= CONTEXT_MIN; n >>= 1) contexts.push(n);
  const shortest = contexts.at(-1) ?? sizes.context;
  return [
    ...rows.map((n) => ({ ...sizes, rows: n })),
    ...contexts.map((n) => ({ ...sizes, rows: least, context: n })),
    ...SMALLER_TYPES.map((type) => ({ ...sizes, type })),
    ...SMALLER_TYPES.map((type) => ({ type, rows: least, context: shortest })),
  ];
}

function optionsOf(smaller: Sizes, sizes: Sizes): string {
  const { type, context, rows } = smaller;
  return [
    context === sizes.context ? [] : [`--n-ctx ${context}`],
    rows === sizes.rows ? [] : [`--n-batch ${rows}`],
    type === sizes.type ? [] : [`--type ${type}`],
  ]
    .flat()
    .join(" ");
}
