/** The pre-training mix as micro-batches of tokens: a function of the seed and of how far it has been read. */
import { InputError } from "../../errors.ts";
import type { Tokenizer } from "../../llm/tokenizer/tokenizer.ts";
import type { Example } from "../../llm/train/example.ts";
import { mixGroup, type Sequence } from "../tasks/pretrain_mix.ts";

/** Where the stream stands: the next group of the mix. */
export interface StreamPosition {
  readonly group: number;
}

export class MixStream {
  private readonly seed: number;
  private readonly tokenizer: Tokenizer;
  private readonly context: number;
  private readonly bos: number;
  /** Words and short pieces repeat all the time. */
  private readonly known = new Map<string, readonly number[]>();
  private group: number;

  constructor(seed: number, tokenizer: Tokenizer, context: number, { group }: StreamPosition = { group: 0 }) {
    this.seed = seed;
    if (tokenizer.bos === undefined) throw new InputError("pretrain: the vocabulary has no BOS token");
    this.tokenizer = tokenizer;
    this.bos = tokenizer.bos;
    this.context = context;
    this.group = group;
  }

  get position(): StreamPosition {
    return { group: this.group };
  }

  /** Whole groups of sequences until the next would take the rows above the limit. */
  next(rows: number): Example[] {
    const examples: Example[] = [];
    for (let used = 0; ; this.group++) {
      const group = mixGroup(this.seed, this.group).map((sequence) => this.example(sequence));
      const size = group.reduce((sum, { tokens }) => sum + tokens.length - 1, 0);
      if (used + size > rows) return examples;
      examples.push(...group);
      used += size;
    }
  }

  /** BOS, then the segments, each tokenized by itself; cut at the context. */
  private example(sequence: Sequence): Example {
    const tokens = [this.bos];
    const weights = [0];
    for (const { text, weight } of sequence)
      for (const token of this.encode(text)) {
        tokens.push(token);
        weights.push(weight);
      }
    const most = this.context + 1;
    return { tokens: tokens.slice(0, most), weights: weights.slice(0, most) };
  }

  private encode(text: string): readonly number[] {
    if (text.length > LONGEST_KNOWN) return this.tokenizer.encode(text, { bos: false });
    let tokens = this.known.get(text);
    if (!tokens) this.known.set(text, (tokens = this.tokenizer.encode(text, { bos: false })));
    return tokens;
  }
}

const LONGEST_KNOWN = 80;
