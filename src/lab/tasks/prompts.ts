import type { Item, Task } from "./types.ts";

/**
 * The one shape of text that the models see, in pre-training, adaptation and evaluation alike:
 *
 *   a grand song about wolves: calm          ← shown items, the most similar last
 *   a quiet film about wolves:               ← the query; the answer " calm" is scored or generated
 *
 * One item a line, input, the task's mark, a space, output. Short on purpose: with single-token words a line is 7 to
 * 15 tokens, so that eight shown items fit far inside the trained context.
 */

/** What is before the answer in an item's line. */
export function question(task: Pick<Task, "mark">, item: Item): string {
  return `${item.input}${task.mark}`;
}

/** The answer as it follows the question: with the space before it, which belongs to its first token. */
export function answer(text: string): string {
  return ` ${text}`;
}

export function line(task: Pick<Task, "mark">, item: Item, output = item.output): string {
  return `${question(task, item)}${answer(output)}\n`;
}

/** The prompt for a query: the shown items in the order given, then the query up to where its answer begins. */
export function prompt(task: Task, shown: readonly Item[], query: Item): string {
  const lines = shown.map((item) => line(task, item, shorten(item.output, task.shownCharacters)));
  return lines.join("") + question(task, query);
}

/** At most `most` characters, cut at the end of a word where there is one. */
export function shorten(text: string, most = Number.POSITIVE_INFINITY): string {
  if (text.length <= most) return text;
  const cut = text.lastIndexOf(" ", most);
  return text.slice(0, cut > 0 ? cut : most);
}
