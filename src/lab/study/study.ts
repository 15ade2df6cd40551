/** A study from its file to its report: run what is missing, judge, write the page. */
import fs from "node:fs";
import path from "node:path";
import { InputError, systemWords } from "../../errors.ts";
import { historyPicture } from "../report/picture.ts";
import { writeReport } from "../report/report.ts";
import { summaryMarkdown, summaryText } from "../report/summary.ts";
import { selfCheck } from "./calibration.ts";
import { checkRunnable } from "./check.ts";
import { studyLineage } from "./lineage.ts";
import { Results } from "./results.ts";
import { type RunOptions, StudyRunner } from "./runner.ts";
import { type Study, studyDigest } from "./study_file.ts";
import { studyVerdicts, type Verdicts } from "./verdicts.ts";

export interface StudyOutcome {
  readonly verdicts: Verdicts;
  /** The verdicts for the terminal. */
  readonly summary: string;
  readonly results: string;
  readonly report: string;
  readonly rows: number;
  /** The run was stopped: rows that it would have had. */
  readonly stopped?: { readonly planned: number };
}

/**
 * Runs the study into `directory`. With `resume` it goes on where an earlier run was stopped. After an abort everything that was finished is
 * in the results, and the report shows it; an AbortError where there is nothing to show.
 */
export async function runStudy(
  study: Study,
  directory: string,
  options: RunOptions & { readonly resume: boolean },
): Promise<StudyOutcome> {
  const { resume, retriever, onMessage, signal } = options;
  await checkRunnable(study);
  signal?.throwIfAborted();
  makeDirectory(directory);
  const file = path.join(directory, "results.jsonl");
  const lineage = await studyLineage(study, retriever);
  const results = new Results(file, { study: studyDigest(study), lineage, resume, onMessage });
  try {
    const runner = new StudyRunner(study, results, options);
    const stopped = await isStopped(runner, signal);
    if (stopped && results.rows.length === 0) signal!.throwIfAborted();
    const outcome = report(study, results, directory);
    return stopped ? { ...outcome, stopped: { planned: runner.rows } } : outcome;
  } finally {
    results.close();
  }
}

async function isStopped(runner: StudyRunner, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    await runner.run();
    return false;
  } catch (error) {
    // A process that measures memory hears Ctrl-C as well, and its end looks like a failure.
    if (!signal?.aborted || error instanceof InputError) throw error;
    return true;
  }
}

function report(study: Study, { rows, path: results }: Results, directory: string): StudyOutcome {
  const verdicts = studyVerdicts(study, rows);
  const page = path.join(directory, "report.html");
  writeReport(page, study, rows);
  // For a README or an issue: the same verdicts as Markdown, the same curves as a picture.
  writeFile(path.join(directory, "summary.md"), summaryMarkdown(study, verdicts));
  writeFile(path.join(directory, "history.svg"), historyPicture(verdicts));
  const summary = summaryText(study, verdicts, selfCheck(verdicts.samples));
  return { verdicts, summary, results, report: page, rows: rows.length };
}

function writeFile(file: string, text: string): void {
  try {
    fs.writeFileSync(file, `${text.trimEnd()}\n`);
  } catch (error) {
    throw new InputError(`study: ${file}: cannot be written: ${systemWords(error)}`);
  }
}

function makeDirectory(directory: string): void {
  try {
    fs.mkdirSync(directory, { recursive: true });
  } catch (error) {
    throw new InputError(`study: ${directory}: the directory cannot be made: ${systemWords(error)}`);
  }
}
