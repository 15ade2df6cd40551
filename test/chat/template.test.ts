/** Templates beside transformers' Jinja2, and which one is taken. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { builtinTemplates } from "../../src/llm/chat/builtin.ts";
import { ChatTemplate, type Message, templateOf } from "../../src/llm/chat/template.ts";
import { Metadata, type MetadataValue } from "../../src/llm/files/metadata.ts";
import { openModel } from "../../src/llm/model_file.ts";
import { Tokenizer } from "../../src/llm/tokenizer/tokenizer.ts";
import { cachedModel } from "../shared.ts";
import { chatVocabulary } from "./models.ts";

interface Golden {
  readonly templates: Record<string, string>;
  readonly cases: readonly { template: string; messages: Message[]; answer: boolean; text: string }[];
}
const golden: Golden = JSON.parse(
  readFileSync(path.join(import.meta.dirname, "../golden/chat_templates.json"), "utf8"),
);
const tokenizer = Tokenizer.fromGguf(new Metadata("test", chatVocabulary()));
const open = (source: string) =>
  ChatTemplate.open({ name: "chat template of x.gguf", source, builtin: false }, tokenizer);
const question: Message[] = [{ role: "user", content: "hi" }];

describe("beside transformers", () => {
  test.each(Object.keys(golden.templates))("%s", async (name) => {
    const template = await open(golden.templates[name]);
    const cases = golden.cases.filter((each) => each.template === name);
    expect(cases.length).toBeGreaterThan(4);
    for (const { messages, answer, text } of cases)
      expect(template.render(messages, answer), JSON.stringify(messages)).toBe(text);
    template.dispose();
  });
});

test("variables that transformers always passes are there, and lines end with one character", async () => {
  const rendered = async (source: string) => (await open(source)).render(question);
  expect(await rendered("{% if tools is not none %}tools{% else %}no tools{% endif %}")).toBe("no tools");
  expect(await rendered("{% if documents is none %}none{% else %}documents{% endif %}")).toBe("none");
  expect(await rendered("{{ 'tools' if tools else 'no tools' }}")).toBe("no tools");
  // Jinja2 3.1.6 with trim_blocks and lstrip_blocks
  expect(await rendered("{% if true %}\r\n  a\r\n{% endif %}\r\nb\r\n")).toBe("  a\nb");
  expect(await rendered("a\rb\n\rc{{ '\r\nd' }}")).toBe("a\nb\n\nc\nd");
});

test("a date is English", async () => {
  const template = await open("{{ strftime_now('%d %B %Y') }}");
  const date = new Date();
  const parts = [
    String(date.getDate()).padStart(2, "0"),
    date.toLocaleString("en", { month: "long" }),
    date.getFullYear(),
  ];
  expect(template.render(question)).toBe(parts.join(" "));
});

describe("which template", () => {
  const metadata = (entries: Record<string, string>) =>
    new Metadata(
      "x.gguf",
      Object.entries(entries).map(
        ([key, value]) => [key, { type: "string", value }] as [string, MetadataValue],
      ),
    );
  const own = metadata({ "tokenizer.chat_template": "own", "tokenizer.chat_template.tool_use": "tools" });

  test("the file's own, another of it by name, a built-in one, a text", () => {
    expect(templateOf(own, tokenizer).source).toBe("own");
    expect(templateOf(own, tokenizer, "default").source).toBe("own");
    expect(templateOf(own, tokenizer, "tool_use").source).toBe("tools");
    expect(templateOf(own, tokenizer, "chatml").source).toBe(builtinTemplates.chatml.source);
    expect(templateOf(own, tokenizer, "{{ 1 }}").source).toBe("{{ 1 }}");
  });

  test("none is guessed", () => {
    expect(() => templateOf(metadata({}), tokenizer)).toThrow(
      /x\.gguf has no chat template.*base model.*edgewise generate.*chatml, llama-3, gemma/,
    );
    expect(() => templateOf(own, tokenizer, "alpaca")).toThrow(
      /no template "alpaca"; there are tool_use, chatml/,
    );
    expect(() => templateOf(own, tokenizer, "gemma")).toThrow(/needs the token <start_of_turn>/);
  });
});

test("built-in templates write the public forms", async () => {
  const conversation: Message[] = [
    { role: "system", content: "S" },
    { role: "user", content: " u " },
    { role: "assistant", content: "a" },
    { role: "user", content: "v" },
  ];
  const rendered = async (name: string) => (await open(builtinTemplates[name].source)).render(conversation);
  expect(await rendered("chatml")).toBe(
    "<s><|im_start|>system\nS<|im_end|>\n<|im_start|>user\n u <|im_end|>\n<|im_start|>assistant\na<|im_end|>\n<|im_start|>user\nv<|im_end|>\n<|im_start|>assistant\n",
  );
  const turn = (role: string, text: string) => `<|start_header_id|>${role}<|end_header_id|>\n\n${text}`;
  expect(await rendered("llama-3")).toBe(
    `<s>${turn("system", "S<|eot_id|>")}${turn("user", "u<|eot_id|>")}${turn("assistant", "a<|eot_id|>")}${turn("user", "v<|eot_id|>")}${turn("assistant", "")}`,
  );
  expect(await rendered("gemma")).toBe(
    "<s><start_of_turn>user\nS\n\nu<end_of_turn>\n<start_of_turn>model\na<end_of_turn>\n<start_of_turn>user\nv<end_of_turn>\n<start_of_turn>model\n",
  );
});

const smollm2 = cachedModel("SmolLM2-135M-Instruct.Q4_1.gguf");

test.skipIf(!smollm2)(
  "SmolLM2's own template is the one of the goldens (skipped without the model)",
  async () => {
    const file = await openModel(smollm2!);
    const { metadata } = file.gguf;
    expect(templateOf(metadata, Tokenizer.fromGguf(metadata)).source).toBe(golden.templates.smollm2);
    await file.source.close();
  },
);
