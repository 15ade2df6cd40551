/** What a schema cannot say of a study file: names that exist, needs of methods, contrasts that mean one cell a side. */
import fs from "node:fs";
import path from "node:path";
import { InputError, systemWords } from "../../errors.ts";
import { modelPathOf } from "../../llm/files/cached_models.ts";
import { BASELINES } from "../tasks/baselines.ts";
import { differences, expand, matching } from "./cells.ts";
import type { Complaints } from "./complaints.ts";
import { isBaseline, METHODS, type Method, type Settings, trains } from "./settings.ts";
import type { Contrast, Study, TaskList } from "./study_file.ts";
import { contrastSchema, studySchema } from "./study_schema.ts";

type Given = Readonly<Record<string, unknown>>;

// The input is taken as it is: where one part is wrong, the names in all others are checked all the same.
const mapOf = (value: unknown): Given =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Given) : {};
const listOf = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? value : value === undefined ? [] : [value];
const textsOf = (value: unknown) => listOf(value).filter((one) => typeof one === "string");

const DIALS = ["topics", "synonyms", "noise", "locality"] as const;

/** Names used in the tasks, the grid and the contrasts exist, and every block gives what its methods need. */
export function checkNames(complaints: Complaints, input: unknown, tasks: TaskList): void {
  const study = mapOf(input);
  for (const [name, given] of Object.entries(mapOf(study.tasks)))
    checkTask(complaints, name, mapOf(given), tasks);
  const grid = listOf(study.grid);
  grid.forEach((block, i) => {
    const place = Array.isArray(study.grid) ? ["grid", i] : ["grid"];
    checkUses(complaints, study, mapOf(block), place);
    checkNeeds(complaints, mapOf(block), place);
  });
  const ids: unknown[] = [];
  listOf(study.contrasts).forEach((given, i) => {
    const contrast = mapOf(given);
    const { id } = contrast;
    if (typeof id === "string" && ids.includes(id))
      complaints.add(["contrasts", i, "id"], `contrast "${id}" is there twice`);
    ids.push(id);
    checkContrast(complaints, study, contrast, ["contrasts", i], tasks);
  });
}

function checkTask(complaints: Complaints, name: string, given: Given, tasks: TaskList): void {
  const { task, questions, outputs } = given;
  if (questions === undefined && (task === undefined || typeof task === "string"))
    complaints.known("task", task ?? name, Object.keys(tasks), ["tasks", name, ...(task ? ["task"] : [])]);
  if (dataOfTask(name, given, tasks) === "real")
    for (const dial of DIALS)
      if (given[dial] !== undefined)
        complaints.add(
          ["tasks", name, dial],
          `${dial} is a dial of generated users, and ${name} is real text`,
        );
  if (questions === undefined && outputs !== undefined)
    complaints.add(["tasks", name, "outputs"], "outputs need a file of questions");
}

/** Tasks, models and baselines that a block or a side of a contrast names. */
function checkUses(complaints: Complaints, study: Given, uses: Given, place: readonly PropertyKey[]): void {
  for (const kind of ["task", "model"] as const) {
    const names = Object.keys(mapOf(study[`${kind}s`]));
    if (names.length === 0) continue; // a complaint of its own
    for (const name of textsOf(uses[kind]))
      complaints.known(`${kind} in this study`, name, names, [...place, kind]);
  }
  for (const method of textsOf(uses.method))
    if (isBaseline(method as Method))
      complaints.known("baseline", method.slice("baseline:".length), Object.keys(BASELINES), [
        ...place,
        "method",
      ]);
}

function checkNeeds(complaints: Complaints, block: Given, place: readonly PropertyKey[]): void {
  for (const method of textsOf(block.method)) {
    const isKnown = isBaseline(method as Method) || Object.hasOwn(METHODS, method);
    if (!isKnown) continue;
    if (method !== "none" && block.h === undefined)
      complaints.add([...place, "h"], `method ${method} needs h, the number of history items`);
    if (trains(method as Method) && block.training_tokens === undefined)
      complaints.add([...place, "training_tokens"], `method ${method} needs training_tokens`);
  }
}

