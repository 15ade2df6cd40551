const LETTER = "A-Za-z\\u0080-\\u{10FFFF}";
const BLANK = " \\t\\v\\f";
const WORD = new RegExp(
  `[\\n\\r]+| ?(?:[${LETTER}]+|[0-9]|[^${LETTER}0-9\\n\\r${BLANK}]+)|[${BLANK}]+(?= [^\\n\\r${BLANK}])|[${BLANK}]+`,
  "gu",
);

/** Cuts text into the words that byte-level BPE works in, by the rule `edgewise` of kernels/session/words.ts. */
export function splitWords(text: string): string[] {
  return text.match(WORD) ?? [];
}
