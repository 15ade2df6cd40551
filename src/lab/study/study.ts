/** A study from its file to its report: run what is missing, judge, write the page. */
import fs from "node:fs";
import path from "node:path";
import { InputError } from "../../errors.ts";
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
}

/** Runs the study into `directory`. With `resume` it goes on where an earlier run was stopped. */
export async function runStudy(
  study: Study,
  directory: string,
  options: RunOptions & { readonly resume: boolean },
): Promise<StudyOutcome> {
  await checkRunnable(study);
  makeDirectory(directory);
  const file = path.join(directory, "results.jsonl");
  const { resume, retriever, onMessage } = options;
  const lineage = await studyLineage(study, retriever);
  const results = new Results(file, { study: studyDigest(study), lineage, resume, onMessage });
  try {
    await new StudyRunner(study, results, options).run();
    return report(study, results, directory);
  } finally {
    results.close();
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
    throw new InputError(`study: ${file}: cannot be written: ${(error as Error).message}`);
  }
}

function makeDirectory(directory: string): void {
  try {
    fs.mkdirSync(directory, { recursive: true });
  } catch (error) {
    throw new InputError(`study: ${directory}: the directory cannot be made: ${(error as Error).message}`);
  }
}
