/** How answers are made: the options of commands that generate, in the words of llama.cpp where it has some. */
import { randomInt } from "node:crypto";
import { InvalidArgumentError, Option } from "commander";
import type { GenerateOptions } from "../llm/generate_options.ts";
import { decimal, whole } from "./arguments.ts";

const SEEDS = 2 ** 32;

export interface SamplingOptions {
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  repetitionPenalty: number;
  /** undefined: one drawn anew. */
  seed?: number;
  maxTokens: number;
}

/** The options, with the command's own defaults. */
export function samplingOptions(defaults: {
  maxTokens: number;
  temperature: number;
  topP: number;
  seed?: number;
}): Option[] {
  const { maxTokens, temperature, topP, seed } = defaults;
  return [
    new Option("-n, --max-tokens <n>", "most tokens to generate")
      .default(maxTokens)
      .argParser(whole(1, 2 ** 24)),
    new Option("--temperature <t>", "0 takes the likeliest token every time")
      .default(temperature)
      .argParser(decimal(0, 100)),
    new Option("--top-k <n>", "only the n likeliest tokens; 0: all")
      .default(0)
      .argParser(whole(0, 2 ** 31 - 1)),
    new Option("--top-p <p>", "only the likeliest tokens that reach p together; 1: all")
      .default(topP)
      .argParser(positive(1)),
    new Option("--min-p <p>", "only tokens at least p times as likely as the likeliest; 0: all")
      .default(0)
      .argParser(decimal(0, 1)),
    new Option("--repetition-penalty <r>", "makes tokens of the context less likely; 1: off")
      .default(1)
      .argParser(positive(100)),
    new Option("--seed <n>", "same seed, same text")
      .default(seed, seed === undefined ? "drawn anew" : undefined)
      .argParser(whole(0, SEEDS - 1)),
  ];
}

/** The same in the names of the library. */
export function samplingOf(options: SamplingOptions) {
  const { maxTokens, temperature, topK, topP, minP, repetitionPenalty, seed = randomInt(SEEDS) } = options;
  return {
    max_tokens: maxTokens,
    temperature,
    top_k: topK,
    top_p: topP,
    min_p: minP,
    repetition_penalty: repetitionPenalty,
    seed,
  } satisfies GenerateOptions;
}

function positive(most: number): (text: string) => number {
  return (text) => {
    const value = decimal(0, most)(text);
    if (value > 0) return value;
    throw new InvalidArgumentError(`It must be above 0 and at most ${most}.`);
  };
}
