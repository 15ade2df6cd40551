/** Locale "en" has no rules of its own: the boundaries are the same whatever language the machine speaks. */
const segmenter = new Intl.Segmenter("en", { granularity: "word" });
const LETTER_OR_DIGIT = /[\p{L}\p{N}]/u;

/**
 * Words of a text in any script: what stands between the word boundaries of Unicode's UAX #29 and has a letter or a digit, in lower case and
 * in normal form NFKC, so that "é" is one whether it was typed as one character or two. Scripts without spaces (Thai, Chinese, Japanese) are
 * cut by the dictionaries of Node's ICU.
 */
export function words(text: string): string[] {
  const segments = segmenter.segment(text.normalize("NFKC").toLowerCase());
  return Array.from(segments, ({ segment }) => segment).filter((segment) => LETTER_OR_DIGIT.test(segment));
}
