/** `lm.chat.completions.create(...)`: the shapes of OpenAI's chat completions, made by a model on this machine. */
import type { FinishReason, LanguageModel, Piece, Usage } from "../language_model.ts";
import type { TokenLogprob, TokenLogprobs } from "../logprobs.ts";
import { type Answer, PromptWriter } from "./prompt.ts";
import { type ChatRequest, type CheckedRequest, checkRequest } from "./request.ts";
import type { ChatTemplate, Message } from "./template.ts";

export interface ChatUsage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
  /** As in web-llm, and the time that loading took. */
  readonly extra: Pick<
    Usage,
    "load_s" | "time_to_first_token_s" | "prefill_tokens_per_s" | "decode_tokens_per_s"
  >;
}

type Logprob = Omit<TokenLogprob, "id">;

export interface ChoiceLogprobs {
  readonly content: readonly (Logprob & { readonly top_logprobs: readonly Logprob[] })[];
}

export interface ChatCompletion {
  readonly id: string;
  readonly object: "chat.completion";
  /** Seconds since 1970. */
  readonly created: number;
  readonly model: string;
  readonly choices: readonly [
    {
      readonly index: 0;
      readonly message: { readonly role: "assistant"; readonly content: string };
      readonly logprobs: ChoiceLogprobs | null;
      /** "abort" (as in web-llm): the signal came, and the message is what there was. */
      readonly finish_reason: FinishReason;
    },
  ];
  readonly usage: ChatUsage;
}

export interface ChatCompletionChunk {
  readonly id: string;
  readonly object: "chat.completion.chunk";
  readonly created: number;
  readonly model: string;
  /** One; none in the chunk that carries the usage. */
  readonly choices: readonly {
    readonly index: 0;
    readonly delta: { readonly role?: "assistant"; readonly content?: string };
    readonly logprobs: ChoiceLogprobs | null;
    readonly finish_reason: FinishReason | null;
  }[];
  readonly usage?: ChatUsage | null;
}

/** Answers that are remembered as tokens, so that the next turn finds them in the cache. */
const ANSWERS_MAX = 256;

/** The conversations of a model. Nothing is kept between calls but what makes the next one cheaper. */
export class Chat {
  readonly completions = {
    create: ((request: ChatRequest) => this.create(request)) as Create,
  };
  private readonly lm: LanguageModel;
  private readonly answers: Answer[] = [];
  private template: Promise<ChatTemplate> | undefined;
  private writer: PromptWriter | undefined;

  constructor(lm: LanguageModel) {
    this.lm = lm;
  }

  /**
   * Chooses the template: another one of the model's file by name, a built-in one (chatml, llama-3, gemma), or a Jinja text; without it
   * the file's own. Rejects with InputError where there is none or where it cannot be read.
   */
  async use(choice?: string): Promise<void> {
    const { file, tokenizer } = this.lm;
    const before = this.template;
    this.writer = undefined;
    // Only who talks needs the sandbox of templates.
    this.template = import("./template.ts").then(({ ChatTemplate, templateOf }) =>
      ChatTemplate.open(templateOf(file.gguf.metadata, tokenizer, choice), tokenizer),
    );
    const template = await this.template;
    await before?.then(
      (each) => each.dispose(),
      () => {}, // it was never open, and whoever asked for it knows why
    );
    this.writer = new PromptWriter(tokenizer, template);
  }

  /** The tokens of a conversation up to where the next answer begins. */
  async tokens(messages: readonly Message[]): Promise<number[]> {
    if (!this.writer) await this.use();
    return this.writer!.tokens(messages, this.answers);
  }

  private async create(request: ChatRequest): Promise<ChatCompletion | AsyncIterable<ChatCompletionChunk>> {
    const checked = checkRequest(request);
    const prompt = await this.tokens(checked.messages);
    const pieces = this.remembering(this.lm.generate(prompt, checked.options));
    const model = request.model ?? this.lm.file.gguf.metadata.string("general.name", "edgewise");
    const head = { id: `chatcmpl-${crypto.randomUUID()}`, created: Math.floor(Date.now() / 1e3), model };
    return request.stream ? this.chunks(head, pieces, checked) : this.whole(head, pieces, checked);
  }

