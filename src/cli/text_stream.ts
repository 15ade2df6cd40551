import type { Tokenizer } from "../llm/tokenizer/tokenizer.ts";

/** Tokens to text as they come: bytes of a character that is not complete yet wait for the rest. */
export class TextStream {
  private readonly tokenizer: Tokenizer;
  private readonly decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  private continued = false;

  constructor(tokenizer: Tokenizer) {
    this.tokenizer = tokenizer;
  }

  /** The whole characters that these tokens complete. */
  push(tokens: readonly number[]): string {
    const bytes = this.tokenizer.decodeBytes(tokens, { continued: this.continued });
    this.continued = true;
    return this.decoder.decode(bytes, { stream: true });
  }

  /** What is left of a character that never became whole, as U+FFFD. */
  end(): string {
    return this.decoder.decode();
  }
}
