/**
 * From messages to tokens, such that nothing that a message says becomes a control token, or another marker of the template.
 *
 * The template says of every character whether it wrote it or a message did (origins.ts). Markers are cut out of the template's own
 * characters alone; all other text between them is tokenized as text, whatever it spells. Where the template makes a control token of what a
 * message says, by changing its letters or by what it writes beside it, the conversation is refused.
 *
 * Answers of the model that stand in the prompt as they were given are taken as the tokens that were generated, so that what is in the
 * cache stays.
 */
import { InputError } from "../../errors.ts";
import type { Marker, Tokenizer } from "../tokenizer/tokenizer.ts";
import type { ChatTemplate, Message, Rendering } from "./template.ts";

/** A message of the model, and the tokens that it was generated as. */
export interface Answer {
  readonly content: string;
  readonly tokens: readonly number[];
}

/** A stretch of the prompt: a marker or an answer as tokens, or text of the template (`own`) or of a message. */
type Part = { readonly tokens: readonly number[]; readonly answer?: true } | Text;
interface Text {
  readonly text: string;
  readonly own: boolean;
  readonly message?: number;
}

/** Markers that no text means by chance. */
const BARRED = /^<[|｜].+[|｜]>$/su;

export class PromptWriter {
  private readonly tokenizer: Tokenizer;
  private readonly template: ChatTemplate;
  private readonly controls: RegExp;
  /** Control tokens, and other markers that the template has; those that it may write for another conversation among them. */
  private readonly certain: Marker[];
  /** What is a marker where the template writes it. */
  private readonly possible: Marker[];

  constructor(tokenizer: Tokenizer, template: ChatTemplate) {
    this.tokenizer = tokenizer;
    this.template = template;
    const markers = tokenizer.markers();
    const isCertain = ({ text, kind }: Marker) =>
      kind === "control" || BARRED.test(text) || template.source.includes(text);
    this.certain = markers.filter(isCertain);
    this.possible = markers.filter((marker) => !isCertain(marker));
    this.controls = anyOf(markers.filter(({ kind }) => kind === "control"));
  }

  /** Tokens of the conversation up to where the model's next message begins. */
  tokens(messages: readonly Message[], answers: readonly Answer[] = []): number[] {
    const texts = textsOf(this.template.trace(messages));
    const own = texts.flatMap((each) => (each.own ? [each.text] : []));
    const written = this.possible.filter(({ text }) => own.some((each) => each.includes(text)));
    const markers = [...this.certain, ...written];
    const cut = markers.filter(({ kind }) => kind !== "word");
    const tokenOf = new Map(cut.map(({ text, token }) => [text, token]));
    const pattern = anyOf(cut);
    const parts = texts.flatMap((each): Part[] =>
      each.own ? split(each, pattern, tokenOf) : [kept(each, texts, messages, answers) ?? each],
    );
    const plain = anyOf(markers.filter(({ kind }) => kind !== "control"));
    return this.encode(parts, plain, messages);
  }

  /** Text between markers as one, because words may begin in the one part and end in the next. */
  private encode(parts: readonly Part[], plain: RegExp, messages: readonly Message[]): number[] {
    const tokens: number[] = [];
    let pending: Text[] = [];
    let continued = false;
    const flush = () => {
      this.refuse(pending, messages);
      for (const piece of pieces(pending, plain)) {
        const options = { bos: false, eos: false, continued };
        for (const token of this.tokenizer.encode(piece, options)) tokens.push(token);
        continued = true;
      }
      pending = [];
    };
    for (const part of parts) {
      if ("text" in part) pending.push(part);
      else {
        flush();
        for (const token of part.tokens) tokens.push(token);
        continued = part.answer ?? false;
      }
    }
    flush();
    return tokens;
  }

  /** A control token that is spelled here must stand so in a message: else the template made it of one. */
  private refuse(texts: readonly Text[], messages: readonly Message[]): void {
    const spelled = texts.map(({ text }) => text).join("");
    for (const [found] of spelled.matchAll(this.controls))
      if (!messages.some(({ content }) => content.includes(found)))
        throw new InputError(
          `${this.template.name} makes other control tokens of these messages than it writes itself (${found} is the first); messages must not become control tokens`,
        );
  }
}

/** Runs of the same kind as one text. */
function textsOf({ text, runs }: Rendering): Text[] {
  const texts: Text[] = [];
  let at = 0;
  for (const { length, from } of runs) {
    texts.push({
      text: text.slice(at, at + length),
      own: from === -1,
      message: from >= 0 ? from : undefined,
    });
    at += length;
  }
  return texts;
}

/** The template's own text, cut at its markers. */
function split({ text }: Text, pattern: RegExp, tokenOf: ReadonlyMap<string, number>): Part[] {
  const parts: Part[] = [];
  let at = 0;
  for (const { 0: found, index } of text.matchAll(pattern)) {
    if (index > at) parts.push({ text: text.slice(at, index), own: true });
    parts.push({ tokens: [tokenOf.get(found)!] });
    at = index + found.length;
  }
  return at < text.length ? [...parts, { text: text.slice(at), own: true }] : parts;
}

/** The tokens of an answer that stands in the prompt once, and as it was given. */
function kept(
  { text, message }: Text,
  texts: readonly Text[],
  messages: readonly Message[],
  answers: readonly Answer[],
): Part | undefined {
  if (message === undefined || messages[message].role !== "assistant" || text !== messages[message].content)
    return undefined;
  if (texts.filter((each) => each.message === message).length !== 1) return undefined;
  const answer = answers.find(({ content }) => content === text);
  return answer && { tokens: answer.tokens, answer: true };
}

/** The text, cut within everything that spells a marker and is not all the template's own, so that no token of it comes out. */
function pieces(texts: readonly Text[], markers: RegExp): string[] {
  const whole = texts.map(({ text }) => text).join("");
  const isOwn = (start: number, end: number) => {
    let at = 0;
    return texts.some(({ text, own }) => {
      at += text.length;
      return own && start >= at - text.length && end <= at;
    });
  };
  const cuts: number[] = [];
  const search = new RegExp(markers, markers.flags);
  for (let found = search.exec(whole); found; found = search.exec(whole)) {
    if (!isOwn(found.index, found.index + found[0].length)) cuts.push(found.index + 1);
    search.lastIndex = found.index + 1;
  }
  return [...cuts, whole.length].map((end, i) => whole.slice(cuts[i - 1] ?? 0, end)).filter(Boolean);
}

/** The longest first, so that of two with the same beginning the longer is found. */
function anyOf(markers: readonly Marker[]): RegExp {
  const texts = markers.map(({ text }) => text).sort((a, b) => b.length - a.length);
  return new RegExp(texts.length ? texts.map(escaped).join("|") : "(?!)", "gu");
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
