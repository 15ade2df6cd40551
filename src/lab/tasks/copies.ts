/** Copies of a text: an item that says what is asked is no history. */
import type { Item } from "./types.ts";

/**
 * The same for two texts that differ in nothing but white space, punctuation, case, and how a character was typed (NFKC); where there is no letter
 * and no digit, in white space alone.
 */
export function textKey(text: string): string {
  const normal = text.normalize("NFKC").toLowerCase();
  return normal.replace(/[^\p{L}\p{M}\p{N}]+/gu, " ").trim() || normal.replace(/\s+/gu, "");
}

/** What an item is about: the text by which its copies are known. */
export function subjectOf(item: Item): string {
  return item.subject ?? (item.input || item.output);
}
