/**
 * A language model from its file to its text.
 *
 *     const lm = await load("model.gguf", { threads: 2 });
 *     for await (const piece of lm.generate("Once upon a time", { max_tokens: 50, temperature: 0.8, stop: "\n\n" }))
 *       process.stdout.write(piece.text);
 *     await lm.dispose();
 */
import { Turns } from "../engine/host/turns.ts";
import type { MemoryParts } from "../engine/plan/program.ts";
import { InputError } from "../errors.ts";
import { Answer, type FinishReason, type Piece } from "./answer.ts";
import { Chat } from "./chat/completions.ts";
import { type GenerationSetup, Generator } from "./generate.ts";
import { checkOptions, type GenerateOptions } from "./generate_options.ts";
import { type ProcessMemory, processMemory } from "./memory/process_memory.ts";
import { type ModelFile, openModel } from "./model_file.ts";
import { scoreTexts, type TextScore } from "./score_texts.ts";
import { Tokenizer } from "./tokenizer/tokenizer.ts";
import { Meter, type Usage } from "./usage.ts";

export type { FinishReason, Piece } from "./answer.ts";
export type { Usage } from "./usage.ts";

export interface LoadOptions extends Omit<GenerationSetup, "scoring"> {
  /**
   * What `score` may take. Default { sequences: 1 }: one text after another, in the KV cache that generation uses, and some 4 MiB for logits.
   * More sequences run together, and each needs a KV cache of its own (see `memory.state`). false: no `score`, no memory for it.
   */
  readonly scoring?: { readonly sequences: number } | false;
  /** Ends loading: the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called with the bytes of weights that were read, of so many. */
  onProgress?(done: number, total: number): void;
}

/** Positions where the model was trained for more: a cache of 32,768 can be larger than the model. */
const DEFAULT_CONTEXT = 4096;

/**
 * Opens a GGUF model and reads its weights. Rejects with InputError where the file or an option is wrong, and with MemoryLimitError, before
 * anything is allocated, where the process needs more than `memoryLimit` bytes (default: than its control group allows).
 */
export async function load(path: string, options: LoadOptions = {}): Promise<LanguageModel> {
  const began = performance.now();
  options.signal?.throwIfAborted();
  const file = await openModel(path);
  try {
    const tokenizer = Tokenizer.fromGguf(file.gguf.metadata);
    const context = options.context ?? Math.min(file.config.context, DEFAULT_CONTEXT);
    const scoring = options.scoring === false ? undefined : (options.scoring ?? { sequences: 1 });
    const generator = await Generator.open(watched(file, options), { ...options, context, scoring });
    const { program } = generator.engine;
    const process = processMemory(program, { header: file.gguf, inProcess: options.inProcess });
    return new LanguageModel(file, tokenizer, generator, {
      load: (performance.now() - began) / 1e3,
      process,
    });
  } catch (error) {
    await file.source.close();
    throw error;
  }
}

/** The same file, whose reads are counted and end with the signal. */
function watched(file: ModelFile, { signal, onProgress }: LoadOptions): ModelFile {
  const total = [...file.gguf.tensors.values()].reduce((sum, { rows, rowBytes }) => sum + rows * rowBytes, 0);
  let done = 0;
  const readRows: ModelFile["gguf"]["readRows"] = async (tensor, first, rows, into) => {
    signal?.throwIfAborted();
    const bytes = await file.gguf.readRows(tensor, first, rows, into);
    done = Math.min(total, done + bytes.length);
    onProgress?.(done, total);
    return bytes;
  };
  return { ...file, gguf: { ...file.gguf, readRows } };
}

/** A loaded model with the cache of one conversation. One thing at a time: calls wait for those before them. */
export class LanguageModel {
  readonly file: ModelFile;
  readonly tokenizer: Tokenizer;
  /** What a process needs that has this model and nothing else, part by part; its `wasm` is `memory.total`. */
  readonly process: ProcessMemory;
  readonly #generator: Generator;
  readonly #turns = new Turns();
  readonly #disposing = new AbortController();
  readonly #load: number;
  #chat: Chat | undefined;
  #usage: Usage | undefined;
  #running: Promise<TextScore[]> = Promise.resolve([]);
  #disposed: Promise<void> | undefined;

  /** `load`: seconds. */
  constructor(
    file: ModelFile,
    tokenizer: Tokenizer,
    generator: Generator,
    { load, process }: { load: number; process: ProcessMemory },
  ) {
    this.file = file;
    this.tokenizer = tokenizer;
    this.process = process;
    this.#generator = generator;
    this.#load = load;
  }

  /** Conversations, in the shape of OpenAI's API: `lm.chat.completions.create({ messages })`. */
  get chat(): Chat {
    this.#chat ??= new Chat(this);
    return this.#chat;
  }

  /** Tokens that prompt and answer can have together. */
  get context(): number {
    return this.#generator.context;
  }

  /** Every part of the memory, in bytes. */
  get memory(): MemoryParts {
    return this.#generator.engine.program.memory;
  }

  /** Rows that went through the model since it was loaded: what a cached prefix saves can be seen here. */
  get rows(): number {
    return this.#generator.rows;
  }