function checkContrast(
  complaints: Complaints,
  study: Given,
  contrast: Given,
  place: readonly PropertyKey[],
  tasks: TaskList,
): void {
  for (const part of ["a", "b", "on"]) checkUses(complaints, study, mapOf(contrast[part]), [...place, part]);
  const compared = textsOf(mapOf(contrast.on).task);
  const kinds = new Set(compared.map((name) => dataOfTask(name, mapOf(mapOf(study.tasks)[name]), tasks)));
  if (kinds.has("generated") && kinds.has("real"))
    complaints.add([...place, "on", "task"], "generated and real tasks never share a contrast");
  if (contrast.combine === "slope" && compared.length < 2)
    complaints.add([...place, "combine"], "a slope needs at least 2 tasks");
  if (contrast.limits !== undefined && contrast.claim !== "gain-below")
    complaints.add([...place, "claim"], "a regret over memory limits is a gain-below claim");
}

function dataOfTask(name: string, { task, questions }: Given, tasks: TaskList) {
  return questions === undefined ? tasks[typeof task === "string" ? task : name] : "real";
}

/** Where the users of each task come from. */
export function dataOf({ tasks: given }: Pick<Study, "tasks">, tasks: TaskList): TaskList {
  return Object.fromEntries(
    Object.entries(given).map(([name, task]) => [name, dataOfTask(name, { ...task }, tasks)!]),
  );
}

/** Models and data are there and can be read; what is in them is seen when they are opened. */
export function checkFiles(complaints: Complaints, input: unknown, directory: string): void {
  const { models, tasks } = mapOf(input);
  const check = (file: unknown, place: readonly PropertyKey[], pathOf: (file: string) => string) => {
    if (typeof file !== "string") return;
    let whole = file;
    try {
      whole = pathOf(file);
      fs.closeSync(fs.openSync(whole, "r"));
      if (fs.statSync(whole).isDirectory()) complaints.add(place, `${whole}: is a directory, not a file`);
    } catch (error) {
      const message = error instanceof InputError ? error.message : undefined;
      complaints.add(place, message ?? `${whole}: cannot be read: ${systemWords(error)}`);
    }
  };
  const beside = (file: string) => path.resolve(directory, file);
  // A model may also go by its name in the cache.
  const named = (file: string) => modelPathOf(file, directory);
  for (const [name, file] of Object.entries(mapOf(models))) check(file, ["models", name], named);
  for (const [name, task] of Object.entries(mapOf(tasks)))
    for (const kind of ["questions", "outputs"]) check(mapOf(task)[kind], ["tasks", name, kind], beside);
}

const crossedSchema = studySchema.pick({ models: true, tasks: true, grid: true, seeds: true });

/** Each side of a contrast means one cell, or none (then it is not tested); never several. */
export function checkSelectors(complaints: Complaints, input: unknown, tasks: TaskList): void {
  const given = mapOf(input);
  // What decides which cells there are; without it nothing can be said of what a contrast picks.
  const { models, tasks: named, grid, seeds } = given;
  const part = crossedSchema.safeParse({ models, tasks: named, grid, seeds });
  if (!part.success || ["models", "tasks", "grid"].some((key) => complaints.has(key))) return;
  const contrasts = listOf(given.contrasts).flatMap((one, i) => {
    const parsed = contrastSchema.safeParse(one);
    return parsed.success && !complaints.has("contrasts", i) ? [{ i, contrast: parsed.data }] : [];
  });
  const data = dataOf(part.data, tasks);
  const cells = expand({ ...part.data, data, dev_users: 0, contrasts: [] });
  const settings = cells.map((cell) => cell.settings);
  for (const { i, contrast } of contrasts)
    for (const side of contrast.limits ? [] : (["a", "b"] as const)) {
      const open = openFactors(contrast, side, settings);
      if (open.length > 0)
        complaints.add(
          ["contrasts", i, side],
          `${side} of "${contrast.id}" fits several cells; choose one ${open[0]}`,
        );
    }
}

/** Factors in which the cells of one side differ still. */
function openFactors(contrast: Contrast, side: "a" | "b", settings: readonly Settings[]): string[] {
  const selector = { ...contrast.on, ...contrast[side] };
  return contrast.on.task
    .flatMap((task) => differences(matching(selector, task, settings)))
    .filter((text) => typeof selector.training_tokens !== "string" || !text.startsWith("training_tokens"))
    .filter((text) => selector.k !== "best" || !text.startsWith("k "));
}
