/** What a generation takes: tokens and times. */

/** What a generation took; the names are those of OpenAI and web-llm. Times in seconds, rates in tokens per second. */
export interface Usage {
  readonly prompt_tokens: number;
  /** Of these, tokens that were in the cache already and were not computed again. */
  readonly cached_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  /** Loading the model, once. */
  readonly load_s: number;
  readonly time_to_first_token_s: number;
  /** Of the prompt tokens that were computed. */
  readonly prefill_tokens_per_s: number;
  readonly decode_tokens_per_s: number;
}

/** Counts and times of one generation. */
export class Meter {
  cached = 0;
  private readonly prompt: number;
  private readonly load: number;
  private readonly began = performance.now();
  private first: number | undefined;
  private last = 0;

  constructor(prompt: number, load: number) {
    this.prompt = prompt;
    this.load = load;
  }

  /** A token was made. */
  token(): void {
    this.last = performance.now();
    this.first ??= this.last;
  }

  /** With so many tokens of an answer. */
  usage(completed: number): Usage {
    const first = ((this.first ?? performance.now()) - this.began) / 1e3;
    const decode = this.first === undefined ? 0 : (this.last - this.first) / 1e3;
    const rate = (tokens: number, seconds: number) => (seconds > 0 ? tokens / seconds : 0);
    return {
      prompt_tokens: this.prompt,
      cached_tokens: this.cached,
      completion_tokens: completed,
      total_tokens: this.prompt + completed,
      load_s: this.load,
      time_to_first_token_s: first,
      prefill_tokens_per_s: this.first === undefined ? 0 : rate(this.prompt - this.cached, first),
      decode_tokens_per_s: rate(Math.max(0, completed - 1), decode),
    };
  }
}
