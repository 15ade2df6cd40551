/** `edgewise study` and `edgewise demo`: a factor grid, its results, verdicts and report. */
import os from "node:os";
import path from "node:path";
import { Command } from "commander";
import { packageRoot } from "../engine/host/assets.ts";
import { FORECAST_HEAD, forecastNotes, forecastRows } from "../lab/report/forecast_text.ts";
import { studyJson } from "../lab/report/json.ts";
import { checkRunnable } from "../lab/study/check.ts";
import { taskList } from "../lab/study/cohort.ts";
import { demo } from "../lab/study/demo.ts";
import { forecast } from "../lab/study/forecast.ts";
import { runStudy, type StudyOutcome } from "../lab/study/study.ts";
import { checkStudy, readStudy, type Study } from "../lab/study/study_file.ts";
import { studyKeys } from "../lab/study/study_keys.ts";
import { requireOption, shared, whole } from "./arguments.ts";
import { isAbort } from "./failure.ts";
import { interruptible } from "./interrupt.ts";
import { printJson } from "./json.ts";
import { progressBar } from "./progress.ts";
import { COLUMNS, table as cells, duration, grouped, styled, wrapped } from "./terminal.ts";

interface Options {
  readonly out: string;
  readonly resume?: boolean;
  readonly dryRun?: boolean;
  readonly threads: number;
  readonly users?: number;
  readonly memoryLimit?: number;
  readonly json?: boolean;
}

/** Users that the demo takes at most, on a fast machine. */
const DEMO_USERS_MOST = 32;

export function studyCommand(): Command {
  return withOptions(new Command("study"), "where results.jsonl and report.html go (required)")
    .description("run a study file: every cell and user that has no result yet, then verdicts and report")
    .argument("[file]", "a study file (YAML)")
    .option("--keys", "print every key that a study file may have, and run nothing")
    .hook("preAction", (_program, command) => {
      if (command.opts().keys) return;
      if (command.args.length === 0) command.error("error: missing required argument 'file'");
      if (!command.opts().dryRun) requireOption("out")(_program, command);
    })
    .action((file: string, options: Options & { readonly keys?: boolean }) =>
      options.keys
        ? void process.stdout.write(studyKeys())
        : run(readStudy(file, taskList), options, options.users),
    );
}

export function demoCommand(): Command {
  return withOptions(new Command("demo"), "where results.jsonl and report.html go", "edgewise-demo")
    .description(
      "the study that comes with edgewise: four tasks, two compressions, in five minutes on two cores",
    )
    .action((options: Options) => run(demoStudy(options), options, options.users ?? DEMO_USERS_MOST));
}

function withOptions(command: Command, meaning: string, directory?: string): Command {
  const out = "-o, --out <dir>";
  return command
    .option(out, meaning, directory)
    .option("--dry-run", "say what it would take (cells, time, memory) and what that rests on; run nothing")
    .option("--resume", "go on where an earlier run stopped; nothing finished is repeated")
    .addOption(shared.threads().default(Math.min(2, os.availableParallelism())))
    .option("--users <n>", "test users of each task, instead of the file's", whole(2, 100_000))
    .addOption(shared.memoryLimit())
    .addOption(shared.json());
}

/** What the user typed, as a shell takes it. */
function typed(): string {
  const quoted = (word: string) =>
    /^[\w./:=@+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
  return ["edgewise", ...process.argv.slice(2).map(quoted)].join(" ");
}

/** The models stand in the package, wherever the user is. */
function demoStudy({ users }: Options): Study {
  return checkStudy({ ...demo, ...(users ? { users } : {}) }, () => "demo", taskList, packageRoot());
}

async function dryRun(study: Study, options: Options, mostUsers: number | undefined): Promise<void> {
  const { threads, memoryLimit, json } = options;
  const found = await interruptible(async (signal) => {
    await checkRunnable(study);
    return forecast(study, { threads, memoryLimit, mostUsers, signal });
  });
  if (json) {
    printJson(found);
    return;
  }
  const notes = forecastNotes(found).map((note) => wrapped(note, COLUMNS, 2));
  const table = cells(FORECAST_HEAD, forecastRows(found));
  process.stdout.write(`${found.study}: what it would take\n${table}\n\n${notes.join("\n")}\n`);
}

async function run(study: Study, options: Options, mostUsers: number | undefined): Promise<void> {
  if (options.dryRun) return dryRun(study, options, mostUsers);
  const { out, resume = false, threads, memoryLimit, json } = options;
  const command = typed();
  const start = performance.now();
  let bar: ReturnType<typeof progressBar> | undefined;
  const outcome = await interruptible((signal) =>
    runStudy(study, out, {
      threads,
      memoryLimit,
      mostUsers,
      command,
      resume,
      signal,
      onMessage: (message) => process.stderr.write(`${study.name}: ${message}\n`),
      onProgress: (done, total) => {
        bar ??= progressBar(study.name, total);
        bar.update(done);
      },
    }).finally(() => bar?.stop()),
  ).catch((error) => {
    if (isAbort(error)) process.stderr.write(`${study.name}: ${nothingYet(command)}\n`);
    throw error;
  });
  if (outcome.stopped) {
    process.stderr.write(`${study.name}: ${stopped(outcome, outcome.stopped.planned, command)}\n`);
    return;
  }
  const seconds = (performance.now() - start) / 1000;
  if (json) {
    const { verdicts, results, report, rows } = outcome;
    printJson({ ...studyJson(study, verdicts), rows, seconds, results, report });
    return;
  }
  process.stdout.write(`${outcome.summary}\n\n`);
  process.stdout.write(`${outcome.rows} rows in ${duration(seconds)}: ${outcome.results}\n`);
  process.stdout.write(`${styled("bold", "report")}: ${path.resolve(outcome.report)}\n`);
}

function stopped({ rows, results, report }: StudyOutcome, planned: number, command: string): string {
  return (
    `stopped. ${grouped(rows)} of ${grouped(planned)} rows are safe in ${results}; what was at work is measured again. ` +
    `${report} and summary.md beside it show what is there. Go on with: ${resumed(command)}`
  );
}

function nothingYet(command: string): string {
  return `stopped before anything was measured; nothing of this run is left to keep. Start again with: ${command}`;
}

/** The same command, to go on. */
function resumed(command: string): string {
  return command.includes("--resume") ? command : `${command} --resume`;
}
