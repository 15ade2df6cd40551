/** The people of a study: for each task its test and dev users, and each one's placebo. */

import path from "node:path";
import { InputError } from "../../errors.ts";
import { GENERATED } from "../tasks/generated.ts";
import { bayes, TASKS, task as taskByName } from "../tasks/index.ts";
import { readLamp } from "../tasks/lamp.ts";
import { lampTask } from "../tasks/lamp_users.ts";
import type { Dials, Item, Task, User } from "../tasks/types.ts";
import { historyItems, testItems } from "../tasks/types.ts";
import type { Row } from "./row.ts";
import type { Study, TaskList } from "./study_file.ts";

/** A single user has no spread, and no other user for a placebo. */
const USERS_MIN = 2;

export interface Person {
  readonly user: User;
  /** Where the study has arms with a placebo history, which test users run. */
  readonly placebo: User | undefined;
  readonly split: "dev" | "test";
}

/** A task of a study and everybody who is asked to do it. */
export interface StudyTask {
  readonly task: Task;
  readonly people: readonly Person[];
}

/** Tasks that study files may name. */
export const taskList: TaskList = Object.fromEntries(
  TASKS.map((name) => [name, (GENERATED as readonly string[]).includes(name) ? "generated" : "real"]),
);

/** The task under its name in the study, with its dials or from its files. */
export function studyTask(study: Study, name: string): Task {
  const { task, questions, outputs, topics, synonyms, noise, locality } = study.tasks[name];
  const file = (relative: string) => path.resolve(study.directory, relative);
  if (questions !== undefined)
    return lampTask(readLamp(file(questions), outputs && file(outputs), task), study.dev_users);
  const dials = Object.fromEntries(
    Object.entries({ topics, synonyms, noise, locality }).filter(([, value]) => value !== undefined),
  ) as Partial<Dials>;
  return taskByName(task ?? name, dials);
}

/** Test users, then dev users; all have the longest history that any cell asks for. */
export function cohort(study: Study, task: Task, name: string, seed: number, users: number): Person[] {
  const blocks = study.grid.filter((block) => !block.task || block.task.includes(name));
  const history = Math.max(0, ...blocks.flatMap((block) => block.h ?? []));
  const options = { history, tests: study.items_per_user };
  const compared = blocks.some((block) => block.history.includes("placebo"));
  const people = (split: "dev" | "test", count: number): Person[] =>
    task.users(seed, count, split, options).map((user) => ({
      user,
      placebo: compared && split === "test" ? task.placebo(user) : undefined,
      split,
    }));
  const tested = people("test", users);
  if (tested.length < USERS_MIN)
    throw new InputError(
      `${study.whereIs(["tasks", name])}: ${name} has ${tested.length} test users with ${history} history items; at least ${USERS_MIN} are needed beside ${study.dev_users} dev users`,
    );
  return [...tested, ...people("dev", study.dev_users)];
}

/** Whose items a cell's methods see, and its `h` latest before the test items. */
export function historyOf(
  { user, placebo }: Person,
  { history, h }: { history: "own" | "placebo"; h: number },
) {
  const owner = history === "own" ? user : placebo!;
  return { owner, items: h > 0 ? historyItems(owner, h) : [] };
}

/** The mean over the test items of the exact accuracy and the bits left, without history and with the user's own h items. */
export function bayesBounds(task: Task, user: User, h: number): Row["bayes"] {
  const queries = testItems(user);
  if (!task.predictive) return null;
  const known = (seen: readonly Item[]) => queries.map((query) => bayes(task, user, seen, query)!);
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const [without, given] = [known([]), known(h > 0 ? historyItems(user, h) : [])];
  return {
    accuracy_0: mean(without.map(({ accuracy }) => accuracy)),
    accuracy_h: mean(given.map(({ accuracy }) => accuracy)),
    bits_0: mean(without.map(({ bits }) => bits)),
    bits_h: mean(given.map(({ bits }) => bits)),
  };
}
