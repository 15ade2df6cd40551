/** The study file: YAML, checked before anything runs. Every complaint names file:line, the rule and the value. */
import fs from "node:fs";
import path from "node:path";
import { closest } from "fastest-levenshtein";
import { type Document, isNode, LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { InputError } from "../../errors.ts";
import { differences, expand, matching } from "./cells.ts";
import { COMPRESSIONS, digest, METHODS, methodSchema } from "./settings.ts";

const positive = z.int().min(1);

/** One value or a list of them; a study crosses all values of all factors. */
function axis<T extends z.ZodType>(value: T) {
  const list = z.array(value).min(1);
  return z.preprocess((given) => (given === undefined || Array.isArray(given) ? given : [given]), list);
}

const compression = z.enum(COMPRESSIONS);
const history = z.enum(["own", "placebo"]);

/** One block of the grid: the full crossing of its factors. What does not apply to a method is left out of it. */
const blockSchema = z.strictObject({
  /** default: every task */
  task: axis(z.string()).optional(),
  method: axis(methodSchema),
  history: axis(history).default(["own"]),
  compression: axis(compression).default(["f32"]),
  /** default: every model */
  model: axis(z.string()).optional(),
  h: axis(positive).optional(),
  k: axis(positive).default([8]),
  training_tokens: axis(positive).optional(),
  rank: axis(positive).default([8]),
  /** default: twice the rank */
  alpha: axis(z.number().positive()).optional(),
});

/** Picks cells: what is left out must have only one value in the grid. */
const selectorShape = {
  method: methodSchema.optional(),
  history: history.optional(),
  compression: compression.optional(),
  model: z.string().optional(),
  h: positive.optional(),
  /** best: of the grid's, the one that does best on dev users. */
  k: z.union([positive, z.literal("best")]).optional(),
  /** min, max: of the grid. plateau: the first level, on dev users, after which the next gains less than the margin. */
  training_tokens: z.union([positive, z.enum(["min", "max", "plateau", "4*plateau"])]).optional(),
  rank: positive.optional(),
  alpha: z.number().positive().optional(),
};
const selectorSchema = z.strictObject(selectorShape);
const onSchema = z.strictObject({ task: axis(z.string()), ...selectorShape });

const UNITS = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const;
const bytes = z.union([positive, z.string()]).transform((value, context) => {
  if (typeof value === "number") return value;
  const [, number, unit] = /^([\d.]+) ?(B|KiB|MiB|GiB)$/.exec(value) ?? [];
  if (number === undefined) context.addIssue(`must be bytes, such as 512MiB`);
  return Math.round(Number(number) * UNITS[unit as keyof typeof UNITS]);
});

const SECONDS = { s: 1, m: 60, h: 3600 } as const;
const duration = z.union([z.number().positive(), z.string()]).transform((value, context) => {
  if (typeof value === "number") return value;
  const [, number, unit] = /^([\d.]+) ?(s|m|h)$/.exec(value) ?? [];
  if (number === undefined) context.addIssue(`must be a time, such as 90s, 20m or 7h`);
  return Number(number) * SECONDS[unit as keyof typeof SECONDS];
});

export const GUIDELINES = ["G1", "G2", "G3", "G4", "G5", "G6"] as const;
export type Guideline = (typeof GUIDELINES)[number];

/** A primary contrast: what is claimed of a against b, on the same users. Declared before anything is measured. */
const contrastSchema = z
  .strictObject({
    id: z.string().regex(/^[\w.+-]+$/, "must be one word"),
    guideline: z.enum(GUIDELINES).optional(),
    /** beats: a > b, by the margin. gain-below: a gains less than the margin on b. no-worse: a ≥ b − margin. */
    claim: z.enum(["beats", "gain-below", "no-worse"]),
    a: selectorSchema.default({}),
    b: selectorSchema.default({}),
    on: onSchema,
    /** Several tasks: their mean, or the change of a − b from the easiest to the hardest along a straight line. */
    combine: z.enum(["mean", "slope"]).default("mean"),
    /** default: .10 of S (generated), .05 of accuracy (real), .02 of none's bits per byte */
    margin: z.number().positive().optional(),
    /** Tested only if the weights of a and b are of equal size, within 15 %. */
    equal_bytes: z.boolean().default(false),
    /** a: the best model (on dev users) that fits each limit; b: the strongest (last in `models`) that fits it. */
    limits: z.array(bytes).min(3, "must be at least 3 memory limits").optional(),
  })
  .check(({ value, issues }) => {
    const wrong = (path: string, message: string) =>
      issues.push({ code: "custom", path: [path], message, input: value });
    if (value.combine === "slope" && value.on.task.length < 2)
      wrong("combine", "a slope needs at least 2 tasks");
    if (value.limits && value.claim !== "gain-below")
      wrong("claim", "a regret over memory limits is a gain-below claim");
  });

/** A task by its name in the task list, or another name for it with its own dials. */
const taskSchema = z.strictObject({
  /** default: the name it has here */
  task: z.string().optional(),
  topics: positive.optional(),
  synonyms: z.union([z.literal(1), z.literal(2), z.literal(4)], { error: "must be 1, 2 or 4" }).optional(),
  noise: z.number().min(0).max(0.5).optional(),
  locality: z.number().min(0).max(1).optional(),
  /** Files in the LaMP format, their paths from where the study file is; `task` then names the format where no file does. */
  questions: z.string().optional(),
  outputs: z.string().optional(),
  /** Real tasks of one contrast in the order of difficulty; generated ones have their bits. */
  difficulty: z.number().optional(),
});

export const studySchema = z.strictObject({
  name: z.string().min(1),
  description: z.string().default(""),
  /** Test users: the unit of every verdict. */
  users: z.int().min(2),
  /** Other users on whom tasks are admitted and plateaus found, so that no verdict chooses on its own data. */
  dev_users: z.int().min(0).default(0),
  items_per_user: positive.default(16),
  seeds: axis(z.int()).default([1]),
  /** Name → GGUF file, the weakest first; its path starts where the study file is. */
  models: z
    .record(z.string(), z.string())
    .refine((models) => Object.keys(models).length > 0, "must name a model"),
  tasks: z.record(
    z.string(),
    taskSchema.nullable().transform((task) => task ?? {}),
  ),
  grid: axis(blockSchema),
  contrasts: z.array(contrastSchema).default([]),
  /** The run takes fewer users rather than longer than this. */
  time_budget: duration.optional(),
});

export type StudyInput = z.input<typeof studySchema>;
export interface Study extends z.infer<typeof studySchema> {
  /** Where the users of each task of the study come from. */
  data: TaskList;
  /** Where its relative paths start. */
  directory: string;
  /** The place of a path of keys in the study file, for messages. */
  whereIs: WhereIs;
}
export type Contrast = Study["contrasts"][number];
export type Block = Study["grid"][number];
export type Selector = z.infer<typeof selectorSchema>;

/** Task names that exist, and whether their users are generated or real. */
export type TaskList = Readonly<Record<string, "generated" | "real">>;

/** Reads and checks a study file. Throws InputError. */
export function readStudy(file: string, tasks: TaskList): Study {
  let text: string;
  try {
    text = fs.readFileSync(file, "utf8");
  } catch (error) {
    throw new InputError(`${file}: cannot be read: ${(error as Error).message}`);
  }
  return parseStudy(text, file, tasks);
}

/** `name` is the file's path: for messages, and relative paths in it start there. */
export function parseStudy(text: string, name: string, tasks: TaskList): Study {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, logLevel: "error" });
  if (document.errors.length > 0) {
    const { pos, message } = document.errors[0];
    throw new InputError(`${name}:${lines.linePos(pos[0]).line}: not YAML: ${message.split("\n")[0]}`);
  }
  const whereIs = (path: readonly PropertyKey[]) => `${name}:${lineOf(document, lines, path)}`;
  return checkStudy(document.toJS(), whereIs, tasks, path.dirname(name));
}

