/** A conversation on the command line: turns, and what /words do. */
import path from "node:path";
import { formatBytes } from "../../engine/plan/program.ts";
import { InputError } from "../../errors.ts";
import type { ChatUsage } from "../../llm/chat/completions.ts";
import { loadConversation, type Settings, saveConversation } from "../../llm/chat/conversation.ts";
import type { Message } from "../../llm/chat/template.ts";
import type { FinishReason, LanguageModel } from "../../llm/language_model.ts";
import { COLUMNS, duration, figures, grouped, styled } from "../terminal.ts";
import { WordWrap } from "./word_wrap.ts";

export interface Turn {
  readonly finish_reason: FinishReason;
  /** Seconds from the question to the first token; where `cold`, with opening the model. */
  readonly first_token_s: number;
  readonly cold: boolean;
  readonly usage: ChatUsage;
}

export interface SessionOptions {
  readonly system?: string;
  /** Nothing is written but errors. */
  readonly quiet?: boolean;
  /** Seconds that opening the model and its template took. */
  readonly opening: number;
}

interface Command {
  readonly usage: string;
  readonly meaning: string;
  run(argument: string): Promise<void> | void;
}

export class Session {
  readonly lm: LanguageModel;
  settings: Settings;
  messages: Message[];
  readonly turns: Turn[] = [];
  /** /exit was said. */
  ended = false;
  private readonly quiet: boolean;
  /** Seconds that opening the model and its template took. */
  private readonly opening: number;
  private answering: AbortController | undefined;

  constructor(lm: LanguageModel, settings: Settings, options: SessionOptions) {
    this.lm = lm;
    this.settings = settings;
    this.quiet = options.quiet ?? false;
    this.opening = options.opening;
    this.messages = options.system ? [{ role: "system", content: options.system }] : [];
  }

  /** Stops the answer that is being made; false where there is none. */
  interrupt(): boolean {
    if (!this.answering || this.answering.signal.aborted) return false;
    this.answering.abort();
    return true;
  }

  /** A turn, or a command that begins with a slash. What is wrong with either is said, and the conversation goes on. */
  async take(line: string): Promise<void> {
    const text = line.trim();
    if (text === "") return;
    const [, word, argument] = /^\/(\S*)\s*([\s\S]*)$/.exec(text) ?? [];
    if (word === undefined) return this.answer(line);
    if (!Object.hasOwn(this.commands, word))
      throw new InputError(`chat: there is no /${word}; ${this.words()}`);
    await this.commands[word].run(argument);
  }

  private async answer(content: string): Promise<void> {
    const began = performance.now();
    const messages = [...this.messages, { role: "user", content } as const];
    await this.refuseLong(messages);
    const { signal } = (this.answering = new AbortController());
    let answer = "";
    let finish: FinishReason = "stop";
    let usage: ChatUsage | undefined;
    let prepared = 0;
    const shown = answerWriter();
    try {
      const stream_options = { include_usage: true };
      const request = { messages, ...this.settings, stream: true, stream_options, signal } as const;
      const chunks = await this.lm.chat.completions.create(request);
      prepared = (performance.now() - began) / 1e3;
      for await (const chunk of chunks) {
        usage = chunk.usage ?? undefined;
        const [choice] = chunk.choices;
        if (choice === undefined) continue;
        const text = choice.delta.content ?? "";
        answer += text;
        if (!this.quiet) shown.write(text);
        finish = choice.finish_reason ?? finish;
      }
    } finally {
      this.answering = undefined;
    }
    if (!this.quiet) shown.end();
    // An answer that was stopped before its first word leaves no trace.
    if (answer !== "" || finish !== "abort")
      this.messages = [...messages, { role: "assistant", content: answer }];
    const cold = this.turns.length === 0;
    const first = (cold ? this.opening : 0) + prepared + usage!.extra.time_to_first_token_s;
    const turn = { finish_reason: finish, first_token_s: first, cold, usage: usage! };
    this.turns.push(turn);
    this.say(this.summary(turn));
  }

  private async refuseLong(messages: readonly Message[]): Promise<void> {
    const count = (await this.lm.chat.tokens(messages)).length;
    const { context } = this.lm;
    if (count > context)
      throw new InputError(
        `chat: length: the conversation has ${count} tokens with this turn, the context is ${context}; /reset begins anew, --n-ctx asks for more`,
      );
  }

