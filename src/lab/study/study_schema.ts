/** What may stand in a study file: every key with its values and its meaning. Complaints and the reference of keys are made from this. */
import { z } from "zod";
import { BASELINES } from "../tasks/baselines.ts";
import { COMPRESSIONS, METHODS, methodSchema } from "./settings.ts";

declare module "zod" {
  interface GlobalMeta {
    /** The values in words, after "must be": where they cannot be read off the schema. */
    words?: string;
    /** What holds where the key is left out. */
    absent?: string;
    /** Words that a typo may have meant. */
    known?: readonly string[];
  }
}

const positive = z.int().min(1);

/** One value or a list of them; a study crosses all values of all factors. */
function axis<T extends z.ZodType>(value: T) {
  const list = z.array(value).min(1);
  return z.preprocess((given) => (given === undefined || Array.isArray(given) ? given : [given]), list);
}

const name = (kind: string) => z.string().meta({ words: `the name of a ${kind} of this study` });
const filePath = z.string().min(1).meta({ words: "the path of a file" });
const compression = z.enum(COMPRESSIONS);
const history = z.enum(["own", "placebo"]);
const baselines = Object.keys(BASELINES).map((one) => `baseline:${one}`);
const methods = [...Object.keys(METHODS), ...baselines];
const method = methodSchema.meta({ words: `one of ${methods.join(", ")}`, known: methods });

export const blockSchema = z.strictObject({
  task: axis(name("task")).optional().meta({ description: "The tasks.", absent: "every task" }),
  method: axis(method).meta({ description: "How the history is used." }),
  history: axis(history)
    .default(["own"])
    .meta({ description: "The user's own history, or another user's of the same kind (placebo)." }),
  compression: axis(compression)
    .default(["f32"])
    .meta({ description: "The type that the model's weights are brought to." }),
  model: axis(name("model")).optional().meta({ description: "The models.", absent: "every model" }),
  h: axis(positive)
    .optional()
    .meta({ description: "Items of the history that are stored.", absent: "needed by all methods but none" }),
  k: axis(positive)
    .default([8])
    .meta({ description: "Stored items that are shown in a prompt, by methods that retrieve; at most h." }),
  training_tokens: axis(positive).optional().meta({
    description: "Tokens that go through the backward pass.",
    absent: "needed by methods that train",
  }),
  rank: axis(positive).default([8]).meta({ description: "LoRA's r." }),
  alpha: axis(z.number().positive())
    .optional()
    .meta({ description: "LoRA's lora_alpha.", absent: "twice the rank" }),
});

const any = "any, if the grid has only one";

export const selectorShape = {
  method: method.optional().meta({ description: "As in the grid.", absent: any }),
  history: history.optional().meta({ description: "As in the grid.", absent: "own" }),
  compression: compression.optional().meta({ description: "As in the grid.", absent: any }),
  model: name("model").optional().meta({ description: "As in the grid.", absent: any }),
  h: positive.optional().meta({ description: "As in the grid.", absent: any }),
  k: z
    .union([positive, z.literal("best")])
    .optional()
    .meta({ description: "best: of the grid's, the one that does best on dev users.", absent: any }),
  training_tokens: z
    .union([positive, z.enum(["min", "max", "plateau", "4*plateau"])])
    .optional()
    .meta({
      description:
        "min, max: of the grid. plateau: the first level, on dev users, after which the next gains less than the margin.",
      absent: any,
    }),
  rank: positive.optional().meta({ description: "As in the grid.", absent: any }),
  alpha: z.number().positive().optional().meta({ description: "As in the grid.", absent: any }),
};
export const selectorSchema = z.strictObject(selectorShape);
export const onSchema = z.strictObject({
  task: axis(name("task")).meta({ description: "The tasks on which a and b are compared." }),
  ...selectorShape,
});

const UNITS = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const;
const bytes = quantity(UNITS, "bytes, such as 512MiB");
const SECONDS = { s: 1, m: 60, h: 3600 } as const;
const duration = quantity(SECONDS, "a time, such as 90s, 20m or 7h");

/** A number over 0, with one of the units or in the smallest. */
function quantity<Unit extends string>(units: Readonly<Record<Unit, number>>, words: string) {
  const written = new RegExp(`^(\\d+(?:\\.\\d+)?) ?(${Object.keys(units).join("|")})$`);
  return z
    .union([z.number(), z.string()])
    .transform((value, context) => {
      const [, number, unit] = written.exec(String(value)) ?? [];
      const amount = typeof value === "number" ? value : Number(number) * units[unit as Unit];
      if (amount > 0 && Number.isFinite(amount)) return amount;
      context.addIssue({ code: "custom" });
      return z.NEVER;
    })
    .meta({ words });
}

export const GUIDELINES = ["G1", "G2", "G3", "G4", "G5", "G6"] as const;
export type Guideline = (typeof GUIDELINES)[number];

