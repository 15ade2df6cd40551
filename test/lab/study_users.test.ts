/** A changed number of people is said, while a study runs and beside its verdicts; so is what is not finished. */
import { expect, test } from "vitest";
import { summaryMarkdown } from "../../src/lab/report/summary.ts";
import { usersMissing, usersSince, usersWithin } from "../../src/lab/study/users.ts";
import { studyVerdicts } from "../../src/lab/study/verdicts.ts";
import { demoRows, demoStudy } from "./demo_rows.ts";

const rows = demoRows();
const asked = rows[0].planned.asked;
const warnings = (of: typeof rows) => studyVerdicts(demoStudy, of).warnings.join("\n");

test("going on with more or fewer users", () => {
  expect(usersSince([], 12, undefined)).toBeUndefined();
  expect(usersSince(rows, asked, asked)).toBeUndefined();
  expect(usersSince(rows, asked + 4, undefined)).toContain(
    `its rows so far are of ${asked} users a task, and ${asked + 4} are asked for now`,
  );
  expect(usersSince(rows, asked, asked + 4)).toContain(
    `the ${asked} users a task that it began with, not ${asked + 4}`,
  );
  const changed = rows.map((row, i) =>
    i < 5 ? { ...row, planned: { ...row.planned, asked: asked - 2 } } : row,
  );
  expect(warnings(changed)).toContain(`changed between runs (${asked - 2}, ${asked})`);
  expect(summaryMarkdown(demoStudy, studyVerdicts(demoStudy, changed))).toContain("changed between runs");
  expect(warnings(rows)).not.toContain("changed between runs");
});

test("a time budget that is not enough for all, and a task that has not so many", () => {
  expect(usersWithin(300, 14, 20)).toBe("the time budget of 300 s is enough for 14 of 20 users a task");
  expect(usersWithin(300, 20, 20)).toBeUndefined();
  const person = (split: "test" | "dev") => ({ split }) as never;
  const tasks = new Map([
    ["sotu", { people: [person("test"), person("test"), person("dev")] }],
    ["tags", { people: Array.from({ length: 3 }, () => person("test")) }],
  ]) as never;
  expect(usersMissing(tasks, 3)).toBe("of 3 test users, sotu has 2");
  expect(usersMissing(tasks, 2)).toBeUndefined();
});

test("cells without the rows of everybody are counted", () => {
  expect(warnings(rows)).not.toContain("not finished");
  expect(warnings(rows.slice(1))).toMatch(/not finished: (\d+) of (\d+) cells/);
});
