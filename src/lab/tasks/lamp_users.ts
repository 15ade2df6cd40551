import { LAMP, type LampName, type LampSample, type LampSet } from "./lamp.ts";
import type { Item, Split, Task, User } from "./types.ts";

/** From LaMP samples to users and back: the profile is the history, the question the test item. */

const ACCURACY: readonly LampName[] = ["LaMP_1", "LaMP_2", "LaMP_2N", "LaMP_3"];

/** A task whose users are the samples of one set; `base`, `dev` and `test` are the benchmark's train, dev and test files. */
export function lampTask(set: LampSet, split: Split): Task {
  const users = lampUsers(set, split);
  return {
    name: set.name,
    source: "real",
    metric: ACCURACY.includes(set.name) ? "accuracy" : "bits_per_byte",
    mark: LAMP[set.name].input === "" ? "-" : ":",
    users: (_seed, count, wanted) => (wanted === split ? users.slice(0, count) : []),
    placebo(user) {
      const at = users.findIndex(({ id }) => id === user.id);
      const other = users[(at + 1) % users.length];
      const own = user.items.length - user.tests;
      const theirs = other.items.slice(0, other.items.length - other.tests).slice(-own);
      const tests = user.items.slice(own).map((item, i) => ({ ...item, time: theirs.length + i }));
      return { ...user, id: `${user.id}-placebo`, items: [...theirs, ...tests] };
    },
  };
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
    return { id, date, time, input: text, output, options, fields: rest };
  });
}

function queryItem(name: LampName, { id, input, output }: LampSample, time: number): Item {
  return { id, time, input: queryText(name, input), output: output ?? "", options: optionsOf(name, input) };
}

/** The text that a question asks about: what stands behind its fixed sentence. LaMP_1 keeps titles and candidates. */
export function queryText(name: LampName, input: string): string {
  const { before } = LAMP[name];
  const at = input.indexOf(before);
  const rest = at >= 0 ? input.slice(at + before.length) : input.slice(input.indexOf(":") + 1);
  return rest.trim();
}

/** The fixed answers, or those that the question lists: `tags: [a, b, c]`, `categories: [...]`. */
function optionsOf(name: LampName, input: string): string[] | undefined {
  const { options } = LAMP[name];
  if (options) return [...options];
  const listed = /(?:tags|categories): \[([^\]]*)\]/.exec(input);
  return listed ? listed[1].split(",").map((option) => option.trim()) : undefined;
}
