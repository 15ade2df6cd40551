import type { Tokenizer } from "./tokenizer.ts";

export interface TextStreamOptions {
  /** The tokens go on after others, so a leading space is theirs. */
  continued?: boolean;
  /** Control tokens are written out. */
  special?: boolean;
}

/** Tokens to text as they come: bytes of a character that is not complete yet wait for the rest. */
export class TextStream {
  readonly #tokenizer: Tokenizer;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  readonly #special: boolean;
  #continued: boolean;

  constructor(tokenizer: Tokenizer, { continued = false, special = false }: TextStreamOptions = {}) {
    this.#tokenizer = tokenizer;
    this.#special = special;
    this.#continued = continued;
  }

  /** The whole characters that these tokens complete; bytes that can be part of none become U+FFFD. */
  push(tokens: readonly number[]): string {
    const bytes = this.#tokenizer.decodeBytes(tokens, { continued: this.#continued, special: this.#special });
    // A control token before the text does not make the first word a later one.
    this.#continued ||= tokens.some((token) => !this.#tokenizer.isControl(token));
    return this.#decoder.decode(bytes, { stream: true });
  }

  /** What is left of a character that never became whole, as U+FFFD. */
  end(): string {
    return this.#decoder.decode();
  }
}
