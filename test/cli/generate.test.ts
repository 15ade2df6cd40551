import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { asset } from "../../src/engine/host/assets.ts";
import { Metadata } from "../../src/llm/files/metadata.ts";
import { TextStream } from "../../src/llm/tokenizer/text_stream.ts";
import { Tokenizer } from "../../src/llm/tokenizer/tokenizer.ts";
import { bpeMetadata, trainBpe } from "../../src/llm/tokenizer/train_bpe.ts";
import { sharedData } from "../shared.ts";
import { edgewise, ended, start, tinyModel } from "./command.ts";

let model: string;
beforeAll(async () => {
  ({ model } = await tinyModel());
});

const stories = sharedData("models/stories260Ktok512.gguf");
const golden = "1 403 407 261 378 432 383 286 261 376 298 315 421 395";

describe.skipIf(!stories)("stories260K (skipped without ../shared/data)", () => {
  test.each([[[]], [["--threads", "2"]], [["--n-batch", "2"]]])("greedy tokens with %s", async (options) => {
    const settings = ["--temperature", "0", "-n", "9", "--tokens", ...options];
    const { stdout } = await edgewise(["generate", "-m", stories!, "-p", "Once upon a time", ...settings]);
    expect(stdout).toBe(`${golden}\n`);
  });

  test("text comes with its prompt, numbers go to stderr", async () => {
    const { stdout, stderr } = await edgewise(
      ["generate", "-m", stories!, "-p", "-", "--temperature", "0", "-n", "20"],
      "Once upon a time",
    );
    expect(stdout).toMatch(/^Once upon a time, there was a little girl named Lily\. .*\n$/);
    expect(stderr).toMatch(/load .*, first token after .*, memory \d+\.\d\d MiB \(plan 2\.\d\d MiB\)\n/);
    expect(stderr).toMatch(/prompt 5 tokens at \d+ tok\/s, generated 20 at \d+ tok\/s \(length reached\)/);
  });
});

test("one JSON document and nothing else; the same text as without; another seed gives another", async () => {
  const args = ["generate", "-m", model, "-p", "The quick", "-n", "12"];
  const [json, text, bare, other] = await Promise.all([
    edgewise([...args, "--json"]),
    edgewise(args),
    edgewise([...args, "--no-echo"]),
    edgewise([...args, "--seed", "7"]),
  ]);
  const document = JSON.parse(json.stdout);
  expect(document.prompt).toBe("The quick");
  expect(text.stdout).toBe(`${document.prompt}${document.text}\n`);
  expect(bare.stdout).toBe(`${document.text}\n`);
  expect(other.stdout).not.toBe(text.stdout);
  const { completion_tokens, prompt_tokens, total_tokens } = document.usage;
  expect(document.tokens.generated).toHaveLength(completion_tokens);
  expect(document.tokens.prompt).toHaveLength(prompt_tokens);
  expect(total_tokens).toBe(prompt_tokens + completion_tokens);
  expect(document.memory.total % 65536).toBe(0);
});

test("every way of sampling, stop strings, log-probabilities and smaller caches", async () => {
  const args = ["generate", "-m", model, "-p", "The quick", "-n", "12", "--json"];
  const run = async (...more: string[]) => JSON.parse((await edgewise([...args, ...more])).stdout);
  const greedy = await run("--temperature", "0", "--logprobs", "2");
  expect(greedy.logprobs).toHaveLength(12);
  expect(greedy.logprobs[0].top_logprobs[0].id).toBe(greedy.tokens.generated[0]);
  const likeliest = [
    ["--top-k", "1"],
    ["--top-p", "0.000001"],
    ["--min-p", "1"],
  ];
  for (const options of likeliest)
    expect((await run("--temperature", "2", ...options)).text, options.join(" ")).toBe(greedy.text);
  const stop = greedy.text.slice(2, 4);
  const stopped = await run("--temperature", "0", "--stop", "never to be seen", stop);
  expect(stopped).toMatchObject({
    text: greedy.text.slice(0, greedy.text.indexOf(stop)),
    finish_reason: "stop",
  });
  const penalized = await run("--temperature", "0", "--repetition-penalty", "3");
  expect(penalized.text).not.toBe(greedy.text);
  const half = await run("--temperature", "0", "--cache-type", "f16");
  expect(half.settings.cache_type).toBe("f16");
  expect(half.memory.state).toBeLessThan(greedy.memory.state);
  expect(greedy.usage.cold_time_to_first_token_s).toBeGreaterThan(greedy.usage.time_to_first_token_s);
});

