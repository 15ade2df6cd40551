import { createHash } from "node:crypto";
import { InputError } from "../../errors.ts";
import { LAMP, type LampName, type LampSample, type LampSet } from "./lamp.ts";
import { historyItems, type Item, type Split, type Task, testItems, type User } from "./types.ts";

/** From LaMP samples to users and back: the profile is the history, the question the test item. */

/** Of all sets of LaMP: raised whenever a file gives other users or items than before. */
const VERSION = 2;

const ACCURACY: readonly LampName[] = ["LaMP_1", "LaMP_2", "LaMP_2N", "LaMP_3"];

/**
 * A task whose people are those of one set, the last `dev` of them dev users. Only who has as many profile items as are asked for takes part,
 * with the latest of them. Raises an InputError for a question without an answer, or without options where the set is about choosing.
 */
export function lampTask(set: LampSet, dev = 0): Task {
  const { name } = set;
  const metric = ACCURACY.includes(name) ? "accuracy" : "bits_per_byte";
  for (const sample of set.samples) checkQuestion(name, sample, metric === "accuracy");
  const all = lampUsers(set, "test").map(withoutRepeats);
  const people = (split: Split, history: number) => {
    const enough = all.filter((user) => user.items.length - user.tests >= history);
    const tests = Math.max(0, enough.length - dev);
    if (split === "base") return [];
    return split === "test" ? enough.slice(0, tests) : enough.slice(tests);
  };
  return {
    name,
    version: VERSION,
    source: "real",
    data: () => samplesDigest(set),
    metric,
    mark: LAMP[name].input === "" ? "-" : ":",
    users: (_seed, count, split, { history = 0, tests = Infinity } = {}) =>
      people(split, history)
        .slice(0, count)
        .map((user) => ({ ...latest(user, history, tests), split })),
    placebo(user) {
      const own = user.items.length - user.tests;
      const others = people(user.split, own);
      const other = others[(others.findIndex(({ id }) => id === user.id) + 1) % others.length];
      const history = historyItems(other, own).map((item, time) => ({ ...item, time }));
      return { ...user, id: other.id, items: [...history, ...testItems(user)] };
    },
  };
}

function samplesDigest({ samples }: LampSet): string {
  const hash = createHash("sha256");
  for (const sample of samples) hash.update(`${JSON.stringify(sample)}\n`);
  return hash.digest("hex").slice(0, 16);
}

function checkQuestion(name: LampName, { id, input, output }: LampSample, choosing: boolean): void {
  if (output === undefined) throw new InputError(`${name}: question "${id}" has no output to compare with`);
  if (!choosing) return;
  const options = optionsOf(name, input);
  if (!options)
    throw new InputError(`${name}: question "${id}" lists no answers to choose from, such as "tags: [a, b]"`);
  if (!options.includes(output))
    throw new InputError(
      `${name}: the output "${output}" of question "${id}" is none of its answers: ${options.join(", ")}`,
    );
}

/** Without profile items that stand in the profile before, or whose text a question asks about: a later copy would give it away. */
function withoutRepeats(user: User): User {
  const tests = testItems(user);
  const seen = new Set(tests.map(textOf));
  const history = historyItems(user, user.items.length).filter(
    (item) => !seen.has(textOf(item)) && seen.add(textOf(item)),
  );
  return renumbered(user, history, tests);
}

const textOf = ({ input, output }: Item) => input || output;

/** The last `history` profile items and the last `tests` questions. */
function latest(user: User, history: number, tests: number): User {
  return renumbered(user, historyItems(user, history || user.items.length), testItems(user).slice(-tests));
}

function renumbered(user: User, history: readonly Item[], tests: readonly Item[]): User {
  const items = [...history, ...tests].map((item, time) => ({ ...item, time }));
  return { ...user, items, tests: tests.length };
}

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
    return { id, task: name, split, items: [...items, ...tests], tests: tests.length };
  });
}

function profileItems(name: LampName, { input, profile }: LampSample): Item[] {
  const format = LAMP[name];
  const options = name === "LaMP_1" ? undefined : optionsOf(name, input);
  return profile.map((entry, time) => {
    const { id, date, ...fields } = entry;
    const { [format.input]: text = "", [format.output]: output, ...rest } = fields;
    const search = format.search.map((field) => fields[field]).join(" ");
    return { id, date, time, input: text, output, search, options, fields: rest };
  });
}

function queryItem(name: LampName, { id, input, output = "" }: LampSample, time: number): Item {
  const cited = name === "LaMP_1" ? citation(input) : undefined;
  const search = cited?.references.join(" ");
  return { id, time, input: queryText(name, input), output, search, options: optionsOf(name, input) };
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
function optionsOf(name: LampName, input: string): string[] | undefined {
  const { options } = LAMP[name];
  if (options) return [...options];
  const listed = /(?:tags|categories): \[([^\]]*)\]/.exec(input);
  return listed ? listed[1].split(",").map((option) => option.trim()) : undefined;
}
