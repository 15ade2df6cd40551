import { Metadata } from "../../llm/files/metadata.ts";
import { Tokenizer } from "../../llm/tokenizer/tokenizer.ts";
import { bpeMetadata, trainBpe } from "../../llm/tokenizer/train_bpe.ts";
import { mixGroup } from "../tasks/pretrain_mix.ts";
import * as words from "../tasks/words.ts";
import type { Recipe } from "./recipes.ts";

/** The vocabulary of a recipe: byte-level BPE over the first groups of its own mix, the words of the tasks whole. */
export function trainVocabulary({ seed, vocabularyGroups, model }: Recipe) {
  const vocabulary = trainBpe(mixTexts(seed, vocabularyGroups), {
    vocabularySize: model.vocabulary,
    specialTokens: ["<s>"],
    wholeWords: taskWords().map((word) => ` ${word}`),
  });
  const metadata = bpeMetadata(vocabulary);
  return { metadata, tokenizer: Tokenizer.fromGguf(new Metadata("vocabulary", metadata)) };
}

function* mixTexts(seed: number, groups: number): Generator<string> {
  for (let index = 0; index < groups; index++)
    for (const sequence of mixGroup(seed, index)) for (const { text } of sequence) yield text;
}

/** Every word that a generated item or answer is made of. */
export function taskWords(): string[] {
  const { THEMES, MANNERS, FORMS, PEOPLE, VERBS, ATTRIBUTES, JUDGEMENTS, TAGS, PHRASES } = words;
  const texts = [
    THEMES.flat(2),
    MANNERS,
    FORMS,
    PEOPLE,
    VERBS,
    ATTRIBUTES.flat(),
    JUDGEMENTS,
    TAGS,
    PHRASES,
  ].flat();
  return [...new Set(texts.flatMap((text) => text.match(/[A-Za-z]+/g) ?? []))];
}
