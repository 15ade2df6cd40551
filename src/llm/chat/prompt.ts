/**
 * From messages to tokens, such that nothing that a message says becomes a control token.
 *
 * The template renders the messages twice. In one rendering, which becomes the prompt, every control token that is written out in a
 * message is replaced by a mark (a character that no message has), and the marks are tokenized as the plain text that they stand for. In
 * the other, each message is only a mark. Both must have the same control tokens: those of the template. Where they differ, a message
 * would have become one by what the template does to it, and is refused.
 *
 * Where the second rendering, with the messages put in, is the first (the template changes at most the spaces around a message), it also
 * says where each message is; answers of the model are then taken as the tokens that were generated, so that what is in the cache stays.
 */
import { InputError } from "../../errors.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { ChatTemplate, Message } from "./template.ts";

/** A message of the model, and the tokens that it was generated as. */
export interface Answer {
  readonly content: string;
  readonly tokens: readonly number[];
}

type Part = { readonly text: string } | { readonly tokens: readonly number[] };

export class PromptWriter {
  private readonly tokenizer: Tokenizer;
  private readonly template: ChatTemplate;
  private readonly controls: RegExp;
  /** Text after a cut would be given a space of its own by the tokenizer. */
  private readonly spaced: boolean;

  constructor(tokenizer: Tokenizer, template: ChatTemplate) {
    this.tokenizer = tokenizer;
    this.template = template;
    const texts = controlTexts(tokenizer);
    this.controls = new RegExp(texts.length ? texts.map(escaped).join("|") : "(?!)", "gu");
    const plain = (text: string) => tokenizer.encode(text, { bos: false, eos: false });
    this.spaced = tokenizer.decode(plain("x"), { continued: true }) !== "x";
  }

  /** Tokens of the conversation up to where the model's next message begins. */
  tokens(messages: readonly Message[], answers: readonly Answer[] = []): number[] {
    const marks = new Marks(messages);
    const plain = new Map<string, string>();
    const masked = messages.map(({ content }) =>
      content.replace(this.controls, (text) => {
        const mark = [...plain].find(([, each]) => each === text)?.[0] ?? marks.next();
        plain.set(mark, text);
        return mark;
      }),
    );
    const holes = masked.map((content) => ({ content, core: content.trim(), mark: marks.next() }));
    const prompt = this.render(messages, masked);
    const outline = this.render(
      messages,
      holes.map(({ content, core, mark }) => (core ? content.replace(core, () => mark) : content)),
    );
    this.compare(prompt, outline);
    const filled = holes.reduce((text, { core, mark }) => text.replaceAll(mark, () => core), outline);
    const kept = filled === prompt ? this.keep(outline, messages, holes, answers) : [{ text: prompt }];
    return kept.flatMap((part) => ("tokens" in part ? part.tokens : this.encode(part.text, plain)));
  }

  private render(messages: readonly Message[], contents: readonly string[]): string {
    return this.template.render(messages.map(({ role }, i) => ({ role, content: contents[i] })));
  }

  private compare(prompt: string, outline: string): void {
    const controls = (text: string) => [...text.matchAll(this.controls)].map(([found]) => found);
    const [found, own] = [controls(prompt), controls(outline)];
    if (found.length === own.length && found.every((text, i) => text === own[i])) return;
    const at = found.findIndex((text, i) => text !== own[i]);
    throw new InputError(
      `${this.template.name} makes other control tokens of these messages than it writes itself (${found[at] ?? "one"} is the first); messages must not become control tokens`,
    );
  }

  /** The outline cut at those answers whose tokens are known, the other messages put in. */
  private keep(
    outline: string,
    messages: readonly Message[],
    holes: readonly { content: string; core: string; mark: string }[],
    answers: readonly Answer[],
  ): Part[] {
    const parts: Part[] = [];
    let rest = outline;
    const fill = (text: string) =>
      holes.reduce((all, { core, mark }) => all.replaceAll(mark, () => core), text);
    messages.forEach(({ role, content }, i) => {
      const { core, mark, content: masked } = holes[i];
      const answer =
        role === "assistant" && core ? answers.find((each) => each.content === content) : undefined;
      const hole = masked.replace(core, () => mark);
      const at = rest.indexOf(hole);
      if (!answer || at < 0 || rest.split(mark).length !== 2) return;
      const after = rest.slice(at + hole.length);
      if (this.spaced && after.search(this.controls) !== 0) return;
      parts.push({ text: fill(rest.slice(0, at)) }, { tokens: answer.tokens });
      rest = after;
    });
    return [...parts, { text: fill(rest) }];
  }

  /** Control tokens of the template become themselves, marks the plain text of what they stand for. */
  private encode(text: string, plain: ReadonlyMap<string, string>): number[] {
    const pieces = plain.size ? text.split(new RegExp(`([${[...plain.keys()].join("")}])`, "u")) : [text];
    return pieces.flatMap((piece) => {
      const literal = plain.get(piece);
      return this.tokenizer.encode(literal ?? piece, {
        bos: false,
        eos: false,
        special: literal === undefined,
      });
    });
  }
}

/** The longest first, so that of two with the same beginning the longer is found. */
function controlTexts(tokenizer: Tokenizer): string[] {
  const texts: string[] = [];
  for (let id = 0; id < tokenizer.vocabularySize; id++)
    if (tokenizer.isControl(id)) texts.push(tokenizer.tokenText(id));
  return texts.filter((text) => text !== "").sort((a, b) => b.length - a.length);
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

/** Characters of private use that no message has. */
class Marks {
  private readonly used: Set<string>;
  private at = 0xe000;

  constructor(messages: readonly Message[]) {
    this.used = new Set(
      messages.flatMap(({ content }) => content.match(/[\ue000-\uf8ff\u{f0000}-\u{10fffd}]/gu) ?? []),
    );
  }

  next(): string {
    for (;;) {
      if (this.at === 0xf900) this.at = 0xf0000;
      if (this.at > 0x10fffd) throw new InputError("chat: the messages have every character of private use");
      const mark = String.fromCodePoint(this.at++);
      if (!this.used.has(mark)) return mark;
    }
  }
}
