/**
 * Chat templates: the Jinja text in a model's file that says how messages are written for it, in the metadata
 * `tokenizer.chat_template` and, under further names, `tokenizer.chat_template.<name>`.
 */
import { InputError } from "../../errors.ts";
import type { Metadata } from "../files/metadata.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { builtinTemplates } from "./builtin.ts";
import { Sandbox } from "./sandbox.ts";

export interface Message {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

const KEY = "tokenizer.chat_template";
/** The largest in use have 30,000 characters. */
const SOURCE_MAX = 2 ** 18;

export interface TemplateSource {
  /** As errors name it. */
  readonly name: string;
  readonly source: string;
  /** One of ours writes the token that begins a text only where the model's file asks for one. */
  readonly builtin: boolean;
}

/**
 * The template of a model: its own; or by `choice` another of the file's by name, one of the built-in ones by name, or a Jinja text (one
 * with `{{` or `{%`). None is ever guessed: an InputError says what there is.
 */
export function templateOf(metadata: Metadata, tokenizer: Tokenizer, choice?: string): TemplateSource {
  const { file } = metadata;
  if (choice !== undefined && /\{[{%]/.test(choice))
    return { name: "chat template", source: choice, builtin: false };
  const key = choice === undefined || choice === "default" ? KEY : `${KEY}.${choice}`;
  if (metadata.has(key))
    return { name: `chat template of ${file}`, source: metadata.string(key), builtin: false };
  const named = metadata.keys().filter((each) => each.startsWith(`${KEY}.`));
  const names = [...named.map((each) => each.slice(KEY.length + 1)), ...Object.keys(builtinTemplates)];
  if (choice === undefined)
    throw new InputError(
      `chat: ${file} has no chat template, so nothing says how messages are written for it; it may be a base model, which only continues texts (edgewise generate). Otherwise choose a template: ${names.join(", ")}, or a Jinja file`,
    );
  if (!Object.hasOwn(builtinTemplates, choice))
    throw new InputError(`chat: there is no template "${choice}"; there are ${names.join(", ")}`);
  const { source, needs } = builtinTemplates[choice];
  for (const text of needs)
    if (tokenizer.encode(text, { bos: false, eos: false, special: true }).length !== 1)
      throw new InputError(
        `chat: the template ${choice} needs the token ${text}, which the vocabulary of ${file} does not have`,
      );
  return { name: `chat template ${choice}`, source, builtin: true };
}

/** The text of a conversation. */
export interface Rendering {
  readonly text: string;
  /** Whose its characters are, in order: the template's own (−1), made of messages (−2), or said by message number `from`. */
  readonly runs: readonly { readonly length: number; readonly from: number }[];
}

/** A template that was read without error and can be rendered, within the limits of its sandbox. */
export class ChatTemplate {
  readonly name: string;
  readonly source: string;
  private readonly sandbox: Sandbox;
  private readonly tokens: Readonly<Record<string, string>>;

  private constructor(
    { name, source }: TemplateSource,
    sandbox: Sandbox,
    tokens: Readonly<Record<string, string>>,
  ) {
    this.name = name;
    this.source = source;
    this.sandbox = sandbox;
    this.tokens = tokens;
  }

  static async open(template: TemplateSource, tokenizer: Tokenizer): Promise<ChatTemplate> {
    const { name, source, builtin } = template;
    if (source.length > SOURCE_MAX)
      throw new InputError(`${name} has ${source.length} characters, at most ${SOURCE_MAX} are read`);
    const sandbox = await Sandbox.open();
    sandbox.call("open", source, name);
    const text = (id: number | undefined) => (id === undefined ? "" : tokenizer.tokenText(id));
    const begins = tokenizer.bos !== undefined && tokenizer.encode("").includes(tokenizer.bos);
    const bos = builtin && !begins ? "" : text(tokenizer.bos);
    return new ChatTemplate(template, sandbox, { bos_token: bos, eos_token: text(tokenizer.eos) });
  }

  /** The text of a conversation; `answer`: ending where the model's next message begins. InputError where the template refuses it. */
  render(messages: readonly Message[], answer = true): string {
    return this.trace(messages, answer).text;
  }

  /** The same, and who said what of it. */
  trace(messages: readonly Message[], answer = true): Rendering {
    const local = new Date();
    const now = local.getTime() - local.getTimezoneOffset() * 60_000;
    // Of the variables that transformers passes those that nobody gives here are none.
    const variables = {
      ...this.tokens,
      tools: null,
      documents: null,
      messages,
      add_generation_prompt: answer,
    };
    return JSON.parse(this.sandbox.call("render", JSON.stringify({ now, variables }), this.name));
  }

  dispose(): void {
    this.sandbox.dispose();
  }
}