  private summary({ finish_reason: finish, first_token_s: first, cold, usage }: Turn): string {
    const { prompt_tokens, completion_tokens, total_tokens, prompt_tokens_details, extra } = usage;
    const { cached_tokens } = prompt_tokens_details;
    const computed = `${grouped(prompt_tokens - cached_tokens)} of ${grouped(prompt_tokens)} prompt tokens`;
    const lines = [
      `first token after ${duration(first)} (${cold ? `cold: loading ${duration(this.opening)} of it` : "warm"})` +
        `, ${computed} at ${figures(extra.prefill_tokens_per_s)} tok/s` +
        `, ${grouped(completion_tokens)} made at ${figures(extra.decode_tokens_per_s)} tok/s`,
    ];
    if (finish === "abort") lines.push("stopped");
    if (finish === "length") lines.push(this.limit(total_tokens));
    return lines.join("\n");
  }

  /** Why an answer ended with "length", and what to do. */
  private limit(total: number): string {
    const { context } = this.lm;
    return total > context - 1
      ? `length: the context of ${grouped(context)} tokens is full; /reset begins anew, --n-ctx asks for more`
      : `length: ${grouped(this.settings.max_tokens!)} tokens were made; --max-tokens allows more`;
  }

  private readonly commands: Readonly<Record<string, Command>> = {
    reset: {
      usage: "/reset",
      meaning: "forget the conversation; the system message stays",
      run: () => {
        this.messages = this.messages.filter(({ role }) => role === "system");
        this.say("the conversation begins anew");
      },
    },
    system: {
      usage: "/system TEXT",
      meaning: "replace the system message; without TEXT show it",
      run: (text) => this.system(text),
    },
    save: {
      usage: "/save FILE",
      meaning: "write messages and settings to a JSON file",
      run: (file) => this.save(file),
    },
    load: {
      usage: "/load FILE",
      meaning: "go on with a conversation that was saved",
      run: (file) => this.load(file),
    },
    stats: { usage: "/stats", meaning: "memory, positions and settings", run: () => this.stats() },
    help: { usage: "/help", meaning: "this list", run: () => this.help() },
    exit: {
      usage: "/exit",
      meaning: "leave; so does Ctrl-D",
      run: () => {
        this.ended = true;
      },
    },
  };

  private system(text: string): void {
    const [first] = this.messages;
    if (text === "") {
      this.say(first?.role === "system" ? first.content : "there is no system message");
      return;
    }
    const rest = this.messages.filter(({ role }) => role !== "system");
    this.messages = [{ role: "system", content: text }, ...rest];
  }

  private async save(file: string): Promise<void> {
    if (file === "") throw new InputError("chat: /save needs the name of a file");
    const { settings, messages, lm } = this;
    await saveConversation(file, { model: path.basename(lm.file.path), settings, messages });
    this.say(`${messages.length} messages are in ${file}`);
  }

  private async load(file: string): Promise<void> {
    if (file === "") throw new InputError("chat: /load needs the name of a file");
    const { messages, settings, model } = await loadConversation(file);
    if (messages.length) await this.refuseLong(messages);
    this.messages = [...messages];
    this.settings = settings;
    const other = model === path.basename(this.lm.file.path) ? "" : ` (held with ${model})`;
    this.say(`${messages.length} messages from ${file}${other}`);
  }

  private async stats(): Promise<void> {
    const { lm, messages, settings, turns } = this;
    const used = messages.length ? (await lm.chat.tokens(messages)).length : 0;
    const made = turns.reduce((sum, { usage }) => sum + usage.completion_tokens, 0);
    this.say(
      [
        `${messages.length} messages, ${grouped(used)} of ${grouped(lm.context)} tokens of context; ${turns.length} turns, ${grouped(made)} tokens made`,
        `memory ${formatBytes(lm.memory.total)}: constants ${formatBytes(lm.memory.constants)}, state ${formatBytes(lm.memory.state)}`,
        Object.entries(settings)
          .map(([name, value]) => `${name} ${value}`)
          .join(", "),
      ].join("\n"),
    );
  }

  private help(): void {
    const width = Math.max(...Object.values(this.commands).map(({ usage }) => usage.length));
    const lines = Object.values(this.commands).map(
      ({ usage, meaning }) => `${usage.padEnd(width)}  ${meaning}`,
    );
    this.say([...lines, "Ctrl-C stops an answer. A line that ends with \\ goes on in the next."].join("\n"));
  }

  private words(): string {
    return `there are ${Object.keys(this.commands)
      .map((word) => `/${word}`)
      .join(" ")}`;
  }

  private say(text: string): void {
    if (!this.quiet) process.stderr.write(`${styled("dim", text, process.stderr)}\n`);
  }
}

/** Where an answer goes: into a pipe as it is, to a terminal in lines that end between words. */
function answerWriter() {
  const { stdout } = process;
  const wrap = stdout.isTTY ? new WordWrap(() => stdout.columns || COLUMNS) : undefined;
  return {
    write: (text: string) => stdout.write(wrap ? wrap.push(text) : text),
    end: () => stdout.write(`${wrap?.end() ?? ""}\n`),
  };
}
