import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { linesOf, reasonOf } from "./not_run.ts";

test.each([
  [
    'training in Wasmtime (skipped: no Python with the package "wasmtime" (set EDGEWISE_PYTHON)) > ten steps',
    'no Python with the package "wasmtime" (set EDGEWISE_PYTHON)',
  ],
  ["GPT-2 (needs shared/data) > encodes", "needs shared/data"],
  ["stories260K's own text (skipped without ../shared/data) > Q8_0", "without ../shared/data"],
  ["a test (with a remark) > of a kind", "no reason given"],
])("%s", (name, reason) => {
  expect(reasonOf(name)).toBe(reason);
});

test("each reason is told once, with its count", () => {
  expect(linesOf(["a (needs x) > 1", "b (skipped: y)", "a (needs x) > 2"])).toEqual([
    "3 tests were not run here",
    "  2: needs x",
    "  1: y",
  ]);
  expect(linesOf([])).toEqual([]);
});

test("it belongs to the README's test command and to .ci/run", () => {
  const read = (file: string) => readFileSync(path.join(import.meta.dirname, "..", file), "utf8");
  expect(read("vitest.config.ts")).toContain("./test/not_run.ts");
  expect(read(".ci/run")).toContain("--reporter=./test/not_run.ts");
});
