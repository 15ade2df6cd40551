import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { edgewise, tinyModel } from "./command.ts";

let directory: string;
let model: string;
const at = (name: string) => path.join(directory, name);

beforeAll(async () => {
  ({ directory, model } = await tinyModel());
  mkdirSync(at("folder"));
  writeFileSync(at("empty.gguf"), "");
  writeFileSync(at("truncated.gguf"), readFileSync(model).subarray(0, -100));
  writeFileSync(at("text.txt"), "The quick brown fox.");
  writeFileSync(at("latin1.txt"), Uint8Array.of(0x66, 0xfc, 0x72));
  writeFileSync(at("short.txt"), "");
});

/** One line that begins with edgewise:, and no trace of where in the program. */
async function refused(args: string[], code: number, message: RegExp) {
  const { stdout, stderr, ...ended } = await edgewise(args.map((arg) => arg.replace("$", `${directory}/`)));
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/^edgewise: .*\n$/);
  expect(stdout).toBe("");
  expect(ended.code).toBe(code);
}

describe("a command line that is wrong: exit code 2", () => {
  test.each<[string, RegExp]>([
    ["genrate", /unknown command 'genrate' \(did you mean generate\?\); see edgewise --help/],
    [
      "generate --modle x",
      /unknown option '--modle' \(did you mean --model\?\); see edgewise generate --help/,
    ],
    ["generate", /required option '-m, --model <file>' not specified/],
    ["generate -m $tiny.gguf more", /too many arguments/],
    [
      "generate -m $tiny.gguf --type q3_k",
      /'q3_k' is invalid. Allowed choices are file, f32, f16, bf16, q8_0, q4_0/,
    ],
    ["generate -m $tiny.gguf --threads 0", /'0' is invalid. It must be a whole number from 1 to 16/],
    ["generate -m $tiny.gguf --memory-limit 12XB", /A size is a number and a unit, such as 512MiB/],
    ["explain", /missing required argument 'model'/],
    ["explain $tiny.gguf --mode trian", /Allowed choices are generate, score, train/],
    ["quantize $tiny.gguf $out.gguf", /required option '--type <type>' not specified/],
  ])("%s", (args, message) => refused(args.split(" "), 2, message));
});

describe("something that cannot be done: exit code 1", () => {
  test.each<[string, RegExp]>([
    ["generate -m $none.gguf", /read: .*none.gguf: no such file/],
    ["generate -m $folder", /read: .*folder: is a directory, not a file/],
    ["explain $empty.gguf", /gguf: .*empty.gguf: is empty/],
    [
      "generate -m $truncated.gguf",
      /gguf: .*truncated.gguf: tensor "output.weight": takes bytes \d+ to \d+, the file has \d+/,
    ],
    ["explain $text.txt", /gguf: .*text.txt: header: does not start with "GGUF"/],
    ["generate -m $tiny.gguf -p The --n-ctx 1", /the prompt has . tokens but --n-ctx is 1; ask for a larger/],
    ["quantize $tiny.gguf $none/out.gguf --type q8_0", /write: .*: the directory does not exist/],
    ["quantize $tiny.gguf $folder --type q8_0", /write: .*folder: is a directory/],
    ["quantize $tiny.gguf $tiny.gguf --type q8_0", /is the input itself; write to another file/],
    ["perplexity -m $tiny.gguf $none.txt", /open: .*none.txt: no such file or directory/],
    ["perplexity -m $tiny.gguf $latin1.txt", /latin1.txt: is not UTF-8/],
    ["perplexity -m $tiny.gguf $short.txt", /the text has 1 tokens; at least 2 are needed/],
    ["perplexity -m $tiny.gguf $text.txt --stride 64", /--stride 64 must be below the window of \d+ tokens/],
  ])("%s", (args, message) => refused(args.split(" "), 1, message));
});

test("the stack is shown where it is asked for", async () => {
  const { code, stderr } = await edgewise(["explain", at("empty.gguf")], "", { EDGEWISE_DEBUG: "1" });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^ {4}at /m);
});

test("help and version are no errors", async () => {
  const { version } = JSON.parse(readFileSync("package.json", "utf8"));
  expect(await edgewise(["--version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  const { code, stdout } = await edgewise(["help", "generate"]);
  expect(code).toBe(0);
  expect(stdout).toContain("--max-tokens");
});
