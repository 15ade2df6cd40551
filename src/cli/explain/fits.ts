/** Which contexts fit into memories of usual sizes: compiled, not estimated. */
import { type CacheType, cacheDtypes } from "../../engine/dtypes/cache.ts";
import { formatBytes } from "../../engine/plan/program.ts";
import { compileGeneration } from "../../llm/generate.ts";
import { processTotal } from "../remedy.ts";
import { grouped, table } from "../terminal.ts";
import type { Subject } from "./subject.ts";

const MIB = 2 ** 20;
const LIMITS = [256, 512, 1024, 2048].map((mebibytes) => mebibytes * MIB);
/** Contexts are offered in these steps. */
const STEP = 256;

export interface Fit {
  readonly limit: number;
  readonly cacheType: CacheType;
  /** Longest context that fits, at most the trained one, in steps of 256; 0: not even the shortest. */
  readonly context: number;
  /** Memory of the process with that context, or with the shortest. */
  readonly total: number;
}

/** For each limit the longest context with each type of cache that the model can have, its weights and threads as asked for. */
export function fitsOf({ file, options: { type, rows, threads } }: Subject): Fit[] {
  const types = (Object.keys(cacheDtypes) as CacheType[]).filter(
    (type) => file.config.headSize % cacheDtypes[type].blockSize === 0,
  );
  return types.flatMap((cacheType) => {
    const totals = new Map<number, number>();
    const total = (context: number) => {
      const known =
        totals.get(context) ??
        processTotal(() => compileGeneration(file, { type, rows, threads, cacheType, context }), {
          header: file.gguf,
        });
      totals.set(context, known);
      return known;
    };
    return LIMITS.map((limit) => longest(limit, cacheType, file.config.context, total));
  });
}

function longest(
  limit: number,
  cacheType: CacheType,
  trained: number,
  total: (context: number) => number,
): Fit {
  const contextOf = (step: number) => Math.min(step * STEP, trained);
  let [fits, fails] = [0, Math.ceil(trained / STEP) + 1];
  while (fails - fits > 1) {
    const middle = (fits + fails) >> 1;
    if (total(contextOf(middle)) <= limit) fits = middle;
    else fails = middle;
  }
  const context = fits ? contextOf(fits) : 0;
  return { limit, cacheType, context, total: total(context || contextOf(1)) };
}

export function fitsTable(fits: readonly Fit[]): string {
  const limits = [...new Set(fits.map(({ limit }) => limit))];
  const types = [...new Set(fits.map(({ cacheType }) => cacheType))];
  const rows = limits.map((limit) => [
    formatBytes(limit),
    ...types.map((type) => {
      const { context, total } = fits.find((fit) => fit.limit === limit && fit.cacheType === type)!;
      return context ? grouped(context) : `no (${formatBytes(total)})`;
    }),
  ]);
  return table([">memory", ...types.map((type) => `>--cache-type ${type}`)], rows);
}
