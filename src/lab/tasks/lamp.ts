import { readFileSync } from "node:fs";
import { InputError } from "../../errors.ts";
import { instantOf } from "./lamp_dates.ts";

/** Files of the LaMP benchmark (arXiv 2304.11406): questions, outputs, and the merged form of both. */
export type LampName = "LaMP_1" | "LaMP_2" | "LaMP_2N" | "LaMP_3" | "LaMP_4" | "LaMP_5" | "LaMP_6" | "LaMP_7";

interface LampFormat {
  /** profile field that takes the place of an item's input ("" where there is none), and the one of its output */
  input: "" | string;
  output: string;
  /** profile fields that retrieval searches in, as LaMP's own ranking does (LaMP-Benchmark/LaMP, rank_profiles.py) */
  search: readonly string[];
  /** in a question's input, what comes right before the text itself */
  before: string;
  /** fixed answers; for LaMP_2 they stand in the question */
  options?: readonly string[];
}

export const LAMP: Record<LampName, LampFormat> = {
  LaMP_1: {
    input: "title",
    output: "abstract",
    search: ["title", "abstract"],
    before: "For an author who has written the paper with the title ",
    options: ["[1]", "[2]"],
  },
  LaMP_2: { input: "description", output: "tag", search: ["description"], before: "description:" },
  LaMP_2N: { input: "text", output: "category", search: ["text"], before: "article:" },
  LaMP_3: {
    input: "text",
    output: "score",
    search: ["text"],
    before: "review:",
    options: ["1", "2", "3", "4", "5"],
  },
  LaMP_4: { input: "text", output: "title", search: ["title", "text"], before: "article:" },
  LaMP_5: { input: "abstract", output: "title", search: ["title", "abstract"], before: "paper:" },
  LaMP_6: { input: "text", output: "title", search: ["text"], before: "email:" },
  LaMP_7: { input: "", output: "text", search: ["text"], before: "after it:" },
};

export type LampProfileItem = { id: string; date?: string } & Record<string, string>;

export interface LampSample {
  id: string;
  input: string;
  userId?: string;
  /** in the order of the dates where every item has one, else as in the file */
  profile: LampProfileItem[];
  /** absent where there is no file of outputs */
  output?: string;
}

export interface LampSet {
  name: LampName;
  samples: LampSample[];
}

/**
 * Reads `*_questions.json` and, if given, `*_outputs.json`; a merged file needs no outputs. Takes questions as a list or
 * wrapped in `{task, golds}`, outputs as `{task, golds}` or as a list, names with _ or -, with and without user_id and date.
 * The name may be given where no file says it. Throws InputError (file, place, rule, value).
 */
export function readLamp(questionsFile: string, outputsFile?: string, name?: string): LampSet {
  const questions = readList(questionsFile);
  const outputs = outputsFile === undefined ? undefined : readList(outputsFile);
  const lampName = nameOf(name ?? outputs?.task ?? questions.task, outputsFile ?? questionsFile);
  const samples = questions.list.map((entry, i) => parseSample(entry, `${questionsFile}: [${i}]`, lampName));
  refuseRepeated(samples, questionsFile);
  if (outputs) joinOutputs(samples, outputs.list, questionsFile, outputsFile!);
  return { name: lampName, samples };
}

export function nameOf(name: unknown, file: string): LampName {
  const normal = typeof name === "string" ? name.replace("-", "_") : undefined;
  if (normal !== undefined && normal in LAMP) return normal as LampName;
  throw new InputError(
    `${file}: "task" must be one of ${Object.keys(LAMP).join(", ")}, not ${show(name)}; the name can be given beside the file`,
  );
}

function readList(file: string): { list: unknown[]; task?: unknown } {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new InputError(`${file}: not readable as JSON: ${(error as Error).message}`, { cause: error });
  }
  if (Array.isArray(content)) return { list: content };
  const { task, golds } = asObject(content, file);
  if (!Array.isArray(golds))
    throw new InputError(`${file}: must be a list, or an object with a list "golds"`);
  return { list: golds, task };
}

function parseSample(entry: unknown, place: string, name: LampName): LampSample {
  const object = asObject(entry, place);
  if (!Array.isArray(object.profile))
    throw new InputError(`${place}.profile: must be a list, not ${show(object.profile)}`);
  const profile = object.profile.map((item, i) => parseProfileItem(item, `${place}.profile[${i}]`, name));
  return {
    id: asId(object.id, `${place}.id`),
    input: asText(object.input, `${place}.input`),
    userId: object.user_id === undefined ? undefined : asId(object.user_id, `${place}.user_id`),
    profile: byDate(profile),
    output: object.output === undefined ? undefined : asText(object.output, `${place}.output`).trim(),
  };
}

function parseProfileItem(item: unknown, place: string, name: LampName): LampProfileItem {
  const object = asObject(item, place);
  const { input, output } = LAMP[name];
  const fields: Record<string, string> = {};
  for (const [key, value] of Object.entries(object)) {
    const needed = key === input || key === output || key === "date";
    if (needed)
      fields[key] = key === "score" ? asId(value, `${place}.${key}`) : asText(value, `${place}.${key}`);
    else if (typeof value === "string") fields[key] = value;
  }
  for (const field of [input, output])
    if (field && !(field in fields))
      throw new InputError(`${place}: a profile item of ${name} needs the field "${field}"`);
  if (fields.date !== undefined && instantOf(fields.date) === undefined)
    throw new InputError(
      `${place}.date: must be year-month-day, with a time of day (hours:minutes:seconds) or without, not ${show(fields.date)}`,
    );
  return { ...fields, id: asId(object.id, `${place}.id`) };
}

/** Items of one instant stay in the order of the file. */
function byDate(profile: LampProfileItem[]): LampProfileItem[] {
  if (!profile.every((item) => item.date !== undefined)) return profile;
  return profile
    .map((item) => ({ item, instant: instantOf(item.date!)! }))
    .sort((a, b) => a.instant - b.instant)
    .map(({ item }) => item);
}

function refuseRepeated(samples: readonly { id: string }[], file: string): void {
  const seen = new Set<string>();
  for (const { id } of samples) {
    if (seen.has(id)) throw new InputError(`${file}: id ${show(id)} stands twice; ids must differ`);
    seen.add(id);
  }
}

/** The ids of questions and outputs must be the same set. */
function joinOutputs(samples: LampSample[], list: unknown[], questionsFile: string, file: string): void {
  const golds = list.map((entry, i) => {
    const object = asObject(entry, `${file}: golds[${i}]`);
    return {
      id: asId(object.id, `${file}: golds[${i}].id`),
      output: asText(object.output, `${file}: golds[${i}].output`).trim(),
    };
  });
  refuseRepeated(golds, file);
  const outputs = new Map(golds.map(({ id, output }) => [id, output]));
  for (const sample of samples) {
    const output = outputs.get(sample.id);
    if (output === undefined)
      throw new InputError(`${file}: no output for the question ${show(sample.id)} of ${questionsFile}`);
    sample.output = output;
    outputs.delete(sample.id);
  }
  for (const id of outputs.keys())
    throw new InputError(`${file}: output ${show(id)} has no question in ${questionsFile}`);
}

function asObject(value: unknown, place: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new InputError(`${place}: must be an object, not ${show(value)}`);
}

function asText(value: unknown, place: string): string {
  if (typeof value === "string") return value;
  throw new InputError(`${place}: must be text, not ${show(value)}`);
}

/** Some copies have numbers where the originals have text. */
function asId(value: unknown, place: string): string {
  if (typeof value === "number" && Number.isFinite(value)) return String(value);
  return asText(value, place);
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? "missing";
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
