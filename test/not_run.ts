/** A reporter: what was skipped, by the reason in its name, as the last words of a run. */
import type { Reporter, TestModule } from "vitest/node";

/** The reason that a test or one of its groups gives in parentheses: `(skipped: …)`, `(needs …)`. */
export function reasonOf(fullName: string): string {
  for (const part of fullName.split(" > ")) {
    const at = part.search(/\((skipped|needs)\b/);
    if (at >= 0) return part.slice(at + 1, part.lastIndexOf(")")).replace(/^skipped(: | )/, "");
  }
  return "no reason given";
}

/** One line a reason, the commonest first. */
export function linesOf(fullNames: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const name of fullNames) counts.set(reasonOf(name), (counts.get(reasonOf(name)) ?? 0) + 1);
  const lines = [...counts].sort(([, a], [, b]) => b - a).map(([reason, count]) => `  ${count}: ${reason}`);
  return fullNames.length
    ? [`${fullNames.length} ${fullNames.length === 1 ? "test was" : "tests were"} not run here`, ...lines]
    : [];
}

export default class NotRun implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const skipped = modules.flatMap((module) => [...module.children.allTests("skipped")]);
    // A run of a few tests by name leaves out all the others.
    if (process.argv.some((word) => word === "-t" || word.startsWith("--testNamePattern"))) return;
    const lines = linesOf(skipped.map(({ fullName }) => fullName));
    if (lines.length) process.stdout.write(`\n${lines.join("\n")}\n`);
  }
}
