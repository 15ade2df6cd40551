/** The reference of every key of a study file, as Markdown, made from the schema. */
import { z } from "zod";
import { blockSchema, contrastSchema, onSchema, studySchema, taskSchema } from "./study_schema.ts";
import { absentWords, keysOf, schemaAt, wordsOf } from "./value_words.ts";

const SECTIONS: readonly (readonly [title: string, schema: z.ZodType, note: string])[] = [
  ["The file", studySchema, "A map in YAML. Sizes are written `512MiB`, times `90s`, `20m` or `7h`."],
  ["A task: `tasks.NAME`", taskSchema, "`NAME:` alone is a task that edgewise has, as it is."],
  [
    "A block of cells: `grid`",
    blockSchema,
    "All values of all keys are crossed. What does not apply to a method is left out of it, and a cell that several blocks ask for is there once.",
  ],
  [
    "A primary contrast: `contrasts`",
    contrastSchema,
    "What is claimed of cell a against cell b, on the same users. Declared before anything is measured.",
  ],
  [
    "What a contrast picks: `on`, `a`, `b`",
    onSchema,
    "`on` holds for both sides and names the tasks; `a` and `b` have the other keys. Together they must leave one cell for each side and task.",
  ],
];

export function studyKeys(): string {
  const sections = SECTIONS.map(([title, schema, note]) => {
    const rows = keysOf(schema).map((key) => rowOf(key, schemaAt(schema, [key])!));
    const head = ["| key | meaning | values | left out |", "|---|---|---|---|"];
    return [`## ${title}`, "", note, "", ...head, ...rows].join("\n");
  });
  const intro = "Every key that a study file may have; `edgewise study --keys` prints this page.";
  return `# Study files\n\n${intro}\n\n${sections.join("\n\n")}\n`;
}

function rowOf(key: string, schema: z.core.$ZodType): string {
  const { description } = z.globalRegistry.get(schema) ?? {};
  if (description === undefined) throw new Error(`study file: key ${key} has no description`);
  const cells = [`\`${key}\``, description, wordsOf(schema), absentWords(schema) ?? "must be there"];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}
