/**
 * What WordPiece does with characters before it looks for pieces, as the tables that kernels/session/wordpiece.ts reads: controls are
 * dropped, accents are stripped (canonical decomposition without marks of category Mn), letters become small, punctuation and ideographs
 * stand alone. The rules are those of Hugging Face's BertNormalizer and BertPreTokenizer for uncased models. Characters are decomposed
 * one by one; syllables of Hangul are in the wasm. Unicode version: of this JavaScript engine, see character_classes.ts.
 */
import {
  CLASS_ALONE,
  CLASS_DROPPED,
  CLASS_NORMALISED,
  CLASS_OTHER,
  CLASS_SPACE,
} from "../../../kernels/session/vocabulary.ts";
import { classify, twoLevels } from "./character_classes.ts";

export interface NormalForms {
  /** Two levels, as in character_classes.ts. */
  classes: Uint8Array;
  /** Code points that are replaced, rising, and their replacements in UTF-8. */
  forms: readonly (readonly [number, Uint8Array])[];
}

/** Where characters are that have another normal form: no unified ideographs, no Hangul, nothing private. */
const RANGES = [
  [0, 0x3400],
  [0xa000, 0xac00],
  [0xf900, 0x20000],
  [0x2f800, 0x2fa20],
] as const;
/** Blocks of ideographs that Hugging Face sets apart (`_is_chinese_char` of BERT's own code). */
const IDEOGRAPHS =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]+/gu;
const PUNCTUATION = /[\p{P}$+<=>^`|~]+/gu;
const encoder = new TextEncoder();

let tables: NormalForms | undefined;

export function normalForms(): NormalForms {
  tables ??= build();
  return tables;
}

function build(): NormalForms {
  // Later lines win.
  const classes = classify(CLASS_DROPPED, [
    [CLASS_OTHER, /\P{C}+/gu],
    [CLASS_DROPPED, /[\p{Mn}\ufffd]+/gu],
    [CLASS_SPACE, /[\t\n\r\p{Z}]+/gu],
    [CLASS_ALONE, PUNCTUATION],
    [CLASS_ALONE, IDEOGRAPHS],
  ]);
  const forms: [number, Uint8Array][] = [];
  for (const [from, to] of RANGES)
    for (let point = from; point < to; point++) {
      if (classes[point] === CLASS_DROPPED || classes[point] === CLASS_SPACE) continue;
      const text = String.fromCodePoint(point);
      const form = normalForm(text);
      if (form === text) continue;
      forms.push([point, encoder.encode(form)]);
      classes[point] = classes[form.codePointAt(0)!] | CLASS_NORMALISED;
    }
  return { classes: twoLevels(classes), forms };
}

/** Each code point made small by itself: no final sigma. */
function normalForm(character: string): string {
  const letters = [...character.normalize("NFD").replace(/\p{Mn}/gu, "")];
  return letters.map((letter) => letter.toLowerCase()).join("");
}
