/** The study of `npm run demo`, written as the study file would be. */
import type { StudyInput } from "./study_file.ts";

const GENERATED = ["taste", "tags", "template"];
/** Without history 3.6 bits of an answer are unknown in tags, 2.6 in template, 1 in taste. */
const HARDEST = "tags";

/** 66 cells on generated users, 7 on the State of the Union; five minutes on two cores. */
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
    { task: GENERATED, method: ["none", "rag"], compression: ["f32", "q8_0"], h: [8, 64] },
    { task: GENERATED, method: "lora", compression: ["f32", "q8_0"], h: 8, training_tokens: [400, 1600] },
    { task: GENERATED, method: "lora", h: 64, training_tokens: [3000, 6000, 12000] },
    { task: GENERATED, method: "lora", compression: "q8_0", h: 64, training_tokens: 3000 },
    { task: GENERATED, method: "rag", history: "placebo", h: [8, 64] },
    { task: GENERATED, method: "lora", history: "placebo", h: 8, training_tokens: 1600 },
    { task: GENERATED, method: "lora", history: "placebo", h: 64, training_tokens: 3000 },
    { task: GENERATED, method: ["baseline:majority", "baseline:nearest"], h: [8, 64] },
    { task: "sotu-choice", method: ["none", "rag", "lora"], h: 64, k: 4, training_tokens: 6000 },
    { task: "sotu-choice", method: "lora", compression: "q8_0", h: 64, training_tokens: 6000 },
    { task: "sotu-choice", method: ["rag", "lora"], history: "placebo", h: 64, k: 4, training_tokens: 6000 },
    { task: "sotu-choice", method: "baseline:nearest", h: 64 },
  ],
  contrasts: [
    ...[8, 64].flatMap((h): StudyInput["contrasts"] & object => [
      {
        id: `slope-h${h}`,
        guideline: "G1",
        claim: "beats",
        combine: "slope",
        on: { task: GENERATED, compression: "f32", h },
        a: { method: "rag" },
        b: { method: "lora", training_tokens: "max" },
      },
      {
        id: `hardest-h${h}`,
        guideline: "G1",
        claim: "beats",
        on: { task: HARDEST, compression: "f32", h },
        a: { method: "rag" },
        b: { method: "lora", training_tokens: "max" },
      },
    ]),
    {
      id: "longer-training",
      guideline: "G3",
      claim: "gain-below",
      on: { task: GENERATED, method: "lora", compression: "f32", h: 64 },
      a: { training_tokens: "4*plateau" },
      b: { training_tokens: "plateau" },
    },
    {
      id: "more-history",
      guideline: "G4",
      claim: "gain-below",
      on: { task: GENERATED, method: "rag", compression: "f32", k: 8 },
      a: { h: 64 },
      b: { h: 8 },
    },
    {
      id: "quantized-lora-h8",
      guideline: "G5",
      claim: "no-worse",
      on: { task: GENERATED, method: "lora", h: 8, training_tokens: "max" },
      a: { compression: "q8_0" },
      b: { compression: "f32" },
    },
    {
      id: "quantized-lora-sotu",
      guideline: "G5",
      claim: "no-worse",
      on: { task: "sotu-choice", method: "lora" },
      a: { compression: "q8_0" },
      b: { compression: "f32" },
    },
    ...(["rag", "lora"] as const).map((method): (StudyInput["contrasts"] & object)[number] => ({
      id: `personal-${method}-sotu`,
      claim: "beats",
      on: { task: "sotu-choice", method, compression: "f32" },
      a: { history: "own" },
      b: { history: "placebo" },
    })),
  ],
  time_budget: "5m",
};
