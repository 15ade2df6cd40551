import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { InputError } from "../../src/errors.ts";
import { calibrationStudy, calibrationWorld, NULL_EFFECTS } from "../../src/lab/study/calibration.ts";
import { parseRows, Results, readRows } from "../../src/lab/study/results.ts";
import { makeRow } from "../../src/lab/study/row.ts";
import { neutral, rowKey } from "../../src/lab/study/settings.ts";
import { simulate } from "../../src/lab/study/simulation.ts";
import { studyDigest } from "../../src/lab/study/study_file.ts";

const study = calibrationStudy(3);
const rows = simulate(study, calibrationWorld(NULL_EFFECTS), 1);
const options = { study: studyDigest(study), lineage: () => ({}), resume: true };

let folder: string;
let file: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "results-"));
  file = path.join(folder, "results.jsonl");
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

function write(count: number): void {
  const results = new Results(file, options);
  results.append(...rows.slice(0, count));
  results.close();
}

describe("results.jsonl", () => {
  it("gives back what was appended", () => {
    write(5);
    expect(readRows(file)).toEqual(rows.slice(0, 5));
    expect(fs.readdirSync(folder)).toEqual(["results.jsonl"]);
  });

  it("cut anywhere in its last line, it resumes to the same rows, each once", () => {
    write(3);
    const whole = fs.readFileSync(file);
    const last = whole.lastIndexOf("\n", whole.length - 2) + 1;
    for (let end = last; end < whole.length; end += 97) {
      fs.writeFileSync(file, whole.subarray(0, end));
      const messages: string[] = [];
      const results = new Results(file, { ...options, onMessage: (m) => messages.push(m) });
      expect(messages.length).toBe(end > last ? 1 : 0);
      expect([...results.finishedKeys()]).toEqual(rows.slice(0, 2).map((row) => row.key));
      for (const row of rows.slice(0, 3)) if (!results.finishedKeys().has(row.key)) results.append(row);
      results.close();
      expect(fs.readFileSync(file).equals(whole)).toBe(true);
    }
  });

  it("needs --resume for a file with rows, and refuses rows of another study", () => {
    write(2);
    expect(() => new Results(file, { ...options, resume: false })).toThrow(
      /already has 2 rows; go on with --resume/,
    );
    expect(() => new Results(file, { ...options, study: "other" })).toThrow(
      /results.jsonl:1: written by another study/,
    );
    expect(fs.readdirSync(folder)).toEqual(["results.jsonl"]);
  });

  it("does not write a key twice", () => {
    const results = new Results(file, options);
    results.append(rows[0]);
    expect(() => results.append(rows[0])).toThrow(/a second time/);
    expect(() => results.append(rows[1], rows[1])).toThrow(/a second time/);
    results.close();
    expect(readRows(file).length).toBe(1);
  });

  it("has one writer; a lock whose process is gone is removed", () => {
    const results = new Results(file, options);
    expect(() => new Results(file, options)).toThrow(
      new RegExp(`process ${process.pid} on .* is writing this study`),
    );
    results.close();
    const gone = 2 ** 22 + 1; // above the largest process id of Linux
    for (const lock of [JSON.stringify({ pid: gone, host: os.hostname() }), ""]) {
      fs.writeFileSync(`${file}.lock`, lock);
      const messages: string[] = [];
      new Results(file, { ...options, onMessage: (m) => messages.push(m) }).close();
      expect(messages.join()).toMatch(/removed a stale lock/);
    }
  });

  it("keeps all or nothing of a write that fails", () => {
    write(1);
    const before = fs.readFileSync(file);
    const results = new Results(file, options);
    const real = fs.fsyncSync;
    fs.fsyncSync = () => {
      throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
    };
    try {
      expect(() => results.append(rows[1])).toThrow(InputError);
    } finally {
      fs.fsyncSync = real;
    }
    results.append(rows[2]);
    results.close();
    expect(readRows(file).map((row) => row.key)).toEqual([rows[0].key, rows[2].key]);
    expect(fs.readFileSync(file).subarray(0, before.length).equals(before)).toBe(true);
  });

  it("names line and field of a line that is no row", () => {
    const line = JSON.stringify(rows[0]);
    expect(() => parseRows(`${line}\n{\n`, "r")).toThrow(/^r:2: not JSON/);
    const text = (change: object) => JSON.stringify({ ...rows[0], ...change });
    expect(() => parseRows(text({ split: "train" }), "r")).toThrow(/^r:1: not a row of format 2: split: /);
    expect(() => parseRows(text({ format: 1 }), "r")).toThrow(
      "r:1: a row of format 1; this edgewise writes format 2, and the two never stand in one file; use another --out",
    );
    expect(() => parseRows(text({ key: "0" }), "r")).toThrow(/key 0 does not belong to these settings/);
    expect(() => parseRows(`${line}\n${line}\n`, "r")).toThrow(/^r:2: key .* is already on line 1/);
    expect(() => readRows(path.join(folder, "missing.jsonl"))).toThrow(/missing.jsonl: cannot be read/);
  });
});

describe("keys", () => {
  it("are stable: this one may never change", () => {
    expect(rowKey(rows[0].settings, "a user", {})).toBe("587f4a24639c9fd3");
  });

  it("do not depend on what does not apply to a method", () => {
    const { settings } = rows.find((row) => row.settings.method === "lora")!;
    const rag = neutral({ ...settings, method: "rag", h: 4, k: 8 });
    expect(rag).toMatchObject({ h: 4, k: 4, training_tokens: 0, rank: 0, alpha: 0 });
    expect(neutral({ ...settings, method: "none" })).toMatchObject({ h: 0, k: 0, training_tokens: 0 });
    expect(neutral({ ...settings, method: "baseline:majority" })).toMatchObject({
      model: "-",
      compression: "-",
    });
  });

  it("make a row whole", () => {
    const { format: _, key, ...fields } = rows[0];
    expect(makeRow(fields).key).toBe(key);
    expect(() => makeRow({ ...fields, split: "base" as "dev" })).toThrow();
  });
});