  private async *remembering(pieces: AsyncIterable<Piece>): AsyncGenerator<Piece, void> {
    let content = "";
    const tokens: number[] = [];
    try {
      for await (const piece of pieces) {
        content += piece.text;
        tokens.push(...piece.tokens);
        yield piece;
      }
    } finally {
      // Where a stop string was cut off, the text is not that of the tokens.
      if (tokens.length && this.lm.tokenizer.decode(tokens, { continued: true }) === content) {
        this.answers.unshift({ content, tokens });
        this.answers.length = Math.min(this.answers.length, ANSWERS_MAX);
      }
    }
  }

  private async whole(head: Head, pieces: AsyncIterable<Piece>, { options }: CheckedRequest) {
    let content = "";
    const logprobs: TokenLogprobs[] = [];
    let finish: FinishReason = "stop";
    for await (const piece of pieces) {
      content += piece.text;
      logprobs.push(...(piece.logprobs ?? []));
      finish = piece.finish_reason ?? finish;
    }
    const choice = {
      index: 0,
      message: { role: "assistant", content },
      logprobs: options.logprobs === undefined ? null : openaiLogprobs(logprobs),
      finish_reason: finish,
    } as const;
    const { id, created, model } = head;
    const usage = openaiUsage(this.lm.usage!);
    return { id, object: "chat.completion", created, model, choices: [choice], usage } as const;
  }

  private async *chunks(
    head: Head,
    pieces: AsyncIterable<Piece>,
    { usage }: CheckedRequest,
  ): AsyncGenerator<ChatCompletionChunk, void> {
    const { id, created, model } = head;
    const chunk = (choices: ChatCompletionChunk["choices"], used: ChatUsage | null = null) => {
      const made = { id, object: "chat.completion.chunk", created, model, choices } as const;
      return usage ? { ...made, usage: used } : made;
    };
    const first = { role: "assistant", content: "" } as const;
    yield chunk([{ index: 0, delta: first, logprobs: null, finish_reason: null }]);
    for await (const { text, logprobs, finish_reason: finish = null } of pieces) {
      const made = logprobs ? openaiLogprobs(logprobs) : null;
      if (text || made?.content.length)
        yield chunk([{ index: 0, delta: { content: text }, logprobs: made, finish_reason: null }]);
      if (finish) yield chunk([{ index: 0, delta: {}, logprobs: null, finish_reason: finish }]);
    }
    if (usage) yield chunk([], openaiUsage(this.lm.usage!));
  }
}

type Head = Pick<ChatCompletion, "id" | "created" | "model">;

/** The type of the answer follows `stream`. */
interface Create {
  (request: ChatRequest & { readonly stream: true }): Promise<AsyncIterable<ChatCompletionChunk>>;
  (request: ChatRequest & { readonly stream?: false | null }): Promise<ChatCompletion>;
  (request: ChatRequest): Promise<ChatCompletion | AsyncIterable<ChatCompletionChunk>>;
}

function openaiUsage(usage: Usage): ChatUsage {
  const { prompt_tokens, completion_tokens, total_tokens, cached_tokens } = usage;
  const { load_s, time_to_first_token_s, prefill_tokens_per_s, decode_tokens_per_s } = usage;
  return {
    prompt_tokens,
    completion_tokens,
    total_tokens,
    prompt_tokens_details: { cached_tokens },
    extra: { load_s, time_to_first_token_s, prefill_tokens_per_s, decode_tokens_per_s },
  };
}

function openaiLogprobs(logprobs: readonly TokenLogprobs[]): ChoiceLogprobs {
  const one = ({ token, bytes, logprob }: TokenLogprob): Logprob => ({ token, bytes, logprob });
  return { content: logprobs.map((each) => ({ ...one(each), top_logprobs: each.top_logprobs.map(one) })) };
}
