/** `npm run chat` builds where a source has changed, and only there. */
import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const repository = path.resolve(import.meta.dirname, "..");
const project = mkdtempSync(path.join(tmpdir(), "edgewise-built-"));
afterAll(() => rmSync(project, { recursive: true }));
const at = (...file: string[]) => path.join(project, ...file);
const built = (...step: string[]) => spawnSync(process.execPath, [at("built.mjs"), ...step]).status;

beforeAll(() => {
  for (const file of ["built.mjs", "package-lock.json", "asconfig.json", "tsconfig.json"])
    copyFileSync(path.join(repository, file), at(file));
  for (const directory of ["src/cli", "kernels", "bench"])
    cpSync(path.join(repository, directory), at(directory), { recursive: true });
});

test("after a build nothing is to be built, until a source changes, appears or goes", () => {
  expect(built()).toBe(1);
  built("begin");
  built("end");
  expect(built()).toBe(0);
  const [file, added] = [at("src", "cli", "main.ts"), at("kernels", "added.ts")];
  const text = readFileSync(file, "utf8");
  writeFileSync(file, `${text}\n`);
  expect(built()).toBe(1);
  writeFileSync(file, text); // the time of a file decides nothing
  expect(built()).toBe(0);
  writeFileSync(added, "");
  expect(built()).toBe(1);
  rmSync(added);
  expect(built()).toBe(0);
});

test("a build that did not come to its end counts for nothing, nor one whose files are gone", () => {
  built("begin");
  expect(built()).toBe(1);
  built("end");
  rmSync(at("dist"), { recursive: true });
  expect(built()).toBe(1);
  mkdirSync(at("dist"));
  expect(built()).toBe(1);
});

test("chat, models and demo ask first", () => {
  const { scripts } = JSON.parse(readFileSync(path.join(repository, "package.json"), "utf8"));
  expect(scripts["build:changed"]).toBe("node built.mjs || npm run build");
  for (const name of ["chat", "models", "demo"]) expect(scripts[name]).toMatch(/build:changed/);
});
