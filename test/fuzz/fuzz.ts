/**
 * 100,000 mutated headers through everything that reads them:
 *
 *   npm run fuzz -- [--count N] [--seconds S] [--seed N] [--replay FILE] [--out DIRECTORY]
 *
 * Cases run in a process of their own, so that a hang, a crash or a heap without end is a finding with a number, and the others go on.
 * Exit code 1 where a case failed, or fewer than 30 in 100 passed the reader of headers.
 */
import { type ChildProcess, fork } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { caseOf, type FuzzCase, runFuzzCase, Tally } from "./cases.ts";
import { allSeeds } from "./seeds.ts";
import { type Outcome, STAGES } from "./stages.ts";

const { values: given } = parseArgs({
  options: {
    count: { type: "string", default: "100000" },
    seconds: { type: "string", default: "900" },
    seed: { type: "string", default: "1" },
    out: { type: "string", default: "fuzz-failures" },
    replay: { type: "string" },
    worker: { type: "string" },
  },
});
const [count, seconds, seed] = [given.count, given.seconds, given.seed].map(Number);

/** Wall clock that one case may take before its process is ended; the limit of CPU time is in stages.ts. */
const HANG_SECONDS = 60;
const HEAP_MEBIBYTES = 512;
const BATCH = 200;
const PASSING_LEAST = 0.3;
/** Between two lines of progress where they cannot overwrite each other. */
const LINE_SECONDS = 30;
let nextLine = 0;

/** A batch from the parent; its outcomes back. The number of the case at hand stands in a file, for when there is no answer. */
interface Batch {
  first: number;
  last: number;
}
type Answer = Outcome[];

async function work(numberFile: string): Promise<void> {
  const seeds = await allSeeds();
  const handle = openSync(numberFile, "r+");
  process.on("message", async ({ first, last }: Batch) => {
    const outcomes: Answer = [];
    for (let index = first; index < last; index++) {
      writeSync(handle, String(index).padStart(12), 0);
      outcomes.push(await runFuzzCase(caseOf(seeds, seed, index)));
    }
    process.send!(outcomes);
  });
  process.on("disconnect", () => {
    closeSync(handle);
    process.exit(0);
  });
  process.send!([]);
}

async function fuzz(): Promise<void> {
  const seeds = await allSeeds();
  const directory = mkdtempSync(path.join(tmpdir(), "edgewise-fuzz-"));
  const tally = new Tally();
  const started = Date.now();
  const worker = new Worker(path.join(directory, "case"));
  try {
    for (let first = 0; first < count && elapsed(started) < seconds; ) {
      const last = Math.min(count, first + BATCH);
      const { outcomes, broken } = await worker.run({ first, last });
      if (broken !== undefined) outcomes.push(broken);
      outcomes.forEach((outcome, i) => {
        tally.add(outcome);
        if (outcome.failure !== undefined) keep(caseOf(seeds, seed, first + i), first + i, outcome.failure);
      });
      first += outcomes.length;
      report(tally, elapsed(started));
    }
  } finally {
    worker.end();
    rmSync(directory, { recursive: true });
  }
  summarize(tally, elapsed(started));
}

function elapsed(since: number): number {
  return (Date.now() - since) / 1000;
}

/** The process that runs cases; started again after one that did not survive. */
class Worker {
  readonly #numberFile: string;
  #child: ChildProcess | undefined;

  constructor(numberFile: string) {
    this.#numberFile = numberFile;
    writeFileSync(numberFile, "");
  }

