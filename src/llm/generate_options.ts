/** How an answer is made, in the names of OpenAI and of this field; checked in one place. */
import { InputError } from "../errors.ts";

export interface GenerateOptions {
  /** Most tokens of the answer; default: until the context is full. */
  readonly max_tokens?: number;
  /** 0 (default): the most likely token every time. */
  readonly temperature?: number;
  /** Only the so many most likely tokens; 0 (default): all. */
  readonly top_k?: number;
  /** Only the most likely tokens whose probabilities together reach this; 1 (default): all. */
  readonly top_p?: number;
  /** Only tokens at least this probable relative to the most likely one; 0 (default): all. */
  readonly min_p?: number;
  /** Logits of tokens in prompt and answer are divided (positive) or multiplied (negative) by this; 1 (default): they stay. */
  readonly repetition_penalty?: number;
  /** Same seed, same text, on every machine; default 0. */
  readonly seed?: number;
  /** The answer ends before the first of these. */
  readonly stop?: string | readonly string[];
  /** Log-probabilities of every token and so many alternatives; default: none. */
  readonly logprobs?: number;
  readonly signal?: AbortSignal;
}

const MOST_ALTERNATIVES = 20;

/** InputError where an option is out of its range. */
export function checkOptions(options: GenerateOptions): void {
  const rule = (name: keyof GenerateOptions, holds: (value: number) => boolean, range: string) => {
    const value = options[name];
    if (value === undefined || (typeof value === "number" && holds(value))) return;
    throw new InputError(`generate: ${name} is ${String(value)}; must be ${range}`);
  };
  const whole = (least: number, most: number) => (value: number) =>
    Number.isInteger(value) && value >= least && value <= most;
  rule("max_tokens", whole(1, 2 ** 31), "a whole number from 1");
  rule("temperature", (value) => value >= 0 && value <= 100, "from 0 to 100");
  rule("top_k", whole(0, 2 ** 31 - 1), "a whole number from 0");
  rule("top_p", (value) => value > 0 && value <= 1, "above 0 and at most 1");
  rule("min_p", (value) => value >= 0 && value <= 1, "from 0 to 1");
  rule("repetition_penalty", (value) => value > 0 && value <= 100, "above 0 and at most 100");
  rule("seed", whole(0, 2 ** 32 - 1), "a whole number from 0 below 2^32");
  rule("logprobs", whole(0, MOST_ALTERNATIVES), `a whole number from 0 to ${MOST_ALTERNATIVES}`);
  const stops = typeof options.stop === "string" ? [options.stop] : (options.stop ?? []);
  for (const stop of stops)
    if (typeof stop !== "string" || stop === "")
      throw new InputError("generate: stop has an empty string; each must have a character at least");
}
