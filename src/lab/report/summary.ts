/** The verdicts as text: for the terminal, at most 100 columns wide, and as Markdown. */
import Table from "cli-table3";
import type { SelfCheck } from "../study/calibration.ts";
import { describe } from "../study/settings.ts";
import type { Study } from "../study/study_file.ts";
import type { GuidelineVerdict, Verdict, Verdicts } from "../study/verdicts.ts";
import { CELL_HEAD, cellTexts } from "./cell_summary.ts";
import {
  contrastWord,
  effect,
  evidence,
  guidelineWord,
  NO_MODEL,
  number,
  remarks,
  sentence,
  signed,
  whole,
} from "./words.ts";

const WIDTH = 100;
const PLANTED =
  "recovered: the generator implies it; holds here: nothing was planted about it; never evidence for a guideline";

/** All verdicts, tasks, alarms and warnings, as a terminal shows them. No line is longer than 100 columns. */
export function summaryText(study: Study, verdicts: Verdicts, check?: SelfCheck): string {
  const { alarms, timeAlarm, warnings } = verdicts;
  return [
    heading(study, verdicts),
    ...alarms.map((alarm) =>
      wrap(`ALARM ${alarm.name}: ${alarm.message} (${whole(alarm.rows)} rows; verdicts withheld)`),
    ),
    ...(timeAlarm ? [wrap(`ALARM times: ${timeAlarm}; no verdict rests on them`)] : []),
    ...warnings.map((warning) => wrap(`warning: ${warning}`)),
    guidelineTable(verdicts.guidelines),
    wrap(`* ${PLANTED}`),
    ...(verdicts.verdicts.length > 0 ? [contrastTable(verdicts.verdicts)] : []),
    taskTable(verdicts),
    cellTable(verdicts),
    ...detectableLines(verdicts.verdicts),
    ...(check ? [wrap(selfCheckLine(check))] : []),
  ].join("\n");
}

function heading(study: Study, { arms }: Verdicts): string {
  const rows = arms.reduce((sum, arm) => sum + arm.rows.length, 0);
  const users = Math.max(0, ...arms.map((arm) => arm.test.size));
  return wrap(
    `Study ${study.name}: ${users} users × ${study.items_per_user} items, ${arms.length} cells, ${whole(rows)} rows`,
  );
}

/** Columns and the padding and borders that cli-table3 adds make up the width. */
function table(head: string[], widths: number[], rows: string[][], right: number[] = []): string {
  const columns = new Table({
    head,
    colWidths: widths,
    wordWrap: true,
    colAligns: head.map((_, i) => (right.includes(i) ? "right" : "left")),
    style: { head: [], border: [], compact: true },
  });
  columns.push(...rows);
  return columns.toString();
}

function guidelineTable(guidelines: readonly GuidelineVerdict[]): string {
  const rows = guidelines.map(({ guideline, title, generated, real }) => [
    `${guideline} ${title}`,
    guidelineWord(generated.status, "generated", generated.verdicts),
    guidelineWord(real.status, "real", real.verdicts),
  ]);
  return table(["Guideline", "generated users*", "real users"], [54, 22, 20], rows);
}

function contrastTable(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map((verdict) => {
    const { claim, where } = sentence(verdict.contrast);
    const word = [contrastWord(verdict), ...remarks(verdict)].join(": ");
    return [`${claim}; ${where}`, word, evidence(verdict)];
  });
  return table(["Primary contrast", "verdict", "estimate [interval]"], [47, 18, 31], rows);
}

function taskTable({ tasks, baselines }: Verdicts): string {
  const rows = tasks.map(({ task, data, h, admission, bayes }) => {
    const marks = baselines.filter(({ arm }) => arm.settings.task === task && arm.settings.h === h);
    const beaten = marks.filter((mark) => !mark.noModelNeeded).length;
    return [
      task,
      data,
      String(h),
      bayes ? `${number(bayes.accuracy0)} → ${number(bayes.accuracyH)}` : "–",
      bayes ? `${number(bayes.bits0)} → ${number(bayes.bitsH)}` : "–",
      admission,
      marks.length > 0 ? `${beaten} of ${marks.length}${beaten === 0 ? `: ${NO_MODEL}` : ""}` : "–",
    ];
  });
  const head = ["Task", "users", "h", "Bayes accuracy", "bits unknown", "verdicts", "beat no-model arms"];
  return table(head, [16, 11, 5, 16, 16, 15, 13], rows, [2]);
}

