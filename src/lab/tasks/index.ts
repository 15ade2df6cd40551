import { InputError } from "../../errors.ts";
import { type Difficulty, difficulty } from "./bayes.ts";
import { GENERATED, type GeneratedName, generatedTask } from "./generated.ts";
import { SOTU, type SotuName, sotuTask } from "./sotu.ts";
import { type Dials, historyItems, type Item, type Task, testItems, type User } from "./types.ts";

export const TASKS: readonly string[] = [...GENERATED, ...SOTU];

/** A task by name; dials change a generated one. Throws an InputError that names the known tasks. */
export function task(name: string, dials: Partial<Dials> = {}): Task {
  if ((GENERATED as readonly string[]).includes(name)) return generatedTask(name as GeneratedName, dials);
  if ((SOTU as readonly string[]).includes(name)) return sotuTask(name as SotuName);
  throw new InputError(`tasks: there is no task "${name}"; there are ${TASKS.join(", ")}`);
}

/** Bayes accuracy and remaining bits of one query given what was seen; undefined on real text. */
export function bayes(task: Task, user: User, seen: readonly Item[], query: Item): Difficulty | undefined {
  return task.predictive && difficulty(task.predictive(user, seen, query));
}

/** The mean over all test items of all users with the `stored` last items of the history at hand: H₀ is `stored` 0. */
export function taskDifficulty(task: Task, users: readonly User[], stored: number): Difficulty | undefined {
  if (!task.predictive) return undefined;
  const all = users.flatMap((user) =>
    testItems(user).map((query) => difficulty(task.predictive!(user, historyItems(user, stored), query))),
  );
  const mean = (of: (d: Difficulty) => number) => all.reduce((sum, d) => sum + of(d), 0) / all.length;
  return { accuracy: mean((d) => d.accuracy), bits: mean((d) => d.bits) };
}
