/** Rows of studies with chosen values: no chance in them. */
import type { Row } from "../../src/lab/study/row.ts";
import type { Settings } from "../../src/lab/study/settings.ts";
import { blankRows } from "../../src/lab/study/simulation.ts";
import { checkStudy, type Study, type StudyInput } from "../../src/lab/study/study_file.ts";

const TASKS = {
  taste: "generated",
  tags: "generated",
  template: "generated",
  choice: "real",
  style: "real",
} as const;

export function study(change: Partial<StudyInput>): Study {
  const base: StudyInput = {
    name: "test",
    users: 10,
    dev_users: 4,
    models: { M: "m.gguf" },
    tasks: { choice: {} },
    grid: [
      { method: ["none", "rag"], h: 8 },
      { method: "lora", h: 8, training_tokens: 400 },
    ],
  };
  return checkStudy({ ...base, ...change }, () => "test", TASKS);
}

export type Contrast = NonNullable<StudyInput["contrasts"]>[number];
export const RAG_BEATS_LORA: Contrast = {
  id: "c",
  guideline: "G1",
  claim: "beats",
  on: { task: "choice", h: 8 },
  a: { method: "rag" },
  b: { method: "lora" },
};

export interface Truth {
  /** Quality of a user in a cell; `wobble` is −.5 … .5 by user, 0 in the mean. */
  value(settings: Settings, wobble: number, row: Row): number;
  bayes?(settings: Settings): Row["bayes"];
  change?(row: Row): Partial<Row>;
}

/** The rows of everybody in every cell, with the values of `truth`. */
export function rowsOf(study: Study, { value, bayes, change }: Truth): Row[] {
  const blank = blankRows(study, { accuracy: () => 0, bayes, spread: 0, commonLuck: 0 });
  return blank.map((row): Row => {
    const count = row.split === "test" ? study.users : study.dev_users;
    const wobble = Number(row.user.split("-")[1]) / (count - 1) - 0.5;
    const metric = row.settings.task === "style" ? "bits_per_byte" : "accuracy";
    const quality = { ...row.quality, metric, value: value(row.settings, wobble, row) } as const;
    return { ...row, quality, audit: { ...row.audit, scores: row.key }, ...change?.(row) };
  });
}
