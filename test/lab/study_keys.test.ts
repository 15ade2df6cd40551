import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { studyKeys } from "../../src/lab/study/study_keys.ts";
import {
  contrastSchema,
  onSchema,
  selectorShape,
  studySchema,
  taskSchema,
} from "../../src/lab/study/study_schema.ts";
import { edgewise } from "../cli/command.ts";

const page = path.resolve(import.meta.dirname, "../../studies/keys.md");

test("the reference of the keys is what the schema says today: edgewise study --keys > studies/keys.md", async () => {
  const { code, stdout } = await edgewise(["study", "--keys"]);
  expect([code, stdout]).toEqual([0, studyKeys()]);
  expect(readFileSync(page, "utf8")).toBe(studyKeys());
});

test("it has every key once in its section, with meaning, values and what holds without it", () => {
  const sections = studyKeys().split("\n## ").slice(1);
  const schemas = [studySchema, taskSchema, undefined, contrastSchema, onSchema];
  expect(sections.length).toBe(schemas.length);
  sections.forEach((section, i) => {
    const rows = section.split("\n").filter((line) => line.startsWith("| `"));
    const keys = rows.map((row) => /^\| `(\w+)`/.exec(row)![1]);
    expect(new Set(keys).size).toBe(keys.length);
    const { [i]: schema } = schemas;
    if (schema) expect(keys).toEqual(Object.keys(schema.shape));
    for (const row of rows) expect(row.split(" | ").every((cell) => /\w/.test(cell))).toBe(true);
  });
  expect(Object.keys(selectorShape).length).toBe(Object.keys(onSchema.shape).length - 1);
});
