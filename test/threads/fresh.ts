/**
 * Fresh processes on several threads under load, each of whose bits must be those of one thread:
 *
 *   node dist/test/threads/fresh.js [--processes N] [--threads N] [--node VERSION] [--baseline] [--json FILE]
 *
 * What goes wrong between threads goes wrong in the first moments of a process whose threads are kept waiting; so more run at once than
 * there are cores. Exit code 1 where one differs, fails or does not end.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { packageRoot } from "../../src/engine/host/assets.ts";
import { nodeBinary } from "./node_binary.ts";

export interface FreshOptions {
  readonly processes: number;
  readonly threads: number;
  /** Version of Node; default: the one that runs this. */
  readonly node?: string;
  /** Only V8's baseline compiler. */
  readonly baseline?: boolean;
}

export interface FreshResult {
  readonly version: string;
  readonly right: number;
  /** What the others printed, and how often: other bits, an error, or nothing in time. */
  readonly wrong: Readonly<Record<string, number>>;
}

/** A process that has not ended after so long hangs, however busy the machine. */
const HANG_SECONDS = 300;
const program = path.join(packageRoot(), "dist", "test", "threads", "answer.js");

/** Processes at once for each core: they are each other's load, so that threads wait for one another. */
const AT_ONCE = 3;

/** Runs the processes, several at once. */
export async function freshProcesses(
  { processes, threads, node, baseline = false }: FreshOptions,
  onProgress: (done: number) => void = () => undefined,
): Promise<FreshResult> {
  const binary = node ? nodeBinary(node) : process.execPath;
  const flags = baseline ? ["--liftoff-only"] : [];
  const version = await output(binary, ["--version"]);
  const expected = await output(binary, [program, "1"]);
  const wrong: Record<string, number> = {};
  let [begun, right] = [0, 0];
  const work = async () => {
    while (begun++ < processes) {
      const got = await output(binary, [...flags, program, String(threads)]);
      if (got === expected) right++;
      else wrong[got] = (wrong[got] ?? 0) + 1;
      onProgress(right + Object.values(wrong).reduce((sum, count) => sum + count, 0));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE * os.availableParallelism() }, work));
  return { version, right, wrong };
}

/** What a process prints, or how it ended. */
function output(binary: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    const child: ChildProcess = spawn(binary, args, { stdio: ["ignore", "pipe", "pipe"] });
    let [text, errors] = ["", ""];
    const timer = setTimeout(() => child.kill("SIGKILL"), 1000 * HANG_SECONDS);
    child.stdout!.on("data", (data) => (text += data));
    child.stderr!.on("data", (data) => (errors += data));
    child.on("error", (error) => resolve(error.message));
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      if (code === 0) return resolve(text.trim());
      resolve(`exit ${code ?? signal}: ${errors.trim().split("\n").slice(0, 3).join(" ")}`);
    });
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      processes: { type: "string", default: "25" },
      threads: { type: "string", default: "2" },
      node: { type: "string" },
      baseline: { type: "boolean", default: false },
      json: { type: "string" },
    },
  });
  const [processes, threads] = [Number(values.processes), Number(values.threads)];
  const { version, right, wrong } = await freshProcesses({ ...values, processes, threads });
  const mode = values.baseline ? "baseline only" : "as it comes";
  console.log(
    `${version}, ${mode}, ${threads} threads: ${right} of ${processes} processes gave the bits of one thread`,
  );
  for (const [got, count] of Object.entries(wrong)) console.log(`  ${count} times: ${got}`);
  const isRight = right === processes;
  if (values.json) {
    const counts = {
      numPassedTests: +isRight,
      numFailedTests: +!isRight,
      numFailedTestSuites: 0,
      numPendingTests: 0,
    };
    writeFileSync(values.json, JSON.stringify(counts));
  }
  process.exitCode = isRight ? 0 : 1;
}

if (process.argv[1] === import.meta.filename) await main();
