/**
 * Everything too long for `.ci/run`, some half an hour on two cores: `npm run nightly [-- --processes N] [--steps 1,4]`. Each step leaves its
 * row in bench/results/nightly.md as it ends: what was run, of which commit, and when. Exit code 1 where anything went wrong.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { progressBar } from "../src/cli/progress.ts";
import { packageRoot } from "../src/engine/host/assets.ts";
import { freshProcesses } from "./threads/fresh.ts";
import { check, type Model } from "./threads/protocol.ts";

interface Step {
  readonly name: string;
  run(): Promise<Outcome>;
}

interface Outcome {
  readonly isRight: boolean;
  readonly words: string;
}

const root = packageRoot();
const { values } = parseArgs({
  options: { processes: { type: "string", default: "2000" }, steps: { type: "string", default: "" } },
});
const most = Number(values.processes);

function fresh(node: string, threads: number, baseline: boolean, processes: number): Step {
  const mode = baseline ? "baseline compiler only" : "as it comes";
  return {
    name: `Node ${node}, ${mode}: fresh processes on ${threads} threads under load`,
    async run() {
      const bar = progressBar("processes", processes);
      const result = await freshProcesses({ processes, threads, node, baseline }, (done) => bar.update(done));
      bar.stop();
      const others = Object.entries(result.wrong).map(([got, count]) => `; ${count} times ${got}`);
      const words = `${result.version}: ${result.right} of ${processes} gave the bits of one thread${others.join("")}`;
      return { isRight: result.right === processes, words };
    },
  };
}

function protocol(model: Model): Step {
  const { threads, runs, segments, ...incidents } = model;
  const list = Object.entries(incidents).map(([incident, count]) => `${count} ${incident}`);
  return {
    name: `Threads, model: ${threads} threads, ${runs} runs of ${segments} segments, ${list.join(", ")}`,
    async run() {
      const { states, wrong } = check(model);
      return { isRight: !wrong, words: wrong ?? `holds in all ${states} states` };
    },
  };
}

const fuzz: Step = {
  name: "100,000 mutated headers",
  async run() {
    const { status, stdout } = spawnSync(process.execPath, [path.join(root, "dist/test/fuzz/fuzz.js")], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    });
    return { isRight: status === 0, words: stdout.trim().split("\n").slice(-3).join("; ") };
  },
};

const steps = [
  fresh("20.20", 2, false, most),
  fresh("24", 2, false, most),
  fresh("20.19", 2, true, most / 4),
  protocol({ threads: 2, runs: 3, segments: 3, aborts: 1, clears: 1, failures: 2 }),
  protocol({ threads: 2, runs: 2, segments: 2, aborts: 1, clears: 1, failures: 1, traps: 2, refusals: 1 }),
  protocol({ threads: 3, runs: 1, segments: 2, aborts: 1, failures: 1 }),
  fuzz,
];

const git = (...args: string[]) => execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
const commit = `${git("rev-parse", "--short", "HEAD")}${git("status", "--porcelain", "src", "kernels") ? " with changes" : ""}`;
const machine = `${os.cpus()[0].model.trim()}, ${os.availableParallelism()} cores`;
const summary = path.join(root, "bench", "results", "nightly.md");
const HEAD = `# The long tests: the last run of each

Made by \`npm run nightly\`.

| what | | found | commit | date | machine |
|---|---|---|---|---|---|
`;

/** Rows of the summary by their first column. */
function rowsSoFar(): Map<string, string> {
  if (!existsSync(summary)) return new Map();
  const rows = readFileSync(summary, "utf8").slice(HEAD.length).trim().split("\n");
  return new Map(rows.map((row) => [row.split(" | ")[0].slice(2), row]));
}

const chosen = values.steps ? values.steps.split(",").map(Number) : steps.map((_, i) => i + 1);
for (const number of chosen) {
  const step = steps[number - 1];
  if (!step) throw new RangeError(`nightly: step ${number}; there are 1 … ${steps.length}`);
  process.stderr.write(`${number} of ${steps.length}: ${step.name}\n`);
  const { isRight, words } = await step.run();
  process.stderr.write(`  ${isRight ? "right" : "WRONG"}: ${words}\n`);
  if (!isRight) process.exitCode = 1;
  const cells = [
    step.name,
    isRight ? "right" : "**wrong**",
    words,
    commit,
    new Date().toISOString().slice(0, 10),
    machine,
  ];
  const rows = rowsSoFar().set(step.name, `| ${cells.join(" | ")} |`);
  const known = steps.map(({ name }) => rows.get(name)).filter((row) => row !== undefined);
  writeFileSync(summary, `${HEAD}${known.join("\n")}\n`);
}
