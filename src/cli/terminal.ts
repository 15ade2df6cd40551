/** How the commands look: colours where there is a terminal, tables and bars within 100 columns. */
import { styleText } from "node:util";
import Table from "cli-table3";

export const COLUMNS = 100;

type Style = Parameters<typeof styleText>[0];

/** `text` in a style, if the stream is a terminal that has colours (and NO_COLOR is not set). */
export function styled(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return stream.isTTY && stream.hasColors() ? styleText(style, text) : text;
}

export const heading = (text: string) => styled("bold", text);
export const dim = (text: string) => styled("dim", text);

/** `key  value` lines, the values under each other. */
export function facts(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([key]) => key.length));
  return rows.map(([key, value]) => `  ${dim(key.padEnd(width))}  ${value}`).join("\n");
}

/** Columns under each other; a heading that begins with `>` stands for a column of numbers. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const none = { mid: "", "top-mid": "", "bottom-mid": "", "mid-mid": "", "left-mid": "", "right-mid": "" };
  const edges = { top: "", bottom: "", left: "", right: "", "top-left": "", "top-right": "" };
  const out = new Table({
    head: headings.map((text) => dim(text.replace(/^>/, ""))),
    colAligns: headings.map((text) => (text.startsWith(">") ? "right" : "left")),
    chars: { ...none, ...edges, "bottom-left": "", "bottom-right": "", middle: "" },
    style: { head: [], border: [], "padding-left": 2, "padding-right": 0 },
  });
  out.push(...rows.map((row) => [...row]));
  return out
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

/** Lines under a table, each reason once: `gate, up: rows of 36 are no whole blocks of 32`. */
export function notes(reasons: readonly (readonly [what: string, reason: string])[]): string {
  const given = [...new Set(reasons.map(([, reason]) => reason))].filter(Boolean);
  const lines = given.map((reason) => {
    const names = reasons.filter(([, other]) => other === reason).map(([what]) => what);
    return `  ${names.length === reasons.length ? "all" : names.join(", ")}: ${reason}`;
  });
  return lines.length ? dim(`\n\n${lines.join("\n")}`) : "";
}

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** A bar of up to `width` characters in steps of an eighth; nothing that is there is invisible. */
export function bar(share: number, width: number): string {
  const eighths = Math.max(share > 0 ? 1 : 0, Math.round(share * width * 8));
  return "█".repeat(eighths >> 3) + EIGHTHS[eighths & 7];
}

/** 1,234,567 */
export function grouped(value: number): string {
  return value.toLocaleString("en-US");
}

/** 1 row, 2 rows; 1 pass, 2 passes */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${grouped(count)} ${count === 1 ? noun : plural}`;
}

/** 263.9 k, 1.23 M, 135 M: three figures. */
export function short(value: number): string {
  const units = ["", " k", " M", " G", " T"];
  const power = value < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(value) / 3));
  return `${power ? figures(value / 1000 ** power) : Math.round(value)}${units[power]}`;
}

/** Three significant figures without an exponent. */
export function figures(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(digits, 6));
}

/** 3.21 s, 45.6 ms, 7.89 µs */
export function duration(seconds: number): string {
  if (seconds >= 1) return `${figures(seconds)} s`;
  return seconds >= 1e-3 ? `${figures(seconds * 1e3)} ms` : `${figures(seconds * 1e6)} µs`;
}

/** Lines of at most `width` characters, broken at blanks; all but the first are indented. */
export function wrapped(text: string, width: number, indent: number): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/(?<=\S) /)) {
    const longer = line ? `${line} ${word}` : word;
    if (longer.length <= width || !line) line = longer;
    else {
      lines.push(line);
      line = " ".repeat(indent) + word.trimStart();
    }
  }
  return [...lines, line].join("\n");
}
