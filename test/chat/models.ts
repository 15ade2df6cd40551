/** A tiny model with a chat template, so that conversations need no real one. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { MetadataValue } from "../../src/llm/files/metadata.ts";
import { modelWeights } from "../../src/llm/models/family.ts";
import { saveModel } from "../../src/llm/models/save.ts";
import { bpeMetadata, trainBpe } from "../../src/llm/tokenizer/train_bpe.ts";
import { noise } from "../cases.ts";
import { tinyConfig } from "../cli/command.ts";

type Pair = readonly [string, MetadataValue];

const TEXT =
  "user assistant system <|im_start|> The quick brown fox jumps over the lazy dog, and the dog sleeps. ";

export const chatConfig = { ...tinyConfig, vocabulary: 320, context: 256 };

/** Control tokens 0 `<s>` (BOS), 1 `<|im_start|>`, 2 `<|im_end|>` (EOS), and byte-level BPE. */
export function chatVocabulary(): Pair[] {
  const specialTokens = ["<s>", "<|im_start|>", "<|im_end|>"];
  const vocabulary = trainBpe([TEXT.repeat(20)], { vocabularySize: chatConfig.vocabulary, specialTokens });
  return bpeMetadata(vocabulary).map(([key, value]) =>
    key === "tokenizer.ggml.eos_token_id" ? [key, { type: "uint32", value: 2 }] : [key, value],
  );
}

export const chatTemplate =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/** Path of a model of random weights, with this template (null: none). */
export async function chatModel(template: string | null = chatTemplate): Promise<string> {
  const file = path.join(mkdtempSync(path.join(tmpdir(), "edgewise-chat-")), "tiny-chat.gguf");
  const weights = new Map(
    modelWeights(chatConfig).map(({ name, shape, role }, i) => {
      const random = noise(i);
      const count = shape.reduce((a, b) => a * b, 1);
      return [name, Float32Array.from({ length: count }, (_, j) => (role === "norm" ? 1 : random(j) / 3))];
    }),
  );
  const own: Pair[] =
    template === null ? [] : [["tokenizer.chat_template", { type: "string", value: template }]];
  await saveModel(file, chatConfig, (name) => weights.get(name)!, [...chatVocabulary(), ...own]);
  return file;
}
