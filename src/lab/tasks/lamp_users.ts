import { createHash } from "node:crypto";
import { InputError } from "../../errors.ts";
import { subjectOf, textKey } from "./copies.ts";
import { LAMP, type LampName, type LampSample, type LampSet } from "./lamp.ts";
import { lampUsers, optionsOf } from "./lamp_items.ts";
import { historyItems, type Item, type Task, testItems, type User } from "./types.ts";

/** Of all sets of LaMP: raised whenever a file gives other users or items than before. */
const VERSION = 2;

const ACCURACY: readonly LampName[] = ["LaMP_1", "LaMP_2", "LaMP_2N", "LaMP_3"];

/**
 * A task whose people are those of one set, the last `dev` of the file dev users however much history is asked for. Only who has as many profile
 * items as are asked for takes part, with the latest of them. Raises an InputError for a question without an answer, or without options where the
 * set is about choosing.
 */
export function lampTask(set: LampSet, dev = 0): Task {
  const { name } = set;
  const metric = ACCURACY.includes(name) ? "accuracy" : "bits_per_byte";
  for (const sample of set.samples) checkQuestion(name, sample, metric === "accuracy");
  const all = lampUsers(set, "test").map(withoutCopies);
  const people = withRoles(all, dev);
  return {
    name,
    version: VERSION,
    source: "real",
    data: () => samplesDigest(set),
    metric,
    mark: LAMP[name].input === "" ? "-" : ":",
    users: (_seed, count, split, { history = 0, tests = Infinity } = {}) =>
      people
        .filter((user) => user.split === split && lengthOf(user) >= history)
        .slice(0, count)
        .map((user) => latest(user, history, tests)),
    placebo: (user) => placebo(name, people, user),
  };
}

/** People of one name may be several users, each with a profile of another day: they are dev users together. */
function withRoles(users: readonly User[], dev: number): User[] {
  const developers = new Set(users.slice(Math.max(0, users.length - dev)).map(personOf));
  return users.map((user): User => ({ ...user, split: developers.has(personOf(user)) ? "dev" : "test" }));
}

const personOf = ({ person, id }: User) => person ?? id;
const lengthOf = ({ items, tests }: User) => items.length - tests;

/** The next other person of the same role, or else of the other one, who has as many items without what the user is asked about. */
function placebo(name: LampName, people: readonly User[], user: User): User {
  const at = people.findIndex(({ id }) => id === user.id);
  const ring = [...people.slice(at + 1), ...people.slice(0, at)].filter(
    (u) => personOf(u) !== personOf(user),
  );
  const others = [
    ...ring.filter(({ split }) => split === user.split),
    ...ring.filter((u) => u.split !== user.split),
  ];
  const asked = askedIn(testItems(user));
  const count = lengthOf(user);
  for (const other of others) {
    const history = historyItems(other, other.items.length).filter(
      (item) => !asked.has(textKey(subjectOf(item))),
    );
    if (history.length < count) continue;
    const items = history.slice(history.length - count).map((item, time) => ({ ...item, time }));
    return { ...user, id: other.id, items: [...items, ...testItems(user)] };
  }
  throw new InputError(
    `${name}: nobody else has ${count} items that do not say what ${user.id} is asked about, as a placebo must; use a smaller h, or more people`,
  );
}

/** Keys of all that these questions are about. */
function askedIn(questions: readonly Item[]): Set<string> {
  return new Set(
    questions
      .flatMap((item) => [subjectOf(item), item.input])
      .filter(Boolean)
      .map(textKey),
  );
}

/** Without profile items that say what stands in the profile before, or what a question asks about: a later copy would give it away. */
function withoutCopies(user: User): User {
  const tests = testItems(user);
  const seen = askedIn(tests);
  const history = historyItems(user, user.items.length).filter((item) => {
    const key = textKey(subjectOf(item));
    return !seen.has(key) && seen.add(key);
  });
  return renumbered(user, history, tests);
}

/** The last `history` profile items and the last `tests` questions. */
function latest(user: User, history: number, tests: number): User {
  return renumbered(user, historyItems(user, history || user.items.length), testItems(user).slice(-tests));
}

function renumbered(user: User, history: readonly Item[], tests: readonly Item[]): User {
  const items = [...history, ...tests].map((item, time) => ({ ...item, time }));
  return { ...user, items, tests: tests.length };
}

function samplesDigest({ samples }: LampSet): string {
  const hash = createHash("sha256");
  for (const sample of samples) hash.update(`${JSON.stringify(sample)}\n`);
  return hash.digest("hex").slice(0, 16);
}

function checkQuestion(name: LampName, { id, input, output }: LampSample, choosing: boolean): void {
  if (output === undefined) throw new InputError(`${name}: question "${id}" has no output to compare with`);
  if (!choosing) {
    if (output === "")
      throw new InputError(`${name}: the output of question "${id}" is empty: there is nothing to predict`);
    return;
  }
  const options = optionsOf(name, input);
  if (!options)
    throw new InputError(`${name}: question "${id}" lists no answers to choose from, such as "tags: [a, b]"`);
  if (!options.includes(output))
    throw new InputError(
      `${name}: the output "${output}" of question "${id}" is none of its answers: ${options.join(", ")}`,
    );
}
