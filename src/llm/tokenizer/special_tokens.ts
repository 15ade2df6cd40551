/**
 * Which tokens control a conversation, and which of them end an answer. Types in files are not to be trusted: converters give markers the
 * types of words, so the texts of the markers in use are known here and have the last word, as in llama.cpp (src/llama-vocab.cpp).
 */
import {
  NO_TOKEN,
  TYPE_CONTROL,
  TYPE_NORMAL,
  TYPE_USER_DEFINED,
} from "../../../kernels/session/vocabulary.ts";
import type { TextIndex } from "./text_index.ts";

const utf8 = new TextEncoder();

/** Tokens that end an answer. */
const ENDS = [
  "<|eot_id|> <|im_end|> <|end|> <|return|> <|call|> <|calls|> <|flush|> <end_of_turn> <|endoftext|> <|end_of_text|>",
  "<|eom_id|> <EOT> _<EOT> [EOT] [EOS] <end_of_utterance> <eos> </s> <turn|> <|tool_response> [e~[",
  "<｜end▁of▁sentence｜>",
].flatMap((line) => line.split(" "));

/** Tokens that fill in the middle of a text, where the file does not name them by these keys itself; some of them end an answer. */
const FILLERS: readonly { keys: readonly string[]; ends: boolean; texts: readonly string[] }[] = [
  {
    keys: ["fim_pre", "prefix"],
    ends: false,
    texts:
      "<|fim_prefix|> <fim-prefix> <fim_prefix> <｜fim▁begin｜> <PRE> ▁<PRE> <|code_prefix|> <|prefix|>".split(
        " ",
      ),
  },
  {
    keys: ["fim_suf", "suffix"],
    ends: false,
    texts:
      "<|fim_suffix|> <fim-suffix> <fim_suffix> <｜fim▁hole｜> <SUF> ▁<SUF> <|code_suffix|> <|suffix|>".split(
        " ",
      ),
  },
  {
    keys: ["fim_mid", "middle"],
    ends: false,
    texts:
      "<|fim_middle|> <fim-middle> <fim_middle> <｜fim▁end｜> <MID> ▁<MID> <|code_middle|> <|middle|>".split(
        " ",
      ),
  },
  { keys: ["fim_pad"], ends: true, texts: "<|fim_pad|> <fim-pad> <fim_pad> <PAD> [PAD]".split(" ") },
  {
    keys: ["fim_rep"],
    ends: true,
    texts: "<|fim_repo|> <|repo_name|> <fim-repo> <REPO> <reponame>".split(" "),
  },
  { keys: ["fim_sep"], ends: true, texts: ["<|file_sep|>"] },
];

/** Markers of gpt-oss that its answers are full of, and that are written out. */
const WRITTEN_OUT = ["<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"];

/** Where one of the texts of each group is among the ends, this one ends no answer, and is of this type. */
const EXCEPTIONS: readonly { text: string; beside: readonly (readonly string[])[]; type: number }[] = [
  { text: "<|end|>", beside: [["<|return|>"], ["<|call|>", "<|calls|>"]], type: TYPE_USER_DEFINED },
  { text: "<|end|>", beside: [["<|flush|>"], ["<|call|>", "<|calls|>"]], type: TYPE_USER_DEFINED },
  { text: "</s>", beside: [["<|tool_response>", "<|plamo:eos|>"]], type: TYPE_NORMAL },
];

export interface SpecialTokens {
  /** Of every token: the file's types, but for those that are known by their text. */
  readonly types: Uint8Array;
  /** Whatever ends an answer, in rising order. */
  readonly ends: number[];
}

/** `tokenOf` is what the file says of a key (`eos`, `eot` …): a token, or NO_TOKEN; `named` are further ends. */
export function specialTokens(
  texts: TextIndex,
  fileTypes: Uint8Array,
  tokenOf: (...keys: string[]) => number,
  named: readonly number[] = [],
): SpecialTokens {
  const types = fileTypes.slice();
  const ends = new Set([...["eos", "eot", "eom"].map((key) => tokenOf(key)), ...named]);
  const control = (text: string, isEnd: boolean) => {
    const token = texts.find(utf8.encode(text));
    if (token < 0) return;
    types[token] = TYPE_CONTROL;
    if (isEnd) ends.add(token);
  };
  for (const text of ENDS) control(text, true);
  for (const filler of FILLERS) {
    const token = tokenOf(...filler.keys);
    if (filler.ends) ends.add(token);
    if (token === NO_TOKEN) for (const text of filler.texts) control(text, filler.ends);
  }
  ends.delete(NO_TOKEN);
  for (const text of WRITTEN_OUT) {
    const token = texts.find(utf8.encode(text));
    if (token >= 0) types[token] = TYPE_USER_DEFINED;
  }
  const isEnd = (text: string) => ends.has(texts.find(utf8.encode(text)));
  for (const { text, beside, type } of EXCEPTIONS) {
    if (!isEnd(text) || !beside.every((group) => group.some(isEnd))) continue;
    const token = texts.find(utf8.encode(text));
    ends.delete(token);
    types[token] = type;
  }
  return { types, ends: [...ends].sort((a, b) => a - b) };
}