  /** Outcomes of a batch; where the process ended or hung, those before, and what became of the case at hand. */
  async run(batch: Batch): Promise<{ outcomes: Answer; broken?: Outcome }> {
    const outcomes = await this.#ask(batch);
    if (Array.isArray(outcomes)) return { outcomes };
    this.end();
    const at = Number(readFileSync(this.#numberFile, "latin1"));
    const broken: Outcome = { passed: [], failure: outcomes, seconds: 0, growth: 0 };
    // A new process does those before again: they have passed, so they will.
    const again = at > batch.first ? await this.#ask({ first: batch.first, last: at }) : [];
    return { outcomes: Array.isArray(again) ? again : [], broken };
  }

  async #ask(batch: Batch): Promise<Answer | string> {
    this.#child ??= await this.#start();
    const child = this.#child;
    return new Promise((resolve) => {
      let [number, since] = ["", Date.now()];
      const watch = setInterval(() => {
        const now = readFileSync(this.#numberFile, "latin1");
        if (now !== number) [number, since] = [now, Date.now()];
        if (elapsed(since) > HANG_SECONDS) done(`no answer within ${HANG_SECONDS} s`);
      }, 1000);
      const done = (answer: Answer | string) => {
        clearInterval(watch);
        child.removeAllListeners("message");
        child.removeAllListeners("exit");
        resolve(answer);
      };
      child.once("message", (answer: Answer) => done(answer));
      child.once("exit", (code, signal) => {
        this.#child = undefined;
        done(`the process ended with ${signal ?? code}`);
      });
      child.send(batch);
    });
  }

  async #start(): Promise<ChildProcess> {
    const child = fork(import.meta.filename, ["--worker", this.#numberFile, "--seed", String(seed)], {
      execArgv: [`--max-old-space-size=${HEAP_MEBIBYTES}`],
    });
    await new Promise((resolve, reject) => {
      child.once("message", resolve);
      child.once("exit", (code) =>
        reject(new Error(`fuzz: the process of the cases did not start (${code})`)),
      );
    });
    child.removeAllListeners("exit");
    return child;
  }

  end(): void {
    this.#child?.removeAllListeners("exit");
    this.#child?.kill("SIGKILL");
    this.#child = undefined;
  }
}

/** Writes a failing case down, so that it can be run again whatever becomes of the mutations. */
function keep({ seedName, encoded, fill }: FuzzCase, index: number, failure: string): void {
  mkdirSync(given.out, { recursive: true });
  const file = path.join(given.out, `case-${seed}-${index}.json`);
  const header = Buffer.from(encoded.bytes).toString("base64");
  writeFileSync(file, JSON.stringify({ seed, index, seedName, size: encoded.size, fill, failure, header }));
  process.stderr.write(`\ncase ${index} (${seedName}): ${failure.split("\n")[0]}\n  --replay ${file}\n`);
}

async function replay(file: string): Promise<void> {
  const { seedName, size, fill, header } = JSON.parse(readFileSync(file, "utf8"));
  const bytes = new Uint8Array(Buffer.from(header, "base64"));
  const outcome = await runFuzzCase({ seedName, encoded: { bytes, fields: [], size }, fill });
  console.log(`seed "${seedName}", ${bytes.length} bytes of header, ${size} bytes in all`);
  console.log(outcome);
  process.exitCode = outcome.failure === undefined ? 0 : 1;
}

function report(tally: Tally, passedSeconds: number): void {
  const left = Math.min((passedSeconds / tally.cases) * (count - tally.cases), seconds - passedSeconds);
  const line = `${tally.cases} of ${count} cases, ${tally.failures} failed, about ${Math.max(0, left).toFixed(0)} s left`;
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${line}`);
  else if (passedSeconds >= nextLine) {
    nextLine = passedSeconds + LINE_SECONDS;
    process.stderr.write(`${line}\n`);
  }
}

function summarize(tally: Tally, passedSeconds: number): void {
  const share = (cases: number) => `${cases} (${((100 * cases) / tally.cases).toFixed(1)} %)`;
  const rules = Object.entries(tally.refused).sort(([, a], [, b]) => b - a);
  console.log(`\n${tally.cases} cases of seed ${seed} in ${passedSeconds.toFixed(0)} s`);
  for (const stage of STAGES) console.log(`passed ${stage}: ${share(tally.passed[stage])}`);
  console.log(
    `refused: ${share(rules.reduce((sum, [, cases]) => sum + cases, 0))}, by ${rules.length} rules:`,
  );
  for (const [rule, cases] of rules.slice(0, 25)) console.log(`  ${String(cases).padStart(6)}  ${rule}`);
  const mebibytes = (tally.largest / 2 ** 20).toFixed(1);
  console.log(`slowest case ${tally.slowest.toFixed(2)} s of CPU time; most memory ${mebibytes} MiB`);
  console.log(`failed: ${tally.failures}`);
  if (tally.passing < PASSING_LEAST) console.log(`fewer than ${100 * PASSING_LEAST} % passed the header`);
  process.exitCode = tally.failures > 0 || tally.passing < PASSING_LEAST ? 1 : 0;
}

if (given.replay !== undefined) await replay(given.replay);
else if (given.worker !== undefined) await work(given.worker);
else await fuzz();