export type WhereIs = (path: readonly PropertyKey[]) => string;

/** Checks a study that is already an object; `whereIs` names the place of a path in messages, relative paths start at `directory`. */
export function checkStudy(input: unknown, whereIs: WhereIs, tasks: TaskList, directory = "."): Study {
  const parsed = studySchema.safeParse(input);
  if (!parsed.success) {
    const { issues } = parsed.error;
    // A misspelt key is also a missing one; its own name says more.
    const first = issues.find((issue) => issue.code === "unrecognized_keys") ?? issues[0];
    throw new InputError(complaint(first, input, whereIs));
  }
  const data = Object.fromEntries(
    Object.entries(parsed.data.tasks).map(([name, { task, questions }]) => [
      name,
      questions === undefined ? tasks[task ?? name] : "real",
    ]),
  );
  const study: Study = { ...parsed.data, data, directory, whereIs };
  checkNames(study, whereIs, tasks);
  checkSelectors(study, whereIs);
  return study;
}

/** Line of the deepest part of the path that stands in the file. */
function lineOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number {
  for (let depth = path.length; depth > 0; depth--) {
    const node = document.getIn(path.slice(0, depth), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], input);
}

/** where: rule, value — and the nearest known key for an unknown one. */
function complaint(issue: z.core.$ZodIssue, input: unknown, whereIs: WhereIs): string {
  // An axis given as one value has an index that is not in the file.
  const path = issue.path.filter(
    (key, i) => key !== 0 || Array.isArray(valueAt(input, issue.path.slice(0, i))),
  );
  const at = path.map(String).join(".");
  if (issue.code === "unrecognized_keys") {
    const [key] = issue.keys;
    const known = knownKeys(path);
    const place = at === "" ? "a study" : at;
    return `${whereIs([...path, key])}: ${place} has no key "${key}"; nearest is "${closest(key, known)}" of ${known.join(", ")}`;
  }
  const value = valueAt(input, path);
  if (value === undefined) return `${whereIs(path)}: ${at} is missing: ${issue.message}`;
  return `${whereIs(path)}: ${at} is ${JSON.stringify(value)}: ${issue.message}`;
}

