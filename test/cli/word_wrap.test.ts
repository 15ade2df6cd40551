import fc from "fast-check";
import { expect, test } from "vitest";
import { WordWrap, widthOf } from "../../src/cli/chat/word_wrap.ts";

function wrapped(text: string, columns: number, cuts: readonly number[] = []): string {
  const wrap = new WordWrap(() => columns);
  const places = [0, ...[...cuts].sort((a, b) => a - b), text.length];
  const pieces = places.slice(1).map((place, i) => text.slice(places[i], place));
  return pieces.map((piece) => wrap.push(piece)).join("") + wrap.end();
}

test.each([
  ["the quick brown fox jumps", "the quick\nbrown fox\njumps"],
  ["the quick\n\nbrown fox", "the quick\n\nbrown fox"],
  ["  indented code stays\n  there", "  indented\ncode stays\n  there"],
  ["exactly te", "exactly te"],
  ["exactly ten", "exactly\nten"],
  ["ends with blanks   ", "ends with\nblanks"],
  ["漢字は一文字ずつ切れる", "漢字は一文\n字ずつ切れ\nる"],
  ["a 漢字 word", "a 漢字\nword"],
])("%j", (text, lines) => {
  expect(wrapped(text, 10)).toBe(lines);
});

const words = fc.array(fc.stringMatching(/^[a-zäß.,]{1,14}$/), { maxLength: 30 });
const between = fc.constantFrom(" ", "  ", "\n", "\n\n", "\n    ");

test("no word is broken, no line is too long, and where pieces are cut decides nothing", () => {
  fc.assert(
    fc.property(words, between, fc.array(fc.nat(300)), (list, gap, cuts) => {
      const text = list.join(gap);
      const out = wrapped(
        text,
        14,
        cuts.map((cut) => cut % (text.length + 1)),
      );
      expect(out).toBe(wrapped(text, 14));
      expect(out.split(/\s+/).filter(Boolean)).toEqual(list);
      for (const line of out.split("\n")) expect(widthOf(line)).toBeLessThanOrEqual(14);
    }),
  );
});

test("a word that is longer than the line is left to the terminal, and nothing is lost", () => {
  const long = "x".repeat(35);
  expect(wrapped(`a ${long} b`, 10).replaceAll("\n", "").replaceAll(" ", "")).toBe(`a${long}b`);
});

test("a word is written once it has ended, or fills the line", () => {
  const wrap = new WordWrap(() => 8);
  expect([wrap.push("Hel"), wrap.push("lo"), wrap.push(" th"), wrap.push("e"), wrap.end()]).toEqual([
    "",
    "",
    "Hello",
    "",
    "\nthe",
  ]);
  expect(wrap.push("漢字")).toBe("漢");
  expect(wrap.push("12345678")).toBe("字\n12345678");
});
