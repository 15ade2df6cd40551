/** What is said where a study has other users than it was asked for, or than it began with. */
import type { StudyTask } from "./cohort.ts";
import type { Row } from "./row.ts";

/** Numbers of users that rows were measured with, as they were asked for, ascending. */
export function usersAsked(rows: readonly Row[]): number[] {
  return [...new Set(rows.map(({ planned }) => planned.asked))].sort((a, b) => a - b);
}

/** A run that goes on with another number of users than the rows before it, or than it was told. */
export function usersSince(
  rows: readonly Row[],
  users: number,
  told: number | undefined,
): string | undefined {
  const before = usersAsked(rows);
  if (before.length === 0) return undefined;
  if (before.some((count) => count !== users))
    return `its rows so far are of ${before.join(", then ")} users a task, and ${users} are asked for now: all rows stay and count, and since results could be looked at in between, all verdicts are exploratory`;
  return told !== undefined && told !== users
    ? `it goes on with the ${users} users a task that it began with, not ${told}: with a time budget their number is fixed by the first run`
    : undefined;
}

/** A time budget (seconds) that does not reach for everybody. */
export function usersWithin(budget: number, users: number, asked: number): string | undefined {
  return users < asked
    ? `the time budget of ${budget} s is enough for ${users} of ${asked} users a task`
    : undefined;
}

/** Tasks that have fewer people than are asked for. */
export function usersMissing(tasks: ReadonlyMap<string, StudyTask>, asked: number): string | undefined {
  const found = [...tasks].map(([name, { people }]) => ({
    name,
    count: people.filter(({ split }) => split === "test").length,
  }));
  const fewer = found.filter(({ count }) => count < asked);
  if (fewer.length === 0) return undefined;
  return `of ${asked} test users, ${fewer.map(({ name, count }) => `${name} has ${count}`).join(", ")}`;
}
