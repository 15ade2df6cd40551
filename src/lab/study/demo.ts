/** The study of `npm run demo`, written as the study file would be. */
import type { StudyInput } from "./study_file.ts";

const GENERATED = ["taste", "tags", "template"];
/** Without history 3.6 bits of an answer are unknown in tags, 2.6 in template, 1 in taste. */
const HARDEST = "tags";

/** Items shown that retrieval may choose from on dev users. */
const SHOWN = [1, 2, 4, 8];
/** A speaker's passages are long: more would not fit beside the two that are asked about. */
const PASSAGES = [1, 2, 4];
const NO_MODEL = ["baseline:nearest", "baseline:naive_bayes"] as const;

/** Three generated tasks and the State of the Union; five minutes on two cores. */
export const demo: StudyInput = {
  name: "demo",
  description: "Three generated tasks and one real one, in five minutes on two cores.",
  users: 20,
  dev_users: 6,
  items_per_user: 16,
  seeds: 1,
  models: { M: "models/edgewise-m.gguf" },
  tasks: { taste: {}, tags: {}, template: {}, "sotu-choice": {} },
  grid: [
    { task: GENERATED, method: "none", compression: ["f32", "q4_0"] },
    { task: GENERATED, method: "rag", history: ["own", "placebo"], h: [8, 64], k: SHOWN },
    { task: GENERATED, method: "lora", h: 8, training_tokens: [400, 1600, 6400] },
    { task: GENERATED, method: "lora", h: 64, training_tokens: [3000, 6000] },
    { task: GENERATED, method: "lora", compression: "q4_0", h: 8, training_tokens: 1600 },
    { task: GENERATED, method: "lora", compression: "q4_0", h: 64, training_tokens: 3000 },
    { task: GENERATED, method: "lora", history: "placebo", h: 8, training_tokens: 1600 },
    { task: GENERATED, method: "lora", history: "placebo", h: 64, training_tokens: 3000 },
    { task: GENERATED, method: ["baseline:majority", ...NO_MODEL], h: [8, 64] },
    { task: "sotu-choice", method: "none" },
    { task: "sotu-choice", method: "rag", history: ["own", "placebo"], h: 64, k: PASSAGES },
    { task: "sotu-choice", method: "lora", history: ["own", "placebo"], h: 64, training_tokens: 6000 },
    { task: "sotu-choice", method: [...NO_MODEL], h: 64 },
  ],
  contrasts: [
    ...[8, 64].flatMap((h): StudyInput["contrasts"] & object => [
      {
        id: `slope-h${h}`,
        guideline: "G1",
        claim: "beats",
        combine: "slope",
        on: { task: GENERATED, compression: "f32", h },
        a: { method: "rag", k: "best" },
        b: { method: "lora", training_tokens: "max" },
      },
      {
        id: `hardest-h${h}`,
        guideline: "G1",
        claim: "beats",
        on: { task: HARDEST, compression: "f32", h },
        a: { method: "rag", k: "best" },
        b: { method: "lora", training_tokens: "max" },
      },
    ]),
    {
      id: "longer-training",
      guideline: "G3",
      claim: "gain-below",
      on: { task: GENERATED, method: "lora", compression: "f32", h: 8 },
      a: { training_tokens: "4*plateau" },
      b: { training_tokens: "plateau" },
    },
    {
      id: "more-history",
      guideline: "G4",
      claim: "gain-below",
      on: { task: GENERATED, method: "rag", compression: "f32", k: "best" },
      a: { h: 64 },
      b: { h: 8 },
    },
    {
      id: "quantized-lora-h8",
      guideline: "G5",
      claim: "no-worse",
      on: { task: GENERATED, method: "lora", h: 8, training_tokens: 1600 },
      a: { compression: "q4_0" },
      b: { compression: "f32" },
    },
    ...(["rag", "lora"] as const).map((method): (StudyInput["contrasts"] & object)[number] => ({
      id: `personal-${method}-sotu`,
      claim: "beats",
      on: { task: "sotu-choice", method, compression: "f32", ...(method === "rag" && { k: "best" }) },
      a: { history: "own" },
      b: { history: "placebo" },
    })),
  ],
  time_budget: "5m",
};