/** Quality, time and memory of every cell. */
function cellTable(verdicts: Verdicts): string {
  const rows = cellTexts(verdicts).flatMap(({ task, rows: cells }) => [[task, "", "", "", ""], ...cells]);
  return table(CELL_HEAD, [33, 7, 20, 18, 16], rows, [1]);
}

/** The smallest effect that the users could have shown, over the contrasts of each unit. */
function detectableLines(verdicts: readonly Verdict[]): string[] {
  const found = new Map<string, number[]>();
  for (const verdict of verdicts) {
    if (verdict.status === "not tested" || !Number.isFinite(verdict.detectable)) continue;
    const before = found.get(verdict.unit) ?? [];
    found.set(verdict.unit, [...before, verdict.detectable]);
  }
  return [...found].map(([unit, values]) => {
    const [low, high] = [Math.min(...values), Math.max(...values)].map((value) =>
      effect(value, unit).replace("+", ""),
    );
    const sizes = low === high ? low : `${low} to ${high}`;
    return wrap(`Smallest detectable effect (power .8, before Holm): ${sizes} ${unit}`);
  });
}

function selfCheckLine({ flips, family, falseSupported }: SelfCheck): string {
  const worst = Math.max(0, ...Object.values(falseSupported));
  return (
    `Self-check: with the users' signs flipped ${whole(flips)} times these verdicts say "supported" in ` +
    `${number(100 * worst, 1)} % at most of a contrast's flips, ${number(100 * family, 1)} % of the family's. ` +
    "Flips are symmetric: a rare or skewed loss is not seen by them"
  );
}

/** Breaks a line at spaces so that it fits the terminal. */
function wrap(text: string): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines[lines.length - 1];
    const longer = line === "" ? word : `${line} ${word}`;
    if (longer.length <= WIDTH) lines[lines.length - 1] = longer;
    else lines.push(`  ${word}`);
  }
  return lines.join("\n");
}

/** The same verdicts as Markdown tables. */
export function summaryMarkdown(study: Study, verdicts: Verdicts): string {
  const { arms, guidelines, alarms, timeAlarm, warnings, personal } = verdicts;
  const users = Math.max(0, ...arms.map((arm) => arm.test.size));
  const row = (...cells: string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [
    `**${study.name}**: ${users} users × ${study.items_per_user} items, ${arms.length} cells`,
    ...alarms.map((alarm) => `\n**Alarm: ${alarm.name}.** ${alarm.message}`),
    ...(timeAlarm ? [`\n**Alarm: times.** ${timeAlarm}; no verdict rests on them.`] : []),
    ...warnings.map((warning) => `\n**Warning:** ${warning}`),
    "",
    row("Guideline", "generated users¹", "real users"),
    row("---", "---", "---"),
    ...guidelines.map(({ guideline, title, generated, real }) =>
      row(
        `${guideline} ${title}`,
        guidelineWord(generated.status, "generated", generated.verdicts),
        guidelineWord(real.status, "real", real.verdicts),
      ),
    ),
    "",
    `¹ ${PLANTED}`,
    "",
    row("Primary contrast", "where", "verdict", "estimate [interval], margin, users"),
    row("---", "---", "---", "---"),
    ...verdicts.verdicts.map((verdict) => {
      const { claim, where } = sentence(verdict.contrast);
      const word = [contrastWord(verdict), ...remarks(verdict)].join(": ");
      return row(claim, where, word, evidence(verdict));
    }),
    ...(personal.length > 0
      ? [
          "",
          row("Own − placebo history", "difference", "95 % interval"),
          row("---", "--:", "---"),
          ...personal.map(({ arm, estimate, interval: [low, high] }) =>
            row(describe(arm.settings), signed(estimate), `[${signed(low)}, ${signed(high)}]`),
          ),
        ]
      : []),
    "",
    row("Task", ...CELL_HEAD),
    row("---", "---", "--:", "---", "---", "---"),
    ...cellTexts(verdicts).flatMap(({ task, rows }) => rows.map((cells) => row(task, ...cells))),
    "",
  ].join("\n");
}
