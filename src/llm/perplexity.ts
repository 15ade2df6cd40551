/** How well a model predicts a text that is longer than its context. */
import type { Continuation, Scorer } from "./score.ts";

export interface PerplexityOptions {
  /** Tokens that a window of the text may have, BOS included. */
  readonly window: number;
  /** New tokens of each window: the rest of it is the past of these. At most the window less one. */
  readonly stride: number;
  readonly signal?: AbortSignal;
  /** Called with the tokens predicted so far. */
  onProgress?(predicted: number): void;
}

export interface Likelihood {
  /** Σ −log p. */
  readonly nats: number;
  /** Tokens that were predicted: all but the first. */
  readonly tokens: number;
}

/**
 * Sliding windows: every token is predicted once, from at least window − stride tokens before it (fewer only at the beginning). Where the
 * text begins with BOS, every window does.
 */
export function windowsOf(
  tokens: readonly number[],
  bos: number | undefined,
  { window, stride }: Pick<PerplexityOptions, "window" | "stride">,
): Continuation[] {
  const prefix = tokens[0] === bos && bos !== undefined ? [bos] : [];
  const windows: Continuation[] = [];
  for (let next = 1; next < tokens.length; ) {
    const end = Math.min(tokens.length, next === 1 ? window : next + stride);
    const start = Math.max(0, end - window);
    const past = start === 0 ? [] : prefix;
    const from = start + past.length;
    windows.push({ tokens: [...past, ...tokens.slice(from, end)], from: next - from + past.length });
    next = end;
  }
  return windows;
}

/** Negative log-likelihood of a text; perplexity is e^(nats / tokens). The scorer holds sequences of `window` − 1 tokens. */
export async function likelihoodOf(
  scorer: Scorer,
  tokens: readonly number[],
  bos: number | undefined,
  options: PerplexityOptions,
): Promise<Likelihood> {
  const windows = windowsOf(tokens, bos, options);
  const most = scorer.engine.program.slots.sequences;
  let [nats, predicted] = [0, 0];
  for (let first = 0; first < windows.length; first += most) {
    options.signal?.throwIfAborted();
    const batch = windows.slice(first, first + most);
    for (const logLikelihood of await scorer.continuations(batch)) nats -= logLikelihood;
    for (const each of batch) predicted += each.tokens.length - each.from;
    options.onProgress?.(predicted);
  }
  return { nats, tokens: predicted };
}
