/** `edgewise study` refuses what it cannot run: one line, exit code 1 (the command line's own errors: 2), nothing written. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { edgewise } from "../cli/command.ts";
import { tinyInput, writeTinyModel } from "./tiny.ts";

let folder: string;
const at = (name: string) => path.join(folder, name);

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "edgewise-study-refused-"));
  const gguf = readFileSync(await writeTinyModel(folder));
  writeFileSync(at("mute.gguf"), renamed(gguf, "tokenizer.ggml.model", "tokenizer.ggml.mudel"));
  writeFileSync(at("odd.gguf"), renamed(gguf, "gpt2", "oddd"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("a study that cannot be run is refused before anything is written", () => {
  const lines = stringify(tinyInput);
  const line = (text: string) => lines.slice(0, lines.indexOf(text)).split("\n").length;
  test.each<[string, string, string, RegExp]>([
    [
      "a key misspelt",
      "items_per_user: 4",
      "items_per_users: 4",
      /has no key "items_per_users"; nearest is "items_per_user"/,
    ],
    [
      "a baseline misspelt",
      "baseline:nearest",
      "baseline:nearer",
      /there is no baseline "nearer"; nearest is "nearest"/,
    ],
    [
      "a model that is not there",
      "tiny: tiny.gguf",
      "tiny: none.gguf",
      /none\.gguf: cannot be read: no such file or directory/,
    ],
    ["a model without a tokenizer", "tiny: tiny.gguf", "tiny: mute.gguf", /mute\.gguf.*tokenizer\.ggml/],
    ["a model with an unknown tokenizer", "tiny: tiny.gguf", "tiny: odd.gguf", /odd\.gguf.*"oddd"/],
    [
      "no model at all",
      "tiny: tiny.gguf",
      "tiny: wrong.yaml",
      /wrong\.yaml: header: does not start with "GGUF"/,
    ],
    [
      "questions that are not there",
      "taste: {}",
      "taste: { questions: none.json }",
      /none\.json: cannot be read: no such file or directory/,
    ],
    [
      "a dial of generated users on real text",
      "sotu-choice: {}",
      "sotu-choice: { noise: 0.1 }",
      /noise is a dial of generated users/,
    ],
  ])("%s", async (_, from, to, message) => {
    expect(lines).toContain(from);
    const gguf = readFileSync(path.join(folder, "tiny.gguf"));
    writeFileSync(
      path.join(folder, "mute.gguf"),
      renamed(gguf, "tokenizer.ggml.model", "tokenizer.ggml.mudel"),
    );
    writeFileSync(path.join(folder, "odd.gguf"), renamed(gguf, "gpt2", "oddd"));
    const wrong = at("wrong.yaml");
    writeFileSync(wrong, lines.replace(from, to));
    const directory = at("out");
    const { code, stdout, stderr } = await edgewise(["study", wrong, "--out", directory]);
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(new RegExp(`^edgewise: .*wrong\\.yaml:${line(from)}: .*\n$`));
    expect([code, stdout, existsSync(directory)]).toEqual([1, "", false]);
  });

  test("all that is wrong at once: the file itself, files that it names, what is in them", async () => {
    const wrong = at("wrong.yaml");
    const models = "{ tiny: none.gguf, odd: odd.gguf, mute: mute.gguf, folder: . }";
    writeFileSync(
      wrong,
      lines.replace("users: 3", "users: 1").replace(/models:\n {2}tiny: .*/, `models: ${models}`),
    );
    const first = await edgewise(["study", wrong, "--out", at("out")]);
    expect(first.stderr).toMatch(
      /^edgewise: 3 faults in the study, .*\n.*yaml:2: users is 1.*\n.*yaml:5: .*none\.gguf: .*\n.*yaml:5: .*: is a directory/,
    );
    writeFileSync(wrong, lines.replace("tiny: tiny.gguf", "{ odd: odd.gguf, mute: mute.gguf }"));
    const second = await edgewise(["study", wrong, "--out", at("out")]);
    expect(second.stderr).toMatch(
      /^edgewise: 2 faults in the study, .*\n.*odd\.gguf.*"oddd".*\n.*mute\.gguf/,
    );
    expect([first.code, second.code, existsSync(at("out"))]).toEqual([1, 1, false]);
  });

  test("a study file that is not there; no --out", async () => {
    const none = await edgewise(["study", at("none.yaml"), "--out", at("out")]);
    expect([none.code, none.stderr]).toEqual([
      1,
      expect.stringMatching(/none\.yaml: cannot be read: no such file or directory/),
    ]);
    const nowhere = await edgewise(["study", at("tiny.yaml")]);
    expect([nowhere.code, nowhere.stderr]).toEqual([
      2,
      expect.stringMatching(/required option '-o, --out <dir>'/),
    ]);
    const nothing = await edgewise(["study"]);
    expect([nothing.code, nothing.stderr]).toEqual([
      2,
      expect.stringMatching(/missing required argument 'file'/),
    ]);
  });
});

/** The file with one text in the place of another of the same length. */
function renamed(file: Buffer, from: string, to: string): Buffer {
  const copy = Buffer.from(file);
  copy.write(to, file.indexOf(from), "latin1");
  return copy;
}
