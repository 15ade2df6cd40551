import { LAMP, type LampName, type LampSample, type LampSet } from "./lamp.ts";
import type { Item, Split, User } from "./types.ts";

/** From LaMP samples to users: the profile is the history, the question the test item. */

/** One user for all questions with one user_id and one profile; a question without user_id is a user of its own. */
export function lampUsers({ name, samples }: LampSet, split: Split): User[] {
  const groups = new Map<string, LampSample[]>();
  for (const sample of samples) {
    const key = JSON.stringify([sample.userId ?? sample.id, sample.profile.map((item) => item.id)]);
    groups.set(key, [...(groups.get(key) ?? []), sample]);
  }
  const ids = new Set<string>();
  return [...groups.values()].map((group) => {
    const wanted = group[0].userId ?? group[0].id;
    const id = ids.has(wanted) ? `${wanted}/${group[0].id}` : wanted;
    ids.add(id);
    const items = profileItems(name, group[0]);
    const tests = group.map((sample, i) => queryItem(name, sample, items.length + i));
    return { id, task: name, split, person: wanted, items: [...items, ...tests], tests: tests.length };
  });
}

function profileItems(name: LampName, { input, profile }: LampSample): Item[] {
  const format = LAMP[name];
  const options = name === "LaMP_1" ? undefined : optionsOf(name, input);
  return profile.map((entry, time) => {
    const { id, date, ...fields } = entry;
    const { [format.input]: text = "", [format.output]: output, ...rest } = fields;
    const search = format.search.map((field) => fields[field]).join(" ");
    return { id, date, time, input: text.trim(), output: output.trim(), search, options, fields: rest };
  });
}

function queryItem(name: LampName, { id, input, output = "" }: LampSample, time: number): Item {
  const query = { id, time, input: queryText(name, input), output, options: optionsOf(name, input) };
  if (name === "LaMP_7") return { ...query, subject: output };
  const cited = name === "LaMP_1" ? citation(input) : undefined;
  return cited ? { ...query, search: cited.references.join(" "), subject: cited.title } : query;
}

/** The text that a question asks about: what stands behind its fixed sentence. LaMP_1 keeps titles and candidates. */
export function queryText(name: LampName, input: string): string {
  const { before } = LAMP[name];
  const at = input.indexOf(before);
  const rest = at >= 0 ? input.slice(at + before.length) : input.slice(input.indexOf(":") + 1);
  return rest.trim();
}

/** The titles in a question of LaMP_1: of the paper, and of the two that it may cite. Titles may have quotes of their own. */
function citation(input: string): { title: string; references: string[] } | undefined {
  const found = /title "(.*)", which reference.*?\[1\]: "(.*)" \[2\]: "(.*)"\s*$/s.exec(input);
  return found ? { title: found[1], references: [found[2], found[3]] } : undefined;
}

/** The fixed answers, or those that the question lists: `tags: [a, b, c]`, `categories: [...]`. */
export function optionsOf(name: LampName, input: string): string[] | undefined {
  const { options } = LAMP[name];
  if (options) return [...options];
  const listed = /(?:tags|categories): \[([^\]]*)\]/.exec(input);
  return listed ? listed[1].split(",").map((option) => option.trim()) : undefined;
}