  /** What the last generation took; undefined before the first. */
  get usage(): Usage | undefined {
    return this.#usage;
  }

  /**
   * The answer to a prompt, in pieces of whole characters; the last one says why it ended. A text is tokenized as the model's file says
   * (BOS), control tokens written out in it stay text; tokens are taken as they are, as the whole conversation: only what follows the
   * common beginning with the last one is computed. Nothing is ever dropped from a prompt: one longer than the context is an InputError.
   * A second call waits until the first has ended (or its loop was left).
   */
  generate(prompt: string | readonly number[], options: GenerateOptions = {}): AsyncGenerator<Piece, void> {
    this.#check();
    checkOptions(options);
    const tokens = this.#tokensOf(prompt, "generate: the prompt");
    if (!tokens.length)
      throw new InputError("generate: the prompt is empty, and the model has no token that begins a text");
    if (tokens.length > this.context)
      throw new InputError(
        `generate: the prompt has ${tokens.length} tokens, the context is ${this.context}; load the model with a larger one or shorten the prompt`,
      );
    return this.#answer(tokens, options);
  }

  /**
   * How likely each token of some texts is after those before it. Texts are tokenized as prompts are; tokens are taken as they are. What
   * several texts begin with is computed once, also where it is in the cache already; the result is, to the bit, that of each text by
   * itself. The conversation is lost from the cache where its place is needed. Waits for calls before it; rejects with the signal's reason.
   */
  async score(
    texts: readonly (string | readonly number[])[],
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<TextScore[]> {
    this.#check();
    if (!this.#generator.engine.has("score_row"))
      throw new InputError(
        "score: the model was loaded with `scoring: false`; load it with { sequences: 1 }",
      );
    const encoded = texts.map((text, i) => this.#tokensOf(text, `score: text ${i}`));
    for (const [i, { length }] of encoded.entries())
      if (length > this.context)
        throw new InputError(
          `score: text ${i} has ${length} tokens, the context is ${this.context}; load the model with a larger one or split the text`,
        );
    const ends = AbortSignal.any([this.#disposing.signal, ...(signal ? [signal] : [])]);
    const release = await this.#turn(ends);
    try {
      ends.throwIfAborted();
      this.#running = scoreTexts(this.#generator, encoded, ends);
      return await this.#running;
    } finally {
      release();
    }
  }

  /** Ends what is running (its last piece says "abort"), ends the threads and closes the file. The model cannot be used any more. */
  dispose(): Promise<void> {
    this.#disposed ??= this.#end();
    return this.#disposed;
  }

  [Symbol.dispose](): void {
    void this.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #end(): Promise<void> {
    this.#disposing.abort(new DOMException("language model: disposed", "AbortError"));
    await Promise.allSettled([this.#generator.idle(), this.#running]);
    await this.#generator.close();
    await this.file.source.close();
  }

  #tokensOf(text: string | readonly number[], where: string): readonly number[] {
    if (typeof text === "string") return this.tokenizer.encode(text);
    const { vocabulary } = this.file.config;
    const wrong = text.findIndex((token) => !(Number.isInteger(token) && token >= 0 && token < vocabulary));
    if (wrong < 0) return [...text];
    throw new InputError(
      `${where} has the token ${text[wrong]} at ${wrong}; tokens are whole numbers from 0 to ${vocabulary - 1}`,
    );
  }

  #check(): void {
    if (this.#disposed) throw new Error("language model: it was disposed; load it again");
  }

  async *#answer(prompt: readonly number[], options: GenerateOptions): AsyncGenerator<Piece, void> {
    const signal = AbortSignal.any([this.#disposing.signal, ...(options.signal ? [options.signal] : [])]);
    const release = await this.#turn(signal);
    try {
      yield* this.#pieces(prompt, options, signal);
    } finally {
      release();
    }
  }

  /** Resolves when it is this call's turn, with what ends the turn; a signal ends the waiting. */
  #turn(signal: AbortSignal): Promise<() => void> {
    return new Promise((resolve) => {
      if (signal.aborted) resolve(() => {});
      signal.addEventListener("abort", () => resolve(() => {}), { once: true });
      void this.#turns.take(() => new Promise<void>((done) => (signal.aborted ? done() : resolve(done))));
    });
  }

  async *#pieces(
    prompt: readonly number[],
    options: GenerateOptions,
    signal: AbortSignal,
  ): AsyncGenerator<Piece, void> {
    const generator = this.#generator;
    const answer = new Answer(this.tokenizer, prompt, options);
    const meter = new Meter(prompt.length, this.#load);
    let finish: FinishReason | undefined;
    try {
      signal.throwIfAborted(); // while it waited: the cache is another's
      generator.sample(options);
      meter.cached = generator.rewind(prompt);
      let next = await generator.feed(prompt.slice(meter.cached), signal);
      for (;;) {
        meter.token();
        finish = answer.take(next, generator);
        if (finish) break;
        if (answer.text) yield answer.piece();
        next = await generator.feed([next], signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
      finish = "abort";
    } finally {
      this.#usage = meter.usage(answer.completed);
    }
    yield answer.last(finish);
  }
}
