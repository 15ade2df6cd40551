/** What a model learns from, and what is wrong with it. */
import { InputError } from "../../errors.ts";
import type { ModelSpec } from "../models/graphs.ts";

/** One packed sequence: the model learns to predict tokens[i] (i ≥ 1) with weight weights[i]; weight 0 carries no loss. */
export interface Example {
  readonly tokens: ArrayLike<number>;
  readonly weights: ArrayLike<number>;
  /** Which adapter of the bank learns from it, if the model has one; null: none, its loss is that of the base alone. */
  readonly adapter?: number | null;
  /** lora_alpha / r */
  readonly scale?: number;
}

/** Refuses, by its number in the micro-batch, an example that this model cannot learn from in this context. */
export function checkExample(example: Example, number: number, { config, bank }: ModelSpec, context: number) {
  const { tokens, weights, adapter } = example;
  const problem = (rule: string) => new InputError(`train: example ${number}: ${rule}`);
  if (tokens.length < 2)
    throw problem(`length: has ${tokens.length} tokens; the first is given, so at least 2 are needed`);
  if (tokens.length - 1 > context)
    throw problem(
      `length: has ${tokens.length} tokens, the context of ${context} holds ${context + 1}; cut it, or train with a longer context`,
    );
  if (weights.length !== tokens.length)
    throw problem(`has ${tokens.length} tokens and ${weights.length} weights; every token needs one`);
  for (let i = 0; i < tokens.length; i++)
    if (!(Number.isInteger(tokens[i]) && tokens[i] >= 0 && tokens[i] < config.vocabulary))
      throw problem(
        `token ${i} is ${tokens[i]}, must be from 0 to ${config.vocabulary - 1}; what is not to be learned has the weight 0`,
      );
  if (bank === undefined || adapter === null) return;
  const numbers = bank.adapters === 1 ? "0" : `a number from 0 to ${bank.adapters - 1}`;
  if (adapter === undefined)
    throw problem(`adapter is missing, must be ${numbers}, or null where none is to learn from it`);
  if (!(Number.isInteger(adapter) && adapter >= 0 && adapter < bank.adapters))
    throw problem(`adapter is ${adapter}, must be ${numbers}`);
}

/** Tokens that are learned: the first has nothing before it. */
export function weightedTokens({ weights }: Pick<Example, "weights">): number {
  let count = 0;
  for (let i = 1; i < weights.length; i++) if (weights[i] !== 0) count++;
  return count;
}