function knownKeys(path: readonly PropertyKey[]): string[] {
  const [top, , part] = path;
  if (top === "tasks") return Object.keys(taskSchema.shape);
  if (top === "grid") return Object.keys(blockSchema.shape);
  if (top === "contrasts" && part === "on") return Object.keys(onSchema.shape);
  if (top === "contrasts" && part !== undefined) return Object.keys(selectorShape);
  if (top === "contrasts") return Object.keys(contrastSchema.shape);
  return Object.keys(studySchema.shape);
}

/** Names used in the grid and the contrasts exist, and every block gives what its methods need. */
function checkNames(study: Study, whereIs: WhereIs, tasks: TaskList): void {
  const known = (kind: string, name: string, names: string[], path: PropertyKey[]) => {
    if (names.includes(name)) return;
    const near = names.length > 0 ? `; nearest is "${closest(name, names)}" of ${names.join(", ")}` : "";
    throw new InputError(`${whereIs(path)}: there is no ${kind} "${name}"${near}`);
  };
  const models = Object.keys(study.models);
  const taskNames = Object.keys(study.tasks);
  if (taskNames.length === 0)
    throw new InputError(`${whereIs(["tasks"])}: tasks is empty: a study needs a task`);
  for (const name of taskNames) {
    const { task, questions, outputs } = study.tasks[name];
    if (questions === undefined) known("task", task ?? name, Object.keys(tasks), ["tasks", name]);
    const dials = ["topics", "synonyms", "noise", "locality"] as const;
    const dial = dials.find((key) => study.tasks[name][key] !== undefined);
    if (dial && study.data[name] === "real")
      throw new InputError(
        `${whereIs(["tasks", name, dial])}: ${dial} is a dial of generated users, and ${name} is real text`,
      );
    if (questions === undefined && outputs !== undefined)
      throw new InputError(`${whereIs(["tasks", name, "outputs"])}: outputs need a file of questions`);
  }
  study.grid.forEach((block, i) => {
    for (const name of block.task ?? []) known("task in this study", name, taskNames, ["grid", i, "task"]);
    for (const name of block.model ?? []) known("model in this study", name, models, ["grid", i, "model"]);
    checkNeeds(block, whereIs, ["grid", i]);
  });
  const ids = new Set<string>();
  study.contrasts.forEach((contrast, i) => {
    const path = ["contrasts", i];
    for (const name of contrast.on.task)
      known("task in this study", name, taskNames, [...path, "on", "task"]);
    for (const part of ["a", "b", "on"] as const) {
      const { model } = contrast[part];
      if (model !== undefined) known("model in this study", model, models, [...path, part, "model"]);
    }
    if (ids.has(contrast.id))
      throw new InputError(`${whereIs([...path, "id"])}: contrast "${contrast.id}" is there twice`);
    ids.add(contrast.id);
    const kinds = new Set(contrast.on.task.map((name) => study.data[name]));
    if (kinds.size > 1) {
      throw new InputError(
        `${whereIs([...path, "on", "task"])}: generated and real tasks never share a contrast`,
      );
    }
  });
}

function checkNeeds(block: Block, whereIs: WhereIs, path: PropertyKey[]): void {
  for (const method of block.method) {
    const needs = METHODS[method as keyof typeof METHODS] ?? { trains: false };
    if (method !== "none" && !block.h) {
      throw new InputError(`${whereIs(path)}: method ${method} needs h, the number of history items`);
    }
    if (needs.trains && !block.training_tokens) {
      throw new InputError(`${whereIs(path)}: method ${method} needs training_tokens`);
    }
  }
}

/** Each side of a contrast means one cell, or none (then it is not tested); never several. */
function checkSelectors(study: Study, whereIs: WhereIs): void {
  const settings = expand(study).map((cell) => cell.settings);
  study.contrasts.forEach((contrast, i) => {
    if (contrast.limits) return;
    for (const side of ["a", "b"] as const) {
      const selector = { ...contrast.on, ...contrast[side] };
      const open = contrast.on.task
        .flatMap((task) => differences(matching(selector, task, settings)))
        .filter((text) => typeof selector.training_tokens !== "string" || !text.startsWith("training_tokens"))
        .filter((text) => selector.k !== "best" || !text.startsWith("k "));
      if (open.length === 0) continue;
      const where = whereIs(["contrasts", i, side]);
      throw new InputError(`${where}: ${side} of "${contrast.id}" fits several cells; choose one ${open[0]}`);
    }
  });
}

/** Each model's name and file. */
export function modelPaths({ models, directory }: Study): [string, string][] {
  return Object.entries(models).map(([name, file]) => [name, path.resolve(directory, file)]);
}

/** Names what rows of one results file must have in common: tasks with their dials, models, items per user. */
export function studyDigest({ tasks, models, items_per_user }: Study): string {
  return digest([tasks, models, items_per_user]);
}

/** Names the primary contrasts, so that a row tells which were declared when it was measured. */
export function declaredDigest({ contrasts }: Study): string {
  return digest(contrasts);
}
