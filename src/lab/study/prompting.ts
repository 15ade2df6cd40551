/** From a person and the settings of a cell to the tokens that the model sees. */

import { InputError } from "../../errors.ts";
import type { Tokenizer } from "../../llm/tokenizer/tokenizer.ts";
import { type RetrieverName, retrieve } from "../rag/retrievers.ts";
import { answer, prompt } from "../tasks/prompts.ts";
import type { Item, Task } from "../tasks/types.ts";

/** A query as the model meets it, with what was shown. */
export interface Query {
  readonly item: Item;
  readonly shown: readonly Item[];
  readonly prompt: readonly number[];
  /** The prompt with nothing shown. */
  readonly plain: readonly number[];
  /** Tokens of each option; of a text without options, the text itself. */
  readonly options: readonly (readonly number[])[];
}

/** A training sequence, with what was shown in it; tokens of weight 0 carry no loss. */
export interface Example {
  readonly item: Item;
  readonly shown: readonly Item[];
  readonly tokens: readonly number[];
  readonly weights: readonly number[];
  /** The item is longer than the context, and a part of its question or answer is missing. */
  readonly cut: boolean;
}

/** Raised whenever the same items become other tokens than before: rows of different versions never stand side by side. */
export const PROMPTS_VERSION = 2;

/** What turns text into tokens, for one model. Words repeat all the time, so short pieces are remembered. */
export class Prompter {
  readonly context: number;
  private readonly tokenizer: Tokenizer;
  private readonly retriever: RetrieverName;
  /** What every sequence begins with: BOS where the file asks for it, or nothing. */
  private readonly start: readonly number[];
  /** The tokenizer gives every text a space of its own in front, as SentencePiece does. */
  private readonly spaced: boolean;
  private readonly known = new Map<string, readonly number[]>();

  constructor(tokenizer: Tokenizer, context: number, retriever: RetrieverName = "bm25") {
    this.tokenizer = tokenizer;
    this.context = context;
    this.retriever = retriever;
    this.start = tokenizer.encode("", { eos: false });
    this.spaced = tokenizer.decode(this.encode("x"), { continued: true }) !== "x";
  }

  /**
   * The query with up to k items of the history before it. Items that would take the prompt beyond the trained context are left out, the
   * least similar first; a query that does not fit by itself is refused.
   */
  query(task: Task, history: readonly Item[], item: Item, k: number): Query {
    const options = (item.options ?? [item.output]).map((text) => this.answer(text));
    const longest = Math.max(...options.map(({ length }) => length));
    const { shown, before } = this.fitting(task, history, item, k, longest);
    const plain = shown.length ? this.fitting(task, [], item, 0, longest).before : before;
    if (before.length + longest <= this.context) return { item, shown, prompt: before, plain, options };
    throw new InputError(
      `study: item ${item.id} of ${task.name} takes ${before.length + longest} tokens, more than the model's trained context of ${this.context}`,
    );
  }

  /**
   * The item as something to learn from, with up to k earlier ones before it: the loss is on the answer alone. Of what is too long by
   * itself, what every sequence begins with, the end of the question and the beginning of the answer are kept.
   */
  example(task: Task, history: readonly Item[], item: Item, k: number): Example {
    const whole = this.answer(item.output);
    const { shown, before } = this.fitting(task, history, item, k, whole.length);
    const room = Math.max(this.context - whole.length, this.context >> 1);
    const missing = Math.max(0, before.length - room);
    const asked = [...this.start, ...before.slice(this.start.length + missing)];
    const told = whole.slice(0, this.context - asked.length);
    const weights = [...asked.map(() => 0), ...told.map(() => 1)];
    const cut = missing > 0 || told.length < whole.length;
    return { item, shown, tokens: [...asked, ...told], weights, cut };
  }

  /** Every item of a history as something to learn from, each with up to k of those before it. */
  lessons(task: Task, history: readonly Item[], k: number): Example[] {
    return history.map((item) => {
      const earlier = k > 0 ? history.filter(({ time }) => time < item.time) : [];
      return this.example(task, earlier, item, k);
    });
  }

  /** The prompt with as many of the retrieved items as leave room for an answer of this length. */
  private fitting(task: Task, history: readonly Item[], item: Item, k: number, room: number) {
    for (let shown = retrieve(this.retriever, history, item, k); ; shown = shown.slice(1)) {
      const before = [...this.start, ...this.encode(prompt(task, shown, item))];
      if (before.length + room <= this.context || !shown.length) return { shown, before };
    }
  }

  /** Tokens of an answer as they follow its question, with one space between. */
  private answer(text: string): readonly number[] {
    const written = answer(text);
    return this.encode(this.spaced && text !== "" ? written.slice(1) : written);
  }

  private encode(text: string): readonly number[] {
    let tokens = this.known.get(text);
    if (!tokens) this.known.set(text, (tokens = this.tokenizer.encode(text, { bos: false, eos: false })));
    return tokens;
  }
}
