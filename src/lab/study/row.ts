/** One line of results.jsonl: one cell and one user, with everything a verdict, an alarm and the report need. */
import { z } from "zod";
import { subjectOf, textKey } from "../tasks/copies.ts";
import type { Item } from "../tasks/types.ts";
import { digest, rowKey, type Settings, settingsSchema } from "./settings.ts";

/** Raised whenever rows of before could not be read as what they are now. */
export const FORMAT = 2 as const;

const count = z.int().min(0);
const seconds = z.number().min(0);
const quartiles = z.tuple([seconds, seconds]);
const share = z.number().min(0).max(1);

/** The main measure first, the data set's own beside it. */
const quality = z.strictObject({
  /** accuracy: by likelihood of the options, more is better. bits_per_byte: of the text, less is better. */
  metric: z.enum(["accuracy", "bits_per_byte"]),
  value: z.number().min(0),
  /** Test items behind the value. */
  items: z.int().min(1),
  /** Free answers that were none of the options: counted apart, never mixed into accuracy. */
  format_failures: count,
  /** LaMP's own metric, e.g. {"f1": 0.41} or {"mae": 0.7}; empty where there is none. */
  lamp: z.record(z.string(), z.number()),
});

/** Best possible accuracy, and bits left unknown, without history (0) and given the h items at hand (h). */
const bayes = z.strictObject({
  accuracy_0: share,
  accuracy_h: share,
  bits_0: z.number().min(0),
  bits_h: z.number().min(0),
});

const cost = z.strictObject({
  /** Tokens that went through the backward pass; 0 where nothing is trained. */
  trained_tokens: count,
  evaluated_tokens: count,
  /**
   * What one person's own machine takes, from tokens and the median rate of the timing pass, not from the wall clock of the shared run;
   * the quartiles of its turns beside it.
   */
  training_seconds: seconds,
  training_seconds_quartiles: quartiles,
  evaluation_seconds: seconds,
  evaluation_seconds_quartiles: quartiles,
  training_tokens_per_second: z.number().min(0),
  evaluation_tokens_per_second: z.number().min(0),
  /** The timing pass: threads, turns of each kind of work, and the mean number of cores that other processes kept busy meanwhile. */
  timing: z.strictObject({ threads: count, repeats: count, others: z.number().min(0).nullable() }),
});

const memory = z.strictObject({
  /** Packed weights alone. */
  model_bytes: count,
  /** Linear memory of the larger program of the cell (training or answering) for one person alone: exact, before anything is allocated. */
  program_bytes: count,
  /**
   * Of a process that runs this program: what that person's machine needs, for the longest of the cell's sequences. The study itself
   * serves many at once and takes more.
   */
  predicted_peak_bytes: count,
  /** Resident peak of a process that runs this program once; null for a baseline. */
  measured_peak_bytes: count.nullable(),
});

/**
 * What the runner did, noted where it did it (not copied from the settings), so that the alarms can compare the two.
 * An item's digest is over what it is about on real users, white space and punctuation aside, so that a question is recognised
 * wherever it turns up; over user and item id on generated ones, whose texts may coincide. See `itemDigest`.
 */
const audit = z.strictObject({
  /** Digest of the weights as bound, after compression; null for a baseline. */
  model: z.string().nullable(),
  /** Whose history was used; null where none was. */
  history_user: z.string().nullable(),
  /** Digests of the items of the history, oldest first. */
  history_items: z.array(z.string()),
  test_items: z.array(z.string()).min(1),
  /** Digests of the items the adapter was trained on, without repeats. */
  trained_items: z.array(z.string()),
  /** How many of them are longer than the context, so that a part of the question or the answer was left out. */
  items_cut: count,
  /** Most tokens of one training step, which is whole items; 0 where nothing is trained. */
  step_tokens: count,
  /** Most history items in one evaluation prompt. */
  items_shown: count,
  /**
   * Per test item: its place in time minus that of the latest item shown with it, in the time order of whoever's
   * history it is (a placebo's queries stand right after its history). Empty where nothing is shown.
   */
  shown_gaps: z.array(z.int()),
  /** The smallest such gap over the training prompts that show items; null where none do. */
  training_gap: z.int().nullable(),
  /** norm: Frobenius norm of B·A over all banks at evaluation, so that an untrained or zeroed adapter is 0. */
  adapter: z.strictObject({ digest: z.string(), norm: z.number(), rank: z.int().min(1) }).nullable(),
  /** Digest of all option scores, or of the text's log-likelihoods, in order. */
  scores: z.string(),
  /** Tokens of the longest prompt, and of the context the model was trained with (0 and 0 for a baseline). */
  longest_prompt: count,
  context: count,
  /** Times one of the user's test items was met in a prompt or among the items trained on, or a passage to choose from in the history. */
  canary_hits: count,
});

const provenance = z.strictObject({
  edgewise: z.string(),
  node: z.string(),
  /** Name of the wasm build, e.g. simd. */
  build: z.string(),
  machine: z.strictObject({
    cpu: z.string(),
    cores: z.int().min(1),
    memory_bytes: count,
    os: z.string(),
  }),
  command: z.string(),
  finished: z.iso.datetime(),
});

export const rowSchema = z.strictObject({
  format: z.literal(FORMAT),
  key: z.string(),
  /** Digest of what the study file says of tasks, models and items: rows of another study are refused. */
  study: z.string(),
  /** Digest of the primary contrasts declared when the row was measured. */
  declared: z.string(),
  /**
   * What the run set out with: test users asked of every task, those that this task has of them, its dev users, and this user's test
   * items.
   */
  planned: z.strictObject({
    asked: z.int().min(1),
    users: z.int().min(1),
    dev_users: count,
    items: z.int().min(1),
  }),
  settings: settingsSchema,
  /** Versions of what made the row, and digests of the data and the model that it was made from, by name; all of it is in the key. */
  lineage: z.record(z.string(), z.string()),
  user: z.string().min(1),
  split: z.enum(["dev", "test"]),
  quality,
  bayes: bayes.nullable(),
  cost,
  memory,
  audit,
  provenance,
});

export type Row = z.infer<typeof rowSchema>;
export type Audit = z.infer<typeof audit>;

/** What stands for an item in the audit. */
export function itemDigest(data: Settings["data"], user: string, item: Item): string {
  return digest(data === "real" ? textKey(subjectOf(item)) : [user, item.id]);
}

/** A row as the runner hands it over: format and key are added here. */
export function makeRow(fields: Omit<Row, "format" | "key">): Row {
  return rowSchema.parse({
    format: FORMAT,
    key: rowKey(fields.settings, fields.user, fields.lineage),
    ...fields,
  });
}
