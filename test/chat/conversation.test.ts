import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { InputError } from "../../src/errors.ts";
import { type Conversation, loadConversation, saveConversation } from "../../src/llm/chat/conversation.ts";

const directory = mkdtempSync(path.join(tmpdir(), "edgewise-conversation-"));
const file = path.join(directory, "chat.json");
const conversation: Conversation = {
  model: "tiny.gguf",
  settings: { temperature: 0.5, top_k: 3, seed: 7 },
  messages: [
    { role: "system", content: "Be brief." },
    { role: "user", content: '漢字 🦙 \u0000 "x"' },
    { role: "assistant", content: "" },
  ],
};

test("what is saved is what is loaded, and nothing else is left", async () => {
  await saveConversation(file, conversation);
  expect(await loadConversation(file)).toEqual(conversation);
  expect(readdirSync(directory)).toEqual(["chat.json"]);
});

describe("is refused with the file's name", () => {
  const document = () => {
    const parsed: Record<string, unknown> = JSON.parse(readFileSync(file, "utf8"));
    return parsed;
  };
  const cases: readonly (readonly [string, () => string, RegExp])[] = [
    ["no JSON", () => "hello", /it is no JSON/],
    ["no object", () => "[]", /no JSON object/],
    [
      "another format",
      () => JSON.stringify({ ...document(), format: "edgewise chat 9" }),
      /format is "edgewise chat 9"/,
    ],
    ["no model", () => JSON.stringify({ ...document(), model: 1 }), /model/],
    ["no settings", () => JSON.stringify({ ...document(), settings: 3 }), /no settings/],
    ["a setting that is not known", () => JSON.stringify({ ...document(), settings: { heat: 1 } }), /"heat"/],
    ["a setting out of range", () => JSON.stringify({ ...document(), settings: { top_p: 2 } }), /top_p is 2/],
    ["no messages", () => JSON.stringify({ ...document(), messages: {} }), /messages must be a list/],
    [
      "a role that is not known",
      () => JSON.stringify({ ...document(), messages: [{ role: "x", content: "" }] }),
      /role "x"/,
    ],
    [
      "a question without an answer",
      () => JSON.stringify({ ...document(), messages: [{ role: "user", content: "" }] }),
      /must end with an answer/,
    ],
  ];
  test.each(cases)("%s", async (_what, text, message) => {
    const broken = path.join(directory, "broken.json");
    writeFileSync(broken, text());
    const loaded = loadConversation(broken);
    await expect(loaded).rejects.toThrow(InputError);
    await expect(loaded).rejects.toThrow(message);
    await expect(loaded).rejects.toThrow(/broken\.json: /);
  });
});
