/** `edgewise chat` through a pipe: each line is a turn. */
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { chatModel } from "../chat/models.ts";
import { cachedModel } from "../shared.ts";
import { edgewise, ended, start } from "./command.ts";

let model: string;
beforeAll(async () => {
  model = await chatModel();
});
const directory = mkdtempSync(path.join(tmpdir(), "edgewise-chat-cli-"));
const greedy = ["--temperature", "0", "-n", "8"];
const chat = (input: string, ...options: string[]) =>
  edgewise(["chat", "-m", model, ...greedy, ...options], input);

test("answers go to stdout, speed to stderr: the first cold, the next warm", async () => {
  const { code, stdout, stderr } = await chat("The quick\nThe fox\n");
  expect(code).toBe(0);
  expect(stdout.split("\n").length).toBeGreaterThanOrEqual(3);
  const speeds = stderr.match(/first token after .* \((cold: loading .* of it|warm)\), .* tok\/s/g)!;
  expect(speeds).toHaveLength(2);
  expect(speeds[0]).toContain("(cold: loading ");
  expect(speeds[1]).toContain("(warm)");
  expect(stderr).toContain("length: 8 tokens were made; --max-tokens allows more");
});

test("--json: messages, turns and what they took, and nothing else; the second turn computes less", async () => {
  const [plain, json] = [
    await chat("The quick\nThe fox\n"),
    await chat("The quick\nThe fox\n", "--json", "--system", "S"),
  ];
  expect(json.stderr).toBe("");
  const { messages, turns, settings } = JSON.parse(json.stdout);
  expect(messages.map(({ role }: { role: string }) => role).join(" ")).toBe(
    "system user assistant user assistant",
  );
  expect(settings).toMatchObject({ temperature: 0, max_tokens: 8, cache_type: "f32" });
  expect(turns.map(({ cold }: { cold: boolean }) => cold)).toEqual([true, false]);
  expect(turns[0].first_token_s).toBeGreaterThan(turns[0].usage.extra.time_to_first_token_s);
  const [first, second] = turns.map(({ usage }: { usage: object }) => usage);
  expect(first.prompt_tokens_details.cached_tokens).toBe(0);
  expect(second.prompt_tokens_details.cached_tokens).toBeGreaterThanOrEqual(first.total_tokens - 1);
  expect(plain.stdout).not.toContain("{");
});

test("/reset begins anew, /system stays; a backslash goes on with the line", async () => {
  const input = "/system Be brief.\nThe quick\n/reset\n/system\nThe \\\nfox\n";
  const { stdout, stderr } = await chat(input, "--json");
  expect(stderr).toBe("");
  const { messages, turns } = JSON.parse(stdout);
  expect(turns).toHaveLength(2);
  expect(messages.slice(0, 2)).toEqual([
    { role: "system", content: "Be brief." },
    { role: "user", content: "The \nfox" },
  ]);
});

describe("/save and /load", () => {
  test("a conversation goes on as if it had not been left", async () => {
    const file = path.join(directory, "saved.json");
    await chat(`The quick\n/save ${file}\n`, "--seed", "5");
    expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({
      model: "tiny-chat.gguf",
      settings: { seed: 5 },
    });
    const [through, later] = [
      await chat("The quick\nThe fox\n", "--json"),
      await chat(`/load ${file}\nThe fox\n`, "--json"),
    ];
    const { messages, settings } = JSON.parse(later.stdout);
    expect(messages).toHaveLength(4);
    expect(messages.slice(0, 3)).toEqual(JSON.parse(through.stdout).messages.slice(0, 3));
    expect(settings.seed).toBe(5);
  });

  test("what does not fit is refused, and the conversation stays", async () => {
    const broken = path.join(directory, "broken.json");
    writeFileSync(broken, "{}");
    const long = path.join(directory, "long.json");
    const messages = [
      { role: "user", content: "quick ".repeat(400) },
      { role: "assistant", content: "x" },
    ];
    writeFileSync(long, JSON.stringify({ format: "edgewise chat 1", model: "m", settings: {}, messages }));
    const input = `The quick\n/load ${broken}\n/load ${directory}/none.json\n/load ${long}\n/save\n`;
    const { code, stdout, stderr } = await chat(input, "--json");
    expect(code).toBe(1);
    expect(JSON.parse(stdout).messages).toHaveLength(2);
    expect(stderr.trim().split("\n")).toEqual([
      `edgewise: chat: ${broken}: its format is undefined, must be "edgewise chat 1"`,
      `edgewise: open: ${directory}/none.json: no such file or directory`,
      expect.stringMatching(/^edgewise: chat: length: the conversation has \d+ tokens .*\/reset/),
      "edgewise: chat: /save needs the name of a file",
    ]);
  });

  test("a full disk leaves nothing behind", async () => {
    const { code, stderr } = await chat("/save /nowhere/at/all.json\n");
    expect(code).toBe(1);
    expect(stderr).toContain("write: /nowhere/at/all.json: the directory does not exist");
    expect(existsSync("/nowhere")).toBe(false);
  });
});

