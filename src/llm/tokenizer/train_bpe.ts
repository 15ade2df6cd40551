/** Learns the merges of a byte-level BPE vocabulary.     Sennrich et al. 2016, arXiv:1508.07909 */
import { TYPE_CONTROL, TYPE_NORMAL } from "../../../kernels/session/vocabulary.ts";
import { InputError } from "../../errors.ts";
import type { MetadataValue } from "../files/metadata.ts";
import { lettersOf } from "./byte_letters.ts";
import { splitWords } from "./words.ts";

export interface BpeOptions {
  /** Special tokens, the 256 bytes, and merges until there are so many. */
  readonly vocabularySize: number;
  /** Tokens that text never becomes; they come first. The first is BOS and EOS. */
  readonly specialTokens: readonly string[];
  /** Words that must become single tokens, each as it stands in text: mostly with the space before it. */
  readonly wholeWords?: readonly string[];
}

export interface BpeVocabulary {
  /** In GPT-2's letters; the place is the id. */
  readonly tokens: readonly string[];
  readonly specialTokens: number;
  /** Pairs of tokens in the order in which they merge. */
  readonly merges: readonly (readonly [string, string])[];
}

interface Word {
  pieces: number[];
  readonly count: number;
}

/** A whole word counts at least as one in so many of all words. */
const WHOLE_WORD_SHARE = 1 / 20000;
const PAIR = 2 ** 20;

/** The most frequent pair merges first; of equals the one with the lower ids. The same texts give the same vocabulary. */
export function trainBpe(
  texts: Iterable<string>,
  { vocabularySize, specialTokens, wholeWords = [] }: BpeOptions,
): BpeVocabulary {
  const words = countWords(texts, specialTokens.length, wholeWords);
  const bytes = Array.from({ length: 256 }, (_, byte) => lettersOf(Uint8Array.of(byte)));
  const tokens = [...specialTokens, ...bytes];
  const merges: (readonly [string, string])[] = [];
  const known = new Set(tokens);
  const pairs = new Pairs(words);
  while (tokens.length < vocabularySize) {
    const best = pairs.mostFrequent();
    if (best === undefined)
      throw new InputError(
        `bpe: the texts give only ${tokens.length} tokens, not the ${vocabularySize} asked for`,
      );
    const [left, right] = [Math.floor(best / PAIR), best % PAIR];
    const merged = tokens[left] + tokens[right];
    if (known.has(merged)) {
      // Another pair has made this text already, and a text has one id.
      pairs.forget(best);
      continue;
    }
    merges.push([tokens[left], tokens[right]]);
    pairs.merge(best, tokens.length);
    tokens.push(merged);
    known.add(merged);
  }
  const broken = wholeWords.filter((word) => !known.has(lettersOf(new TextEncoder().encode(word))));
  if (broken.length)
    throw new InputError(
      `bpe: ${vocabularySize} tokens leave ${broken.length} whole words in pieces, such as "${broken[0]}"; ask for more tokens`,
    );
  return { tokens, specialTokens: specialTokens.length, merges };
}

/** The metadata under which GGUF files carry such a vocabulary. */
export function bpeMetadata({
  tokens,
  specialTokens,
  merges,
}: BpeVocabulary): (readonly [string, MetadataValue])[] {
  const types = tokens.map((_, id) => (id < specialTokens ? TYPE_CONTROL : TYPE_NORMAL));
  const lines = merges.map(([left, right]) => `${left} ${right}`);
  return [
    ["tokenizer.ggml.model", { type: "string", value: "gpt2" }],
    ["tokenizer.ggml.pre", { type: "string", value: "edgewise" }],
    ["tokenizer.ggml.tokens", { type: "array", of: "string", value: [...tokens] }],
    ["tokenizer.ggml.token_type", { type: "array", of: "int32", value: types }],
    ["tokenizer.ggml.merges", { type: "array", of: "string", value: lines }],
    ["tokenizer.ggml.bos_token_id", { type: "uint32", value: 0 }],
    ["tokenizer.ggml.eos_token_id", { type: "uint32", value: 0 }],
    ["tokenizer.ggml.add_bos_token", { type: "bool", value: true }],
    ["tokenizer.ggml.add_space_prefix", { type: "bool", value: false }],
  ];
}

function countWords(texts: Iterable<string>, firstByte: number, wholeWords: readonly string[]): Word[] {
  const counts = new Map<string, number>();
  let total = 0;
  for (const text of texts)
    for (const word of splitWords(text)) {
      counts.set(word, (counts.get(word) ?? 0) + 1);
      total++;
    }
  const least = Math.ceil(total * WHOLE_WORD_SHARE);
  for (const word of wholeWords) counts.set(word, Math.max(least, counts.get(word) ?? 0));
  const utf8 = new TextEncoder();
  return [...counts].map(([word, count]) => ({
    pieces: Array.from(utf8.encode(word), (byte) => firstByte + byte),
    count,
  }));
}

/** How often two pieces stand side by side, and in which words; kept up to date merge by merge. */
class Pairs {
  private readonly words: readonly Word[];
  private readonly counts = new Map<number, number>();
  private readonly places = new Map<number, Set<number>>();
  private readonly forgotten = new Set<number>();

  constructor(words: readonly Word[]) {
    this.words = words;
    words.forEach((_, index) => {
      this.count(index, 1);
    });
  }

  mostFrequent(): number | undefined {
    let best: number | undefined;
    let most = 0;
    for (const [pair, count] of this.counts)
      if (count > most || (count === most && count > 0 && pair < best!)) [best, most] = [pair, count];
    return best;
  }

  /** The pair is not asked for again. */
  forget(pair: number): void {
    this.forgotten.add(pair);
    this.counts.delete(pair);
    this.places.delete(pair);
  }

  /** Puts `token` in the place of the pair, everywhere. */
  merge(pair: number, token: number): void {
    const [left, right] = [Math.floor(pair / PAIR), pair % PAIR];
    for (const index of [...(this.places.get(pair) ?? [])]) {
      const word = this.words[index];
      this.count(index, -1);
      const pieces: number[] = [];
      for (let i = 0; i < word.pieces.length; i++) {
        const meets = word.pieces[i] === left && word.pieces[i + 1] === right;
        pieces.push(meets ? token : word.pieces[i]);
        if (meets) i++;
      }
      word.pieces = pieces;
      this.count(index, 1);
    }
    this.counts.delete(pair);
    this.places.delete(pair);
  }

  private count(index: number, sign: 1 | -1): void {
    const { pieces, count } = this.words[index];
    for (let i = 0; i + 1 < pieces.length; i++) {
      const pair = pieces[i] * PAIR + pieces[i + 1];
      if (this.forgotten.has(pair)) continue;
      this.counts.set(pair, (this.counts.get(pair) ?? 0) + sign * count);
      let places = this.places.get(pair);
      if (!places) this.places.set(pair, (places = new Set()));
      places.add(index);
    }
  }
}
