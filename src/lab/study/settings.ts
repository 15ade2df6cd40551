/** The settings of one cell of a study: what is crossed, and the key that names the cell for ever. */
import { createHash } from "node:crypto";
import { z } from "zod";

/** Learning methods. `retrieves` shows history items in the prompt, `trains` fits a LoRA adapter to the history. */
export const METHODS = {
  none: { retrieves: false, trains: false, label: "none" },
  rag: { retrieves: true, trains: false, label: "rag" },
  lora: { retrieves: false, trains: true, label: "lora" },
  "rag+lora-reused": { retrieves: true, trains: true, label: "rag+lora (lora's adapter reused)" },
  "rag+lora-trained": { retrieves: true, trains: true, label: "rag+lora (trained with retrieval)" },
} as const;

export type Method = keyof typeof METHODS | `baseline:${string}`;

export const COMPRESSIONS = ["f32", "f16", "q8_0", "q4_0"] as const;
export type Compression = (typeof COMPRESSIONS)[number];
/** Bits a weight, with the scales of its block. */
export const COMPRESSION_BITS: Record<Compression, number> = { f32: 32, f16: 16, q8_0: 8.5, q4_0: 4.5 };

const BASELINE = /^baseline:[a-z0-9_-]+$/;
export const methodSchema = z.custom<Method>(
  (value) => typeof value === "string" && (Object.hasOwn(METHODS, value) || BASELINE.test(value)),
);

const count = z.int().min(0);

/** Settings that do not apply to a method are 0 (numbers) or "-" (model and compression of a baseline). */
export const settingsSchema = z.strictObject({
  task: z.string().min(1),
  /** Generated users recover what was planted; only real ones are evidence. */
  data: z.enum(["generated", "real"]),
  method: methodSchema,
  /** Whose history: the user's own, or another user's of the same domain and size. */
  history: z.enum(["own", "placebo"]),
  compression: z.enum(["-", ...COMPRESSIONS]),
  model: z.string().min(1),
  /** History items stored. */
  h: count,
  /** History items shown in a prompt. */
  k: count,
  training_tokens: count,
  /** LoRA's r and lora_alpha. */
  rank: count,
  alpha: z.number().min(0),
  seed: z.int(),
});

export type Settings = z.infer<typeof settingsSchema>;

export const SETTINGS = Object.keys(settingsSchema.shape) as (keyof Settings)[];

export function isBaseline(method: Method): boolean {
  return method.startsWith("baseline:");
}

export function retrieves(method: Method): boolean {
  return !isBaseline(method) && METHODS[method as keyof typeof METHODS].retrieves;
}

export function trains(method: Method): boolean {
  return !isBaseline(method) && METHODS[method as keyof typeof METHODS].trains;
}

export function methodLabel(method: Method): string {
  return isBaseline(method)
    ? method.slice("baseline:".length).replaceAll(/[-_]/g, " ")
    : METHODS[method as keyof typeof METHODS].label;
}

/** Sets what does not apply to the method to its neutral value, and shows at most the items that are stored. */
export function neutral<T extends Partial<Settings>>(settings: T): T {
  const { method } = settings;
  if (method === undefined) return settings;
  const result: Partial<Settings> = { ...settings };
  const baseline = isBaseline(method);
  if (baseline) Object.assign(result, { model: "-", compression: "-" });
  if (method === "none") Object.assign(result, { h: 0, history: "own" });
  if (!retrieves(method)) result.k = 0;
  else if (result.k !== undefined && result.h !== undefined) result.k = Math.min(result.k, result.h);
  if (!trains(method)) Object.assign(result, { training_tokens: 0, rank: 0, alpha: 0 });
  return result as T;
}

/** 64 bits of SHA-256 over any JSON value, as 16 hexadecimal digits. Arrays fix the order of fields. */
export function digest(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 16);
}

/** Names a cell: the same settings give the same key in every run and version of the format. */
export function cellKey(settings: Settings): string {
  return digest(SETTINGS.map((name) => settings[name]));
}

/** What a row rests on beside its settings, by name: versions of what made it, digests of what it was made from. See lineage.ts. */
export type Lineage = Readonly<Record<string, string>>;

/** Names a line of results.jsonl: cell, user, and what the row rests on. */
export function rowKey(settings: Settings, user: string, lineage: Lineage): string {
  const parts = Object.keys(lineage).sort();
  return digest([
    ...SETTINGS.map((name) => settings[name]),
    user,
    ...parts.flatMap((name) => [name, lineage[name]]),
  ]);
}

/** "taste · rag · M q8_0 · h 64 · k 8": the settings that apply, for people. */
export function describe(settings: Settings): string {
  return `${settings.task} · ${describeWithin(settings)}`;
}

/** The same without the task, where that stands already. */
export function describeWithin(settings: Settings): string {
  const parts: string[] = [methodLabel(settings.method)];
  if (settings.history === "placebo") parts.push("placebo");
  if (settings.model !== "-") parts.push(`${settings.model} ${settings.compression}`);
  if (settings.h > 0) parts.push(`h ${settings.h}`);
  if (settings.k > 0) parts.push(`k ${settings.k}`);
  if (settings.training_tokens > 0) {
    parts.push(`${settings.training_tokens} tokens`, `r ${settings.rank} α ${settings.alpha}`);
  }
  return parts.join(" · ");
}
