/** `edgewise study` as a process: killed, interrupted, started twice, on a full disk, with files that are wrong. */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { random } from "../../src/engine/random.ts";
import { readRows } from "../../src/lab/study/results.ts";
import { edgewise, ended, start } from "../cli/command.ts";
import { byKey, tinyInput, writeTinyModel } from "./tiny.ts";

const SEED = 20_261;

/** A part of the tiny study: about a second. */
const input = {
  ...tinyInput,
  tasks: { taste: {}, "sotu-choice": {} },
  grid: [
    { method: ["none", "rag"], h: [2, 4, 6], k: 2 },
    { task: "taste", method: "lora", h: 6, training_tokens: [64, 200, 400] },
    { method: "baseline:nearest", h: 6 },
  ],
};

/** What a study leaves. */
const FILES = ["history.svg", "report.html", "results.jsonl", "summary.md"];

let folder: string;
let file: string;
let runs = 0;
const out = () => path.join(folder, `out-${runs++}`);
const rowsIn = (directory: string) => readRows(path.join(directory, "results.jsonl"));
const study = (directory: string, ...more: string[]) => [
  "study",
  file,
  "--out",
  directory,
  "--threads",
  "1",
  ...more,
];

/** Starts a run and resolves once its file has this many rows. */
async function running(directory: string, rows: number, ...more: string[]) {
  const child = start(study(directory, ...more));
  const end = ended(child);
  const results = path.join(directory, "results.jsonl");
  const lines = () => (existsSync(results) ? readFileSync(results, "utf8").split("\n").length - 1 : 0);
  while (lines() < rows && child.exitCode === null && child.signalCode === null)
    await new Promise((resolve) => setTimeout(resolve, 5));
  return { child, end };
}

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "edgewise-study-command-"));
  await writeTinyModel(folder);
  file = path.join(folder, "tiny.yaml");
  writeFileSync(file, stringify(input));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("a run that does not come to its end", () => {
  test(`killed again and again, it ends with the same rows, none twice (seed ${SEED})`, async () => {
    const undisturbed = out();
    expect((await edgewise(study(undisturbed))).code).toBe(0);
    const whole = rowsIn(undisturbed);
    const directory = out();
    for (let kill = 0; kill < 4; kill++) {
      const { child, end } = await running(directory, random(SEED, kill, 0) % whole.length, "--resume");
      await new Promise((resolve) => setTimeout(resolve, random(SEED, kill, 1) % 100));
      child.kill("SIGKILL");
      await end;
    }
    const { code, stdout, stderr } = await edgewise(study(directory, "--resume"));
    expect(code, stderr).toBe(0);
    expect(stdout).toContain("report.html");
    expect(byKey(rowsIn(directory))).toEqual(byKey(whole));
    expect(readdirSync(directory).sort()).toEqual(FILES);
  });

  test("Ctrl-C: what is safe, how to go on, and a report of what is there", async () => {
    const directory = out();
    const { child, end } = await running(directory, 8);
    child.kill("SIGINT");
    const { code, stdout, stderr } = await end;
    expect([code, stdout]).toEqual([130, ""]);
    expect(stderr).not.toMatch(/ at .*:\d+|Error|bug/);
    const rows = rowsIn(directory).length;
    expect(rows).toBeGreaterThanOrEqual(8);
    const [, safe, next] =
      /stopped\. (\d+) of \d+ rows are safe in .*results\.jsonl; .*Go on with: (.*)\n$/.exec(stderr)!;
    expect([Number(safe), next]).toEqual([rows, `edgewise ${study(directory).join(" ")} --resume`]);
    expect(readdirSync(directory).sort()).toEqual(FILES);
    for (const file of ["summary.md", "report.html"])
      expect(readFileSync(path.join(directory, file), "utf8")).toMatch(/not finished: \d+ of \d+ cells/);
  });

  test("Ctrl-C before the first row: nothing is said to be kept", async () => {
    const directory = out();
    const { child, end } = await running(directory, 0);
    while (!existsSync(path.join(directory, "results.jsonl.lock")))
      await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill("SIGINT");
    const { code, stderr } = await end;
    expect(code).toBe(130);
    expect(stderr).toMatch(/stopped before anything was measured; .* Start again with: edgewise study/);
    expect(readdirSync(directory)).toEqual(["results.jsonl"]);
  });

  test("a second process in the same directory is refused, and the first goes on", async () => {
    const directory = out();
    const { child, end } = await running(directory, 1);
    child.kill("SIGSTOP");
    const second = await edgewise(study(directory, "--resume"));
    child.kill("SIGCONT");
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(/results\.jsonl\.lock: process \d+ on .* is writing this study/);
    expect((await end).code).toBe(0);
  });

  test("rows of another study, and rows without --resume, are refused", async () => {
    const directory = out();
    const { child, end } = await running(directory, 1);
    child.kill("SIGINT");
    await end;
    const before = readFileSync(path.join(directory, "results.jsonl"), "utf8");
    const again = await edgewise(study(directory));
    expect([again.code, again.stderr]).toEqual([
      1,
      expect.stringMatching(/already has \d+ rows; go on with --resume/),
    ]);
    const changed = path.join(folder, "changed.yaml");
    writeFileSync(changed, stringify({ ...input, items_per_user: 5 }));
    const other = await edgewise(["study", changed, "--out", directory, "--resume"]);
    expect([other.code, other.stderr]).toEqual([
      1,
      expect.stringMatching(/results\.jsonl:1: written by another study/),
    ]);
    expect(readFileSync(path.join(directory, "results.jsonl"), "utf8")).toBe(before);
  });
});

/** A disk of its own size; undefined where this process may not mount one. */
function smallDisk(): string | undefined {
  const disk = mkdtempSync(path.join(tmpdir(), "edgewise-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], { stdio: "ignore" });
    return disk;
  } catch {
    rmdirSync(disk);
    return undefined;
  }
}

describe("a full disk", () => {
  test("one message, whole rows only; with room again it resumes", async ({ skip }) => {
    const disk = smallDisk() ?? skip("only root can mount a small disk");
    try {
      const full = await edgewise(study(disk));
      expect(full.code).toBe(1);
      expect(full.stderr).toMatch(/results\.jsonl: \d+ rows could not be written: ENOSPC/);
      expect(full.stderr).not.toMatch(/ at /);
      const kept = rowsIn(disk);
      expect(kept.length).toBeGreaterThan(0);
      expect(readFileSync(path.join(disk, "results.jsonl"), "utf8")).toMatch(/\}\n$/);
      expect(readdirSync(disk)).toEqual(["results.jsonl"]);
      execFileSync("mount", ["-o", "remount,size=16m", disk]);
      expect((await edgewise(study(disk, "--resume"))).code).toBe(0);
      expect(rowsIn(disk).slice(0, kept.length)).toEqual(kept);
    } finally {
      execFileSync("umount", [disk]);
      rmdirSync(disk);
    }
  });
});
