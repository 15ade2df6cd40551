/** The study file: YAML, checked before anything runs. Whatever is wrong with it is said at once, each with file:line, rule and value. */
import fs from "node:fs";
import path from "node:path";
import type { z } from "zod";
import { InputError, systemWords } from "../../errors.ts";
import { modelPathOf } from "../../llm/files/cached_models.ts";
import { Complaints, complainOfSchema, type WhereIs } from "./complaints.ts";
import { digest } from "./settings.ts";
import { checkFiles, checkNames, checkSelectors, dataOf } from "./study_checks.ts";
import { studySchema } from "./study_schema.ts";
import { readYaml } from "./study_yaml.ts";

export { type Block, GUIDELINES, type Guideline, type Selector, type StudyInput } from "./study_schema.ts";

export interface Study extends z.infer<typeof studySchema> {
  /** Where the users of each task of the study come from. */
  data: TaskList;
  /** Where its relative paths start. */
  directory: string;
  /** The place of a path of keys in the study file, for messages. */
  whereIs: WhereIs;
}
export type Contrast = Study["contrasts"][number];

/** Task names that exist, and whether their users are generated or real. */
export type TaskList = Readonly<Record<string, "generated" | "real">>;

/** Reads and checks a study file, and that the files which it names can be read. Throws InputError. */
export function readStudy(file: string, tasks: TaskList): Study {
  let text: string;
  try {
    text = fs.readFileSync(file, "utf8");
  } catch (error) {
    throw new InputError(`${file}: cannot be read: ${systemWords(error)}`);
  }
  return parse(text, file, tasks, checkFiles);
}

/** `name` is the file's path: for messages, and relative paths in it start there. */
export function parseStudy(text: string, name: string, tasks: TaskList): Study {
  return parse(text, name, tasks);
}

function parse(text: string, name: string, tasks: TaskList, more?: typeof checkFiles): Study {
  const yaml = readYaml(text);
  const complaints = new Complaints((path) => `${name}:${yaml.lineOf(path)}`);
  for (const { line, text } of yaml.complaints) complaints.addAt(`${name}:${line}`, text);
  if (yaml.value === undefined) complaints.refuse();
  return check(yaml.value, complaints, tasks, path.dirname(name), more);
}

/** Checks a study that is already an object; `whereIs` names the place of a path in messages, relative paths start at `directory`. */
export function checkStudy(input: unknown, whereIs: WhereIs, tasks: TaskList, directory = "."): Study {
  return check(input, new Complaints(whereIs), tasks, directory);
}

function check(
  input: unknown,
  complaints: Complaints,
  tasks: TaskList,
  directory: string,
  more?: typeof checkFiles,
): Study {
  const parsed = studySchema.safeParse(input);
  if (!parsed.success) complainOfSchema(complaints, studySchema, input, parsed.error.issues);
  checkNames(complaints, input, tasks);
  more?.(complaints, input, directory);
  checkSelectors(complaints, input, tasks);
  complaints.refuse();
  const study = parsed.data!;
  return { ...study, data: dataOf(study, tasks), directory, whereIs: complaints.whereIs };
}

/** Each model's name and file; the file may be named as it is in the cache. */
export function modelPaths({ models, directory }: Study): [string, string][] {
  return Object.entries(models).map(([name, file]) => [name, modelPathOf(file, directory)]);
}

/** Names what rows of one results file must have in common: tasks with their dials, models, items per user. */
export function studyDigest({ tasks, models, items_per_user }: Study): string {
  return digest([tasks, models, items_per_user]);
}

/** Names the primary contrasts, so that a row tells which were declared when it was measured. */
export function declaredDigest({ contrasts }: Study): string {
  return digest(contrasts);
}
