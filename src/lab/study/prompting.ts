/** From a person and the settings of a cell to the tokens that the model sees. */

import { InputError } from "../../errors.ts";
import type { Tokenizer } from "../../llm/tokenizer/tokenizer.ts";
import { retrieve } from "../rag/retrievers.ts";
import { answer, prompt, question } from "../tasks/prompts.ts";
import type { Item, Task } from "../tasks/types.ts";

/** A query as the model meets it, with what was shown. */
export interface Query {
  readonly item: Item;
  readonly shown: readonly Item[];
  readonly prompt: readonly number[];
  /** Tokens of each option; of a text without options, the text itself. */
  readonly options: readonly (readonly number[])[];
}

/** What turns text into tokens, for one model. Words repeat all the time, so short pieces are remembered. */
export class Prompter {
  readonly context: number;
  private readonly tokenizer: Tokenizer;
  private readonly known = new Map<string, readonly number[]>();

  constructor(tokenizer: Tokenizer, context: number) {
    this.tokenizer = tokenizer;
    this.context = context;
  }

  /**
   * The query with up to k items of the history before it, retrieved by BM25. Items that would take the prompt beyond the trained
   * context are left out, the least similar first; a query that does not fit by itself is refused.
   */
  query(task: Task, history: readonly Item[], item: Item, k: number): Query {
    const options = (item.options ?? [item.output]).map((text) => this.encode(answer(text)));
    const longest = Math.max(...options.map(({ length }) => length));
    for (let shown = retrieve("bm25", history, item, k); ; shown = shown.slice(1)) {
      const tokens = [...this.start(), ...this.encode(prompt(task, shown, item))];
      if (tokens.length + longest <= this.context) return { item, shown, prompt: tokens, options };
      if (shown.length) continue;
      throw new InputError(
        `study: item ${item.id} of ${task.name} takes ${tokens.length + longest} tokens, more than the model's trained context of ${this.context}`,
      );
    }
  }

  /** The item as something to learn from: the loss is on the answer alone. */
  example(task: Task, shown: readonly Item[], item: Item): { tokens: number[]; weights: number[] } {
    const before = [
      ...this.start(),
      ...this.encode(shown.length ? prompt(task, shown, item) : question(task, item)),
    ];
    const tokens = [...before, ...this.encode(answer(item.output))].slice(0, this.context);
    return { tokens, weights: tokens.map((_, i) => (i < before.length ? 0 : 1)) };
  }

  private start(): number[] {
    const { bos } = this.tokenizer;
    return bos === undefined ? [] : [bos];
  }

  private encode(text: string): readonly number[] {
    let tokens = this.known.get(text);
    if (!tokens) this.known.set(text, (tokens = this.tokenizer.encode(text, { addBos: false })));
    return tokens;
  }
}