/** A primary contrast: what is claimed of a against b, on the same users. Declared before anything is measured. */
export const contrastSchema = z.strictObject({
  id: z
    .string()
    .regex(/^[\w.+-]+$/)
    .meta({
      description: "Its name.",
      words: "one word of letters, digits and . _ + -",
    }),
  guideline: z
    .enum(GUIDELINES)
    .optional()
    .meta({ description: "The guideline that it is to test.", absent: "none" }),
  claim: z.enum(["beats", "gain-below", "no-worse"]).meta({
    description:
      "beats: a > b, by the margin. gain-below: a gains less than it on b. no-worse: a ≥ b − margin.",
  }),
  a: selectorSchema
    .default({})
    .meta({ description: "Picks one cell, together with on.", absent: "what on picks" }),
  b: selectorSchema
    .default({})
    .meta({ description: "Picks one cell, together with on.", absent: "what on picks" }),
  on: onSchema.meta({ description: "What a and b have in common." }),
  combine: z.enum(["mean", "slope"]).default("mean").meta({
    description:
      "Several tasks: their mean, or the change of a − b from the easiest to the hardest along a straight line.",
  }),
  margin: z.number().positive().optional().meta({
    description: "The smallest difference that matters.",
    absent: ".10 of S (generated), .05 of accuracy (real), .02 of none's bits per byte",
  }),
  equal_bytes: z
    .boolean()
    .default(false)
    .meta({ description: "Tested only if the weights of a and b are of equal size, within 15 %." }),
  limits: z.array(bytes).min(3).optional().meta({
    description:
      "a: the best model (on dev users) that fits each limit; b: the strongest (last in models) that fits it. A gain-below claim.",
    words: "a list of at least 3 memory limits, such as [128MiB, 256MiB, 512MiB]",
    absent: "none",
  }),
});

const dial = (values: string) => `${values} Generated users only.`;
const own = "the task's own";

export const taskSchema = z.strictObject({
  task: z.string().optional().meta({
    description:
      "A task that edgewise has, or the format of the files (LaMP_1, LaMP_2, LaMP_2N, LaMP_3 to LaMP_7).",
    absent: "the name that it has here",
  }),
  topics: positive.optional().meta({ description: dial("Distinct topics of a user."), absent: own }),
  synonyms: z
    .union([z.literal(1), z.literal(2), z.literal(4)])
    .optional()
    .meta({
      description: dial(
        "Words of a topic: with 1 the same word returns, 2 and 4 ask for look-up by meaning.",
      ),
      absent: own,
    }),
  noise: z
    .number()
    .min(0)
    .lt(0.5)
    .optional()
    .meta({ description: dial("Probability that an answer is replaced by another."), absent: own }),
  locality: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .meta({
      description: dial(
        "Probability that a topic has an answer of its own instead of its theme's: 1, one item tells; 0, many combine.",
      ),
      absent: own,
    }),
  questions: filePath.optional().meta({
    description: "A file in LaMP's format; its path starts where the study file is.",
    absent: "the task is generated, or comes with edgewise",
  }),
  outputs: filePath
    .optional()
    .meta({ description: "The answers to the questions.", absent: "they stand with the questions" }),
  difficulty: z.number().optional().meta({
    description: "Orders the real tasks of a slope; generated ones have their bits.",
    absent: "the task is in no slope",
  }),
});

export const studySchema = z.strictObject({
  name: z.string().min(1).meta({ description: "What the study is called." }),
  description: z.string().default("").meta({ description: "A sentence for the report." }),
  users: z.int().min(2).meta({ description: "Test users of each task: the unit of every verdict." }),
  dev_users: z.int().min(0).default(0).meta({
    description: "Other users, on whom tasks are admitted and plateaus and k are chosen.",
  }),
  items_per_user: positive.default(16).meta({ description: "Test items of each user." }),
  seeds: axis(z.int())
    .default([1])
    .meta({ description: "Every cell runs with each; a user's mean over them counts." }),
  models: z
    .record(z.string(), filePath)
    .refine((models) => Object.keys(models).length > 0)
    .meta({
      description: "Name → GGUF file, the weakest first; paths start where the study file is.",
      words: "a map of at least one name to a GGUF file, such as { M: m.gguf }",
    }),
  tasks: z
    .record(
      z.string(),
      taskSchema.nullable().transform((task) => task ?? {}),
    )
    .refine((tasks) => Object.keys(tasks).length > 0)
    .meta({
      description: "Name → its keys, or nothing.",
      words: "a map of at least one task, such as { tags: {} }",
    }),
  grid: axis(blockSchema).meta({
    description: "Blocks, each the full crossing of its factors.",
    words: "a list of blocks, such as [{ method: none }]",
  }),
  contrasts: z
    .array(contrastSchema)
    .default([])
    .meta({ description: "The primary contrasts.", words: "a list of contrasts", absent: "none" }),
  time_budget: duration
    .optional()
    .meta({ description: "The run takes fewer users rather than longer than this.", absent: "no limit" }),
});

export type StudyInput = z.input<typeof studySchema>;
export type Block = z.infer<typeof blockSchema>;
export type Selector = z.infer<typeof selectorSchema>;
