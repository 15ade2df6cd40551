/** How much memory a process may take: what the user says, else what its control group says. */
import { MemoryLimitError, type Program } from "../../engine/plan/program.ts";
import { cgroupLimit } from "./cgroup.ts";
import { type ProcessSetup, processMemory } from "./process_memory.ts";

/** In bytes; undefined: there is no limit. */
export function memoryLimitOf(stated: number | undefined): number | undefined {
  return stated ?? cgroupLimit();
}

/** Throws a MemoryLimitError, with every part, where a process with this program needs more than the limit. */
export function checkProcess(program: Program, limit: number | undefined, setup: ProcessSetup): void {
  if (limit === undefined) return;
  const { wasm: _, total, ...beside } = processMemory(program, setup);
  if (total > limit) throw new MemoryLimitError(program.memory, limit, beside);
}
