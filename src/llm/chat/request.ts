/** What may be asked of `chat.completions.create`, in the names of OpenAI; everything else is refused by name. */
import { InputError } from "../../errors.ts";
import type { GenerateOptions } from "../generate_options.ts";
import type { Message } from "./template.ts";

export interface TextPart {
  readonly type: "text";
  readonly text: string;
}

export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string | readonly TextPart[];
}

export interface ChatRequest {
  /** Only written into the answer. */
  readonly model?: string;
  readonly messages: readonly ChatMessage[];
  readonly stream?: boolean | null;
  /** `include_usage`: one more chunk, without choices, ends the stream. */
  readonly stream_options?: { readonly include_usage?: boolean } | null;
  readonly max_tokens?: number | null;
  readonly max_completion_tokens?: number | null;
  /** Default 1, as OpenAI's. */
  readonly temperature?: number | null;
  readonly top_p?: number | null;
  readonly top_k?: number | null;
  readonly min_p?: number | null;
  readonly repetition_penalty?: number | null;
  readonly stop?: string | readonly string[] | null;
  /** Same seed, same answer; default 0. */
  readonly seed?: number | null;
  readonly n?: 1 | null;
  readonly logprobs?: boolean | null;
  readonly top_logprobs?: number | null;
  readonly signal?: AbortSignal;
}

const FIELDS: Readonly<Record<keyof ChatRequest, true>> = {
  model: true,
  messages: true,
  stream: true,
  stream_options: true,
  max_tokens: true,
  max_completion_tokens: true,
  temperature: true,
  top_p: true,
  top_k: true,
  min_p: true,
  repetition_penalty: true,
  stop: true,
  seed: true,
  n: true,
  logprobs: true,
  top_logprobs: true,
  signal: true,
};
const ROLES: readonly unknown[] = ["system", "user", "assistant"] satisfies ChatMessage["role"][];

export interface CheckedRequest {
  readonly messages: Message[];
  readonly options: GenerateOptions;
  readonly usage: boolean;
}

/** Messages as plain texts, and options of `generate`. Ranges of numbers are checked there. */
export function checkRequest(request: ChatRequest): CheckedRequest {
  for (const [name, value] of Object.entries(request))
    if (!Object.hasOwn(FIELDS, name) && value !== undefined && value !== null)
      throw new InputError(
        `chat: "${name}" is not supported; these fields are: ${Object.keys(FIELDS).join(", ")}`,
      );
  const { max_tokens, max_completion_tokens, n, logprobs, top_logprobs, stream_options } = request;
  if ((n ?? 1) !== 1) throw new InputError(`chat: n is ${n}; only 1 answer at a time is made`);
  if (max_tokens != null && max_completion_tokens != null && max_tokens !== max_completion_tokens)
    throw new InputError(
      `chat: max_tokens is ${max_tokens} and max_completion_tokens ${max_completion_tokens}; they mean the same, give one`,
    );
  if (top_logprobs != null && logprobs !== true)
    throw new InputError("chat: top_logprobs is given, but logprobs is not true");
  if (stream_options != null && request.stream !== true)
    throw new InputError("chat: stream_options is given, but stream is not true");
  return {
    messages: checkMessages(request.messages),
    usage: stream_options?.include_usage === true,
    options: {
      max_tokens: max_completion_tokens ?? max_tokens ?? undefined,
      temperature: request.temperature ?? 1,
      top_k: request.top_k ?? undefined,
      top_p: request.top_p ?? undefined,
      min_p: request.min_p ?? undefined,
      repetition_penalty: request.repetition_penalty ?? undefined,
      seed: request.seed ?? undefined,
      stop: request.stop ?? undefined,
      logprobs: logprobs === true ? (top_logprobs ?? 0) : undefined,
      signal: request.signal,
    },
  };
}

/** Every message with a role that is known and a content of text. Also for messages that come out of a file. */
export function checkMessages(messages: unknown): Message[] {
  if (!Array.isArray(messages) || messages.length === 0)
    throw new InputError("chat: messages must be a list of one message at least");
  return messages.map((message: unknown, i) => {
    const where = `chat: messages[${i}]`;
    if (typeof message !== "object" || message === null)
      throw new InputError(`${where} is no object with role and content`);
    const { role, content, ...rest } = message as ChatMessage & Record<string, unknown>;
    if (!ROLES.includes(role))
      throw new InputError(`${where} has role ${JSON.stringify(role)}; known are ${ROLES.join(", ")}`);
    const other = Object.keys(rest).find((name) => rest[name] !== undefined && rest[name] !== null);
    if (other !== undefined)
      throw new InputError(`${where} has the field "${other}", which is not supported`);
    return { role, content: textOf(content, where) };
  });
}

function textOf(content: unknown, where: string): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) throw new InputError(`${where} has no content of text`);
  return content
    .map((part: { type?: unknown; text?: unknown } | null) => {
      if (part?.type === "text" && typeof part.text === "string") return part.text;
      throw new InputError(
        `${where} has a part of type ${JSON.stringify(part?.type)}; only text is understood`,
      );
    })
    .join("");
}
