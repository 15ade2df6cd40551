/** Templates that mean harm: one clear error each, within their limits, and nothing of the host within reach. */
import { describe, expect, test } from "vitest";
import { InputError } from "../../src/errors.ts";
import { ChatTemplate, type Message } from "../../src/llm/chat/template.ts";
import { Metadata } from "../../src/llm/files/metadata.ts";
import { Tokenizer } from "../../src/llm/tokenizer/tokenizer.ts";
import { chatVocabulary } from "./models.ts";

const tokenizer = Tokenizer.fromGguf(new Metadata("test", chatVocabulary()));
const open = (source: string) =>
  ChatTemplate.open({ name: "chat template of x.gguf", source, builtin: false }, tokenizer);
const question: Message[] = [{ role: "user", content: "hi" }];

const grow = (times: number) =>
  `{% set ns = namespace(x='aaaaaaaaaa') %}{% for i in range(${times}) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}`;
const grown = (times: number) =>
  `{% set ns = namespace(x=[1,2]) %}{% for i in range(${times}) %}{% set ns.x = ns.x + ns.x %}{% endfor %}`;

/** Each with what its error says. */
const hostile: readonly (readonly [what: string, template: string, message: RegExp])[] = [
  [
    "loops",
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    /million steps/,
  ],
  [
    "nests lists",
    "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
    /million steps|MiB/,
  ],
  ["doubles a text", `${grow(60)}{{ ns.x }}`, /MiB/],
  ["doubles a list", `${grown(60)}{{ ns.x | length }}`, /MiB/],
  ["multiplies texts", `${grow(17)}{{ ns.x.replace('', ns.x) }}`, /MiB/],
  ["indents far", "{{ 'a\\nb' | indent(500000000) }}", /MiB/],
  ["indents JSON far", "{{ messages | tojson(indent=500000000) }}", /MiB/],
  ["counts far", "{{ range(1000000000) | length }}", /range\(\) of 1000000000/],
  ["counts without end", "{{ range(0, 5, 0) | length }}", /range\(\) of Infinity/],
  [
    "calls itself",
    "{% set ns = namespace() %}{% macro f(g) %}{{ g(g) }}{% endmacro %}{{ f(f) }}",
    /too deeply|beyond/,
  ],
  ["holds itself", "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}", /too deeply/],
  ["nests brackets", `{{ ${"(".repeat(50_000)} }}`, /too deeply|million steps/],
  ["nests blocks", `${"{% if 1 %}".repeat(5000)}x${"{% endif %}".repeat(5000)}`, /too deeply|million steps/],
  ["is mostly blank", `${" ".repeat(200_000)}x`, /million steps/],
  ["is too long", "x".repeat(300_000), /has 300000 characters/],
  ["reads constructor", "{{ messages.constructor.constructor('return process')() }}", /reads "constructor"/],
  ["reads constructor by a name it makes", "{{ messages['const' ~ 'ructor'] }}", /reads "constructor"/],
  ["reads __proto__", "{{ ''.__proto__ }}", /reads "__proto__"/],
  ["reads Python's classes", "{{ ''.__class__.__mro__ }}", /reads "__(class|mro)__"/],
  ["reads process", "{{ process.env.HOME }}", /process is undefined/],
  ["reads globalThis", "{{ globalThis.open('x') }}", /globalThis is undefined/],
  ["requires a module", "{{ require('fs') }}", /not a function/],
  ["evaluates", "{{ eval('1') }}", /not a function/],
  ["raises", "{{ raise_exception('roles must alternate') }}", /x\.gguf: says: roles must alternate/],
  ["ends within a block", "{% if true %}", /incomplete/],
  ["ends within a text", "{{ 'abc", /Unexpected end of input/],
  ["has no loop variable", "{% for in x %}", /x\.gguf: /],
  ["has a filter that is not known", "{{ messages | nothing }}", /filter/],
  ["has a test that is not known", "{{ 1 is nothing }}", /Unknown test/],
  ["breaks out of nothing", "{% break %}", /outside of a loop/],
  ["has a date that is not known", "{{ strftime_now('%Q') }}", /no %Q/],
];

describe("a template that", () => {
  test.each(hostile)("%s ends in one error, within its limits", async (_what, source, message) => {
    const rendered = open(source).then((template) => template.render(question));
    await expect(rendered).rejects.toThrow(InputError);
    await expect(rendered).rejects.toThrow(message);
    await expect(rendered).rejects.toThrow(/^chat template of x\.gguf/);
  });

  test("was refused leaves room for the next", async () => {
    const template = await open(
      "{{ messages[0].content if messages | length == 1 else raise_exception('one') }}",
    );
    expect(() => template.render([...question, ...question])).toThrow(/says: one/);
    expect(template.render(question)).toBe("hi");
  });
});

test("everything of the sandbox that a template can name is Jinja's", async () => {
  const names =
    "process require global globalThis self console fetch WebAssembly Function Object sandbox open render std os print scriptArgs".split(
      " ",
    );
  const template = await open(names.map((name) => `{{ '${name}' if ${name} is defined }}`).join(""));
  expect(template.render(question)).toBe("");
});
