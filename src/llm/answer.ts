/** An answer on its way: from tokens to pieces of text. */
import type { Generator } from "./generate.ts";
import type { GenerateOptions } from "./generate_options.ts";
import { logprobsOf, type TokenLogprobs } from "./logprobs.ts";
import { StopStrings } from "./stop_strings.ts";
import { TextStream } from "./tokenizer/text_stream.ts";
import type { Tokenizer } from "./tokenizer/tokenizer.ts";

/** A part of an answer: whole characters, and the tokens behind them. */
export interface Piece {
  readonly text: string;
  /** The tokens made since the last piece; the end token is not among them. */
  readonly tokens: number[];
  /** One for each token, where `logprobs` was asked for. */
  readonly logprobs?: TokenLogprobs[];
  /** In the last piece only. "stop": an end token or a stop string came; "length": max_tokens, or the context is full; "abort": the signal, or dispose(). */
  readonly finish_reason?: FinishReason;
}

export type FinishReason = "stop" | "length" | "abort";

/** Tokens that certainly hold what a character cut at the prompt's end begins with. */
const TAIL = 8;

export class Answer {
  /** Tokens so far, without an end token. */
  completed = 0;
  /** What can be given out: no half characters, nothing that may yet become a stop string. */
  text = "";
  private tokens: number[] = [];
  private logprobs: TokenLogprobs[] = [];
  private readonly tokenizer: Tokenizer;
  private readonly stream: TextStream;
  private readonly stops: StopStrings;
  private readonly most: number;
  private readonly alternatives: number | undefined;

  constructor(tokenizer: Tokenizer, prompt: readonly number[], options: GenerateOptions) {
    const { max_tokens = Number.POSITIVE_INFINITY, logprobs, stop = [] } = options;
    this.tokenizer = tokenizer;
    this.stream = new TextStream(tokenizer, { continued: true });
    this.stream.push(prompt.slice(-TAIL)); // the answer may complete a character of the prompt
    this.stops = new StopStrings(typeof stop === "string" ? [stop] : stop);
    this.most = max_tokens;
    this.alternatives = logprobs;
  }

  /** Takes a token that the generator has just made; returns why the answer ends with it, if it does. */
  take(token: number, { logits, position, context }: Generator): FinishReason | undefined {
    if (this.tokenizer.endTokens.has(token)) return "stop";
    this.completed++;
    this.tokens.push(token);
    if (this.alternatives !== undefined)
      this.logprobs.push(logprobsOf(logits, token, this.alternatives, this.tokenizer));
    this.text += this.stops.push(this.stream.push([token]));
    if (this.stops.found) return "stop";
    return this.completed >= this.most || position >= context ? "length" : undefined;
  }

  /** What has come since the last piece. */
  piece(): Piece {
    const { text, tokens, logprobs } = this;
    [this.text, this.tokens, this.logprobs] = ["", [], []];
    return { text, tokens, ...(this.alternatives !== undefined && { logprobs }) };
  }

  /** The last piece, with what was held back. */
  last(finish: FinishReason | undefined): Piece {
    if (!this.stops.found) this.text += this.stops.push(this.stream.end()) + this.stops.end();
    return { ...this.piece(), finish_reason: finish };
  }
}