test("a full context is said, with what to do; the next turn is refused until /reset", async () => {
  const { stdout, stderr } = await chat(
    "The quick\nThe fox\n/reset\nThe\n",
    "--n-ctx",
    "40",
    "-n",
    "100",
    "--json",
  );
  expect(JSON.parse(stdout).turns.map((turn: { finish_reason: string }) => turn.finish_reason)).toEqual([
    "length",
    "length",
  ]);
  expect(stderr).toMatch(
    /chat: length: the conversation has \d+ tokens with this turn, the context is 40; \/reset/,
  );
  const said = await chat("The quick\n", "--n-ctx", "40", "-n", "100");
  expect(said.stderr).toContain(
    "length: the context of 40 tokens is full; /reset begins anew, --n-ctx asks for more",
  );
});

test("/help and /stats are on stderr; a word that is not known names those that are", async () => {
  const { code, stdout, stderr } = await chat("/help\n/stats\n/nothing\n");
  expect(code).toBe(1);
  expect(stdout).toBe("");
  for (const word of ["/reset", "/system TEXT", "/save FILE", "/load FILE", "/stats", "/help", "/exit"])
    expect(stderr).toContain(word);
  expect(stderr).toMatch(/0 messages, 0 of 256 tokens of context/);
  expect(stderr).toContain("there is no /nothing; there are /reset /system");
});

test("/exit leaves what follows unread", async () => {
  const { code, stdout } = await chat("/exit\nThe quick\n", "--json");
  expect(code).toBe(0);
  expect(JSON.parse(stdout).turns).toEqual([]);
});

test("Ctrl-C stops the answer, not the program", async () => {
  const child = start(["chat", "-m", model, "--temperature", "0", "-n", "100000", "--n-ctx", "20000"]);
  const end = ended(child);
  child.stdin!.write("The quick\n");
  await once(child.stdout!, "data");
  child.kill("SIGINT");
  await new Promise<void>((resolve) => {
    child.stderr!.on("data", (text: string) => text.includes("stopped") && resolve());
  });
  child.stdin!.end("/stats\n");
  const { code, stderr } = await end;
  expect(code).toBe(0);
  expect(stderr).toMatch(/2 messages, .* 1 turns/);
});

describe("which model, which template", () => {
  test("without --model and a cache, it says what to do", async () => {
    const { code, stderr } = await edgewise(["chat"], "", { EDGEWISE_MODELS: directory });
    expect(code).toBe(1);
    expect(stderr).toBe(
      `edgewise: model: smollm2: ${directory}/SmolLM2-135M-Instruct.Q4_1.gguf is not there; fetch it with "edgewise models smollm2" (in a checkout: npm run models), or name a GGUF file\n`,
    );
  });

  test("a model without a template is refused; a file or a name gives it one", async () => {
    const bare = await chatModel(null);
    const template = path.join(directory, "template.jinja");
    writeFileSync(template, "{{ messages[-1].content }}");
    const ask = (...options: string[]) =>
      edgewise(["chat", "-m", bare, ...greedy, ...options], "The quick\n");
    const refused = await ask();
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/tiny-chat\.gguf has no chat template.*edgewise generate.*chatml/);
    expect((await ask("--template", "chatml")).code).toBe(0);
    expect((await ask("--template", template)).code).toBe(0);
    expect((await ask("--template", "alpaca")).stderr).toContain('there is no template "alpaca"');
  });
});

test("a memory limit that is too small is refused with a remedy", async () => {
  const { code, stderr } = await chat("", "--memory-limit", "1MiB", "--n-ctx", "4096");
  expect(code).toBe(1);
  expect(stderr).toMatch(/but the limit is 1\.00 MiB; (try|even|no setting)/);
});

const smollm2 = cachedModel("SmolLM2-135M-Instruct.Q4_1.gguf");

test.skipIf(!smollm2)("SmolLM2 is found in the cache and talks (skipped without it)", async () => {
  const settings = ["--temperature", "0", "-n", "16", "--n-ctx", "256", "--json"];
  const { stdout } = await edgewise(["chat", ...settings], "Say hello.\nAgain.\n", {
    EDGEWISE_MODELS: path.dirname(smollm2!),
  });
  const { turns, messages } = JSON.parse(stdout);
  expect(messages).toHaveLength(4);
  expect(turns[1].usage.prompt_tokens_details.cached_tokens).toBeGreaterThanOrEqual(
    turns[0].usage.total_tokens - 1,
  );
});
