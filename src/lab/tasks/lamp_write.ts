import { type Difficulty, difficulty } from "./bayes.ts";
import { LAMP, type LampName, type LampSet } from "./lamp.ts";
import { lampUsers } from "./lamp_items.ts";
import { historyItems, type Item, type Task, testItems, type User } from "./types.ts";

/** Generated users as LaMP files, and what LaMP has no place for in a third file beside them. */
export interface LampFiles {
  /** `*_questions.json` */
  questions: unknown[];
  /** `*_outputs.json` */
  outputs: { task: LampName; golds: { id: string; output: string }[] };
  /** `*_bayes.json` */
  sidecar: Sidecar;
}

export interface Sidecar {
  users: Record<string, Pick<User, "task" | "split" | "origin">>;
  /** per item of any kind: what the generator put in, and the options where they differ from item to item */
  items: Record<string, Pick<Item, "facts" | "options" | "date">>;
  /** per question and history stored: the Bayes accuracy and the bits that remain */
  bayes: Record<string, Record<string, Difficulty>>;
}

/** The LaMP task whose files a generated task uses: a tag for a description, or a headline for an article. */
export function lampNameOf(task: Pick<Task, "name">): LampName {
  return task.name === "template" ? "LaMP_4" : "LaMP_2";
}

/** Every test item is a question with the whole history as its profile. `stored`: the history sizes of the sidecar. */
export function lampFiles(
  task: Task,
  users: readonly User[],
  stored: readonly number[] = [0, 8, 64],
): LampFiles {
  const name = lampNameOf(task);
  const files: LampFiles = {
    questions: [],
    outputs: { task: name, golds: [] },
    sidecar: { users: {}, items: {}, bayes: {} },
  };
  for (const user of users) {
    files.sidecar.users[user.id] = { task: user.task, split: user.split, origin: user.origin };
    for (const { id, facts, options, date } of user.items) files.sidecar.items[id] = { facts, options, date };
    const profile = historyItems(user, user.items.length).map((item) => profileItem(name, item));
    for (const query of testItems(user)) {
      files.questions.push({ id: query.id, input: questionText(name, query), profile, user_id: user.id });
      files.outputs.golds.push({ id: query.id, output: query.output });
      if (task.predictive) files.sidecar.bayes[query.id] = bayesOf(task, user, query, stored);
    }
  }
  return files;
}

function bayesOf(task: Task, user: User, query: Item, stored: readonly number[]): Record<string, Difficulty> {
  return Object.fromEntries(
    stored.map((h) => [h, difficulty(task.predictive!(user, historyItems(user, h), query))]),
  );
}

function profileItem(name: LampName, { id, date, input, output }: Item): Record<string, string | undefined> {
  return { id, [LAMP[name].input]: input, [LAMP[name].output]: output, date };
}

function questionText(name: LampName, { input, options }: Item): string {
  if (name === "LaMP_4") return `Generate a headline for the following article: ${input}`;
  return `Which tag does this movie relate to among the following tags? Just answer with the tag name without further explanation. tags: [${options!.join(", ")}] description: ${input}`;
}

/** The users that `lampFiles` wrote, from the set read and the sidecar. */
export function generatedUsersFrom(set: LampSet, sidecar: Sidecar): User[] {
  return lampUsers(set, "test").map(({ person: _, ...user }) => {
    const known = sidecar.users[user.id];
    return {
      ...user,
      ...known,
      items: user.items.map(({ fields, search, subject, ...item }) => ({
        ...item,
        ...sidecar.items[item.id],
      })),
    };
  });
}
