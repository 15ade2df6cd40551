/** Log-probabilities of tokens, in the shape of OpenAI's. */
import { exp, log } from "../engine/math.ts";
import type { Tokenizer } from "./tokenizer/tokenizer.ts";

export interface TokenLogprob {
  readonly id: number;
  /** Its text; a character that it has only a part of is U+FFFD. */
  readonly token: string;
  /** Its exact bytes in UTF-8. */
  readonly bytes: number[];
  /** ln p. */
  readonly logprob: number;
}

export interface TokenLogprobs extends TokenLogprob {
  /** The most likely tokens, the likeliest first. */
  readonly top_logprobs: TokenLogprob[];
}

/**
 * ln p of a token and of the `alternatives` likeliest ones under softmax(logits): of the raw logits, before penalty, temperature and filters.
 */
export function logprobsOf(
  logits: Float32Array,
  token: number,
  alternatives: number,
  tokenizer: Tokenizer,
): TokenLogprobs {
  const normalizer = logSumExp(logits);
  const entry = (id: number): TokenLogprob => {
    const bytes = tokenizer.decodeBytes([id], { continued: true, special: true });
    const logprob = logits[id] - normalizer;
    return { id, token: new TextDecoder().decode(bytes), bytes: [...bytes], logprob };
  };
  return { ...entry(token), top_logprobs: largest(logits, alternatives).map(entry) };
}

function logSumExp(values: Float32Array): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const value of values) if (value > most) most = value;
  let sum = 0;
  for (const value of values) if (value <= most) sum += exp(value - most);
  return most + log(sum);
}

/** Indices of the `count` largest values, the largest first; of equal ones the lower index first. */
function largest(values: Float32Array, count: number): number[] {
  const found: number[] = [];
  values.forEach((value, index) => {
    if (!(value >= Number.NEGATIVE_INFINITY)) return;
    if (found.length === count && !(value > values[found[count - 1]])) return;
    if (count === 0) return;
    let at = found.length === count ? count - 1 : found.length;
    for (; at > 0 && value > values[found[at - 1]]; at--) found[at] = found[at - 1];
    found[at] = index;
  });
  return found;
}
