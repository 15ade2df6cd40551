import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expand } from "../../src/lab/study/cells.ts";
import { readRows } from "../../src/lab/study/results.ts";
import type { Row } from "../../src/lab/study/row.ts";
import { runStudy } from "../../src/lab/study/study.ts";
import type { Study } from "../../src/lab/study/study_file.ts";
import { byKey, lasting, tinyStudy, writeTinyModel } from "./tiny.ts";

let folder: string;
let model: string;
let whole: Row[];
let runs = 0;

async function run(
  study: Study,
  { directory = path.join(folder, `run-${runs++}`), resume = false, threads = 1 } = {},
) {
  await runStudy(study, directory, { threads, repeats: 2, command: "test", resume });
  return { directory, rows: readRows(path.join(directory, "results.jsonl")) };
}

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "edgewise-study-"));
  model = await writeTinyModel(folder);
  ({ rows: whole } = await run(tinyStudy(model)));
});
afterAll(() => rmSync(folder, { recursive: true }));

test("every cell has a row of every person, once", () => {
  const study = tinyStudy(model);
  const expected = expand(study).flatMap(({ key, dev }) => Array.from({ length: dev ? 4 : 3 }, () => key));
  expect(whole.length).toBe(expected.length);
  expect(new Set(whole.map(({ key }) => key)).size).toBe(expected.length);
});

test("a person's row is the same to the bit whoever else takes part, and with two threads", async () => {
  const more = await run(tinyStudy(model, { users: 5, dev_users: 2 }), { threads: 2 });
  const others = byKey(more.rows);
  for (const row of whole) {
    const { planned, predicted, ...rest } = lasting(row);
    expect(others.get(row.key)).toMatchObject(rest);
    expect(others.get(row.key)!.audit).toEqual(rest.audit);
  }
});

test("whatever rows are missing, resuming brings back the same ones and no other", async () => {
  const study = tinyStudy(model);
  const { directory } = await run(study);
  const file = path.join(directory, "results.jsonl");
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  for (const keep of [(i: number) => i < 40, (i: number) => i % 17 === 0]) {
    const kept = lines.filter((_, i) => keep(i));
    writeFileSync(file, kept.map((line) => `${line}\n`).join(""));
    const { rows } = await run(study, { directory, resume: true });
    expect(byKey(rows)).toEqual(byKey(whole));
    expect(readFileSync(file, "utf8").startsWith(kept.join("\n"))).toBe(true);
  }
});

test("memory: a process with the cell's program alone takes what was predicted, and the program what was planned", () => {
  for (const { settings, memory } of whole) {
    const {
      model_bytes,
      program_bytes,
      predicted_peak_bytes: predicted,
      measured_peak_bytes: measured,
    } = memory;
    if (settings.model === "-") {
      const nothing = {
        model_bytes: 0,
        program_bytes: 0,
        predicted_peak_bytes: 0,
        measured_peak_bytes: null,
      };
      expect(memory).toEqual(nothing);
      continue;
    }
    expect(program_bytes).toBeGreaterThan(model_bytes);
    expect(predicted).toBeGreaterThan(program_bytes);
    expect(Math.abs(predicted - measured!) / measured!).toBeLessThan(0.2);
  }
});