test("--logprobs without --json is a mistake of the command line", async () => {
  const { code, stderr } = await edgewise(["generate", "-m", model, "--logprobs", "2"]);
  expect(code).toBe(2);
  expect(stderr).toContain("--logprobs <n>' is for --json");
});

test("a context beyond the trained one is a warning", async () => {
  const { code, stderr } = await edgewise(["generate", "-m", model, "-n", "2", "--n-ctx", "100"]);
  expect(code).toBe(0);
  expect(stderr).toContain("warning: 100 positions, but the model was trained on 64");
});

test("no character is printed in halves", () => {
  const vocabulary = trainBpe(["plain text"], { vocabularySize: 257, specialTokens: ["<s>"] });
  const tokenizer = Tokenizer.fromGguf(new Metadata("test", bpeMetadata(vocabulary)));
  const stream = new TextStream(tokenizer);
  const text = "naïve café, 漢字 and 🦙🦙";
  const pieces = tokenizer.encode(text).map((token) => stream.push([token]));
  expect(pieces.join("")).toBe(text);
  expect(pieces.filter((piece) => piece.includes("\ufffd"))).toEqual([]);
  expect(stream.end()).toBe("");
  stream.push(tokenizer.encode("🦙").slice(0, -1));
  expect(stream.end()).toBe("\ufffd");
});

describe("a memory limit that is too small", () => {
  const limited = (limit: string, ...more: string[]) =>
    edgewise(["generate", "-m", model, "-n", "2", "--memory-limit", limit, ...more]);

  test("is refused with every part and a remedy that helps", async () => {
    const wide = ["--n-ctx", "20000", "--n-batch", "4096"];
    const { stdout: least } = await edgewise(["generate", "-m", model, "-n", "2", "--json"]);
    const limit = String(JSON.parse(least).process.total + 5 * 2 ** 20);
    const { code, stdout, stderr } = await limited(limit, ...wide);
    expect(code).toBe(1);
    expect(stdout).toBe("");
    const parts = ["constants", "state", "arena", "scratch", "io", "plans", "runtime", "workers", "heap"];
    for (const part of [...parts, "vocabulary", "buffers"]) expect(stderr).toContain(part);
    expect(stderr).toMatch(/but the limit is \d+\.\d\d MiB; try /);
    const remedy = /try (.*) \(/.exec(stderr)![1].split(" ");
    expect((await limited(limit, ...wide, ...remedy)).code).toBe(0);
  });

  test("that nothing can meet says how near the smallest setting comes", async () => {
    const { code, stderr } = await limited("64KiB");
    expect(code).toBe(1);
    expect(stderr).toMatch(/but the limit is 64\.00 KiB; (even --.* needs |no setting makes it smaller)/);
  });

  test("is met to the byte", async () => {
    const { stdout } = await edgewise(["generate", "-m", model, "-n", "2", "--json"]);
    const { total } = JSON.parse(stdout).process;
    expect((await limited(String(total))).code).toBe(0);
    expect((await limited(String(total - 1))).code).toBe(1);
  });
});

describe("endings", () => {
  const endless = () => [
    "generate",
    "-m",
    model,
    "-p",
    "The",
    "-n",
    "100000",
    "--n-ctx",
    "100001",
    "--tokens",
    "--temperature",
    "0", // this model's likeliest tokens never end the text
  ];

  test("Ctrl-C ends with 130 and says what was done", async () => {
    const child = start(endless());
    const end = ended(child);
    await once(child.stdout!, "data");
    child.kill("SIGINT");
    const { code, stderr } = await end;
    expect(code).toBe(130);
    expect(stderr).toContain("(interrupted)");
  });

  test("a reader that has seen enough is no error", async () => {
    const child = start(endless());
    const end = ended(child);
    await once(child.stdout!, "data");
    child.stdout!.destroy();
    expect(await end).toMatchObject({ code: 0 });
  });

  test("a full disk is", () => {
    const { status, stderr } = spawnSync(
      process.execPath,
      [asset("src/cli/main.js"), "generate", "-m", model, "-n", "2"],
      { stdio: ["ignore", openSync("/dev/full", "w"), "pipe"], encoding: "utf8" },
    );
    expect(status).toBe(1);
    expect(stderr).toContain("write: stdout: no space left on the disk");
  });
});
