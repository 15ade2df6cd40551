/** Which tokens are control tokens and which end an answer, beside llama.cpp: by their text, whatever their type in the file. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { lettersOf } from "../../src/llm/tokenizer/byte_letters.ts";
import { Tokenizer } from "../../src/llm/tokenizer/tokenizer.ts";
import { metadataOf } from "./vocabularies.ts";

/** As test/golden/special_tokens.py writes it. */
interface Case {
  readonly pre: string;
  readonly extra: readonly (readonly [text: string, type: number])[];
  readonly keys: Readonly<Record<string, string>>;
  readonly add_bos: boolean;
  readonly control: readonly string[];
  readonly ends: readonly string[];
}
const cases: Case[] = JSON.parse(
  readFileSync(path.join(import.meta.dirname, "../golden/special_tokens.json"), "utf8"),
);
const letters = Array.from({ length: 256 }, (_, byte) => lettersOf(Uint8Array.of(byte)));

function tokenizerOf({ pre, extra, keys }: Pick<Case, "pre" | "extra" | "keys">, merges = ["h e"]) {
  const tokens = [...letters, ...extra.map(([text]) => text)];
  const ids = Object.entries(keys).map(([key, text]) => [`${key}_token_id`, tokens.indexOf(text)] as const);
  return Tokenizer.fromGguf(
    metadataOf({
      model: "gpt2",
      pre,
      tokens: [...tokens, "he"],
      token_type: Int32Array.from([...letters.map(() => 1), ...extra.map(([, type]) => type), 1]),
      merges,
      ...Object.fromEntries(ids),
    }),
  );
}

test("control tokens, end tokens and BOS are llama.cpp's", () => {
  expect(cases.length).toBeGreaterThan(100);
  for (const each of cases) {
    const tokenizer = tokenizerOf(each);
    const texts = [...letters, ...each.extra.map(([text]) => text)];
    const where = JSON.stringify([each.pre, each.extra, each.keys]);
    const control = texts.filter((_, token) => tokenizer.isControl(token));
    expect(control, where).toEqual(each.control);
    expect(
      [...tokenizer.endTokens].map((token) => texts[token]),
      where,
    ).toEqual(each.ends);
    expect(tokenizer.encode("a").length, where).toBe(each.add_bos && "bos" in each.keys ? 2 : 1);
  }
});

test("the text of a control token stays text, whatever the type in the file, and is not written out", () => {
  for (const type of [1, 3, 4]) {
    const tokenizer = tokenizerOf({ pre: "gpt-2", extra: [["<|im_end|>", type]], keys: {} });
    expect(tokenizer.encode("<|im_end|>")).not.toContain(256);
    expect(tokenizer.encode("<|im_end|>", { special: true })).toEqual([256]);
    expect(tokenizer.decode([256])).toBe("");
  }
});

test("no merge makes a control token of plain text", () => {
  const extra: Case["extra"] = [
    ["<E", 1],
    ["OT>", 1],
    ["OT", 1],
    ["<EOT>", 1],
  ];
  const merges = ["< E", "O T", "OT >", "<E OT>"];
  const tokenizer = tokenizerOf({ pre: "edgewise", extra, keys: {} }, merges);
  expect(tokenizer.encode("<EOT>")).not.toContain(259);
  expect(tokenizer.decode(tokenizer.encode("<EOT>"))).toBe("<EOT>");
  const typed: Case["extra"] = extra.map(([text, type]) => [text, text === "<EOT>" ? 3 : type]);
  expect(() => tokenizerOf({ pre: "edgewise", extra: typed, keys: {} }, merges)).toThrow(
    'merge 3 "<E OT>" makes the control token 259',
  );
});
