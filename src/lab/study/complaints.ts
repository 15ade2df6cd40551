/** What is wrong with a study file, gathered: place, rule, value and the nearest word for a typo. */
import { closest } from "fastest-levenshtein";
import type { z } from "zod";
import { InputError } from "../../errors.ts";
import { keysOf, schemaAt, valuesOf, wordsOf } from "./value_words.ts";

/** The place of a path of keys in a study file: `study.yaml:12`. */
export type WhereIs = (path: readonly PropertyKey[]) => string;

/** Complaints of one study, each with its place; thrown together. */
export class Complaints {
  private readonly found: { readonly place: string; readonly text: string }[] = [];
  private readonly paths = new Set<string>();
  readonly whereIs: WhereIs;

  constructor(whereIs: WhereIs) {
    this.whereIs = whereIs;
  }

  /** Of one path the first complaint counts: what follows from it would mislead. */
  add(path: readonly PropertyKey[], text: string): void {
    const key = path.join(".");
    if (this.paths.has(key)) return;
    this.paths.add(key);
    this.addAt(this.whereIs(path), text);
  }

  addAt(place: string, text: string): void {
    this.found.push({ place, text });
  }

  /** Complains unless the name is known. */
  known(kind: string, name: string, names: readonly string[], path: readonly PropertyKey[]): void {
    if (names.includes(name)) return;
    this.add(path, `there is no ${kind} "${name}"${nearest(name, names)}`);
  }

  /** Whether something is wrong at this path or under it. */
  has(...path: PropertyKey[]): boolean {
    const key = path.join(".");
    return [...this.paths].some((other) => other === key || other.startsWith(`${key}.`));
  }

  /** Nothing more is said of this path. */
  settle(path: readonly PropertyKey[]): void {
    this.paths.add(path.join("."));
  }

  /** Throws one InputError with all of them in the order of the file. */
  refuse(): void {
    const lineOf = (place: string) => Number(/:(\d+)$/.exec(place)?.[1] ?? 0);
    const lines = [...this.found]
      .sort((a, b) => lineOf(a.place) - lineOf(b.place))
      .map(({ place, text }) => `${place}: ${text}`);
    if (lines.length === 1) throw new InputError(lines[0]);
    if (lines.length > 1)
      throw new InputError(
        `${lines.length} faults in the study, and nothing was run:\n  ${lines.join("\n  ")}`,
      );
  }
}

/** `; nearest is "rank" of task, rank, alpha` */
export function nearest(name: string, names: readonly string[]): string {
  return names.length > 0 ? `; nearest is "${closest(name, [...names])}" of ${names.join(", ")}` : "";
}

/** What the schema finds wrong with the input. */
export function complainOfSchema(
  complaints: Complaints,
  schema: z.core.$ZodType,
  input: unknown,
  issues: readonly z.core.$ZodIssue[],
): void {
  for (const issue of issues) {
    if (issue.code !== "unrecognized_keys") continue;
    const path = inFile(input, issue.path);
    const names = keysOf(schemaAt(schema, issue.path)!);
    for (const key of issue.keys) {
      const place = path.join(".") || "a study";
      complaints.add([...path, key], `${place} has no key "${key}"${nearest(key, names)}`);
      // A misspelt key is also a missing one; its own name says more.
      complaints.settle([...path, closest(key, names)]);
    }
  }
  for (const { code, path } of issues)
    if (code !== "unrecognized_keys")
      complaints.add(inFile(input, path), valueComplaint(schemaAt(schema, path), input, inFile(input, path)));
}

function valueComplaint(schema: z.core.$ZodType | undefined, input: unknown, path: PropertyKey[]): string {
  const at = path.join(".") || "a study file";
  const value = valueAt(input, path);
  const words = schema ? wordsOf(schema) : "left out";
  if (value === undefined) return `${at} is missing: it must be ${words}`;
  const meant = typeof value === "string" && schema ? valuesOf(schema) : [];
  const near = meant.length > 0 ? `; nearest is "${closest(value as string, meant)}"` : "";
  return `${at} is ${shown(value)}: must be ${words}${near}`;
}

/** An axis that is given as one value has an index that is not in the file. */
function inFile(input: unknown, path: readonly PropertyKey[]): PropertyKey[] {
  return path.filter((key, i) => key !== 0 || Array.isArray(valueAt(input, path.slice(0, i))));
}

export function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (value as Record<PropertyKey, unknown> | null | undefined)?.[key],
    input,
  );
}

const SHOWN_MOST = 60;

/** A value as a message shows it: numbers that JSON does not know by their names, long ones cut. */
function shown(value: unknown): string {
  const text = typeof value === "number" ? String(value) : JSON.stringify(value);
  return text.length > SHOWN_MOST ? `${text.slice(0, SHOWN_MOST)}…` : text;
}
