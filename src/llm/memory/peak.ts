import { readFileSync } from "node:fs";

/**
 * The most bytes of this process that were resident at once. `ru_maxrss`, which stands in where there is no /proc, counts what the process was
 * that started this one.
 */
export function peakResident(): number {
  try {
    const [, kibibytes] = /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
    if (kibibytes !== undefined) return 1024 * Number(kibibytes);
  } catch {
    // no Linux
  }
  return 1024 * process.resourceUsage().maxRSS;
}
