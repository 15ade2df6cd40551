/**
 * What processes take beside what was predicted: node dist/bench/memory.js [MODEL …] [--runs 20] [--context 256] [--library]
 * Each use of a model runs in a fresh process whose memory limit is what was predicted for it. EDGEWISE_CGROUP names a control group in which
 * groups with that limit may be made; without it the resident peak is held against the limit.
 * --measure prints the constants of this version of Node for src/llm/memory/node_constants.ts.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { asset, packageRoot } from "../src/engine/host/assets.ts";
import type { Job, Peak } from "./memory_process.ts";

const MIB = 2 ** 20;
/** KiB by which processes differ, and more. */
const MARGIN = 5 * 1024;
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: "string", default: "20" },
    context: { type: "string", default: "256" },
    library: { type: "boolean", default: false },
    measure: { type: "boolean", default: false },
  },
});
const box = ["edgewise-s", "edgewise-m"].map((name) => path.join(packageRoot(), "models", `${name}.gguf`));
const program = asset("bench/memory_process.js");

function peakOf(job: Job): Peak {
  return JSON.parse(execFileSync(process.execPath, [program, JSON.stringify(job)], { encoding: "utf8" }));
}

/** Runs a job in a group of its own that may take `limit` bytes; false: it did not get to its end. */
function runsWithin(group: string, job: Job, limit: number): boolean {
  const directory = path.join(group, `edgewise-${process.pid}`);
  mkdirSync(directory);
  try {
    const version2 = !group.includes("/memory/");
    const file = version2 ? "memory.max" : "memory.limit_in_bytes";
    writeFileSync(path.join(directory, file), String(limit));
    const enter = 'echo $$ > "$1/cgroup.procs" && exec "$2" "$3" "$4"';
    const args = ["-c", enter, "sh", directory, process.execPath, program, JSON.stringify(job)];
    return spawnSync("sh", args, { stdio: "ignore" }).status === 0;
  } finally {
    rmdirSync(directory);
  }
}

/** The most of some runs, in KiB. */
function most(runs: number, job: Job): number {
  return Math.max(...Array.from({ length: runs }, () => peakOf(job).peak)) / 1024;
}

/** Differences between processes of which one does a single thing more. */
function measure(): void {
  const runs = Number(values.runs);
  const [small, model] = box;
  const job = { model: small, context: 64, threads: 1 } as const;
  const imports = most(runs, { ...job, mode: "imports" });
  const one = most(runs, { ...job, mode: "host" });
  const three = most(runs, { ...job, mode: "host", threads: 3 });
  const used = most(runs, { ...job, mode: "generate" });
  const { predicted, instructions } = peakOf({ ...job, mode: "compile" });
  const deep = { ...job, model: positionals[0] ?? model, context: 64 };
  const compiled = most(runs, { ...deep, mode: "compile" });
  const library = most(runs, { ...deep, mode: "train", library: true });
  const lean = most(runs, { ...deep, mode: "train" });
  const before = most(runs, { ...deep, mode: "imports" });
  const perThousand = (1000 * (compiled - before)) / peakOf({ ...deep, mode: "compile" }).instructions;
  const [worker, nextWorker] = [one - imports, (three - one) / 2];
  const known = worker + (perThousand * instructions) / 1000;
  const rest = (predicted.wasm + predicted.vocabulary + predicted.buffers) / 1024;
  const runtime = used - known - rest + MARGIN;
  const line = { runtime, worker, nextWorker, instructions: perThousand, young: library - lean };
  const written = Object.entries(line).map(([name, kib]) => `${name}: ${Math.ceil(kib)}`);
  console.log(`  ${Number.parseInt(process.versions.node, 10)}: { ${written.join(", ")} },`);
}

function prove(): void {
  const group = process.env.EDGEWISE_CGROUP;
  const runs = Number(values.runs);
  console.log(
    `Node ${process.version}, ${runs} fresh processes each, ${group ? "in control groups with the predicted limit" : "resident peaks"}\n`,
  );
  console.log("model                     use       plan MiB  predicted  peak (max)  error    ran within");
  let failed = 0;
  for (const model of positionals.length ? positionals : box)
    for (const mode of ["generate", "score", "train"] as const) {
      const job = { mode, model, context: Number(values.context), threads: 1, library: values.library };
      const { plan, predicted } = peakOf(job);
      const limit = predicted.total;
      let within = 0;
      let peak = 0;
      for (let i = 0; i < runs; i++) {
        const found = peakOf({ ...job, limit });
        peak = Math.max(peak, found.peak);
        const ran = group ? runsWithin(group, { ...job, limit }, limit) : found.peak <= limit;
        if (ran) within++;
      }
      const error = limit / peak - 1;
      if (within < runs || Math.abs(error) > 0.1) failed++;
      const mib = (bytes: number) => (bytes / MIB).toFixed(1);
      console.log(
        [
          path.basename(model).slice(0, 24).padEnd(26),
          mode.padEnd(10),
          mib(plan).padEnd(10),
          mib(limit).padEnd(11),
          mib(peak).padEnd(12),
          `${(100 * error).toFixed(1)} %`.padEnd(9),
          `${within} of ${runs}`,
        ].join(""),
      );
    }
  if (failed) process.exitCode = 1;
}

if (values.measure) measure();
else prove();
