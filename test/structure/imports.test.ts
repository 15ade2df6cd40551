import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

const root = path.resolve(import.meta.dirname, "../..");
/** From the bottom to the top: a file imports from its own tier and from those before it. */
const tiers = [
  "kernels",
  "src/errors.ts",
  "src/engine",
  "src/version.ts",
  "src/llm",
  "src/lab",
  "src/cli",
  "src/index.ts",
];

interface Import {
  readonly file: string;
  /** Path in the repository, or the name of a package. */
  readonly target: string;
}

function files(directory: string): string[] {
  const names = readdirSync(path.join(root, directory), { recursive: true, encoding: "utf8" });
  return names
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `${directory}/${name.split(path.sep).join("/")}`);
}

/** Lines without comments and blanks. */
function codeOf(file: string): string[] {
  const source = readFileSync(path.join(root, file), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/ .*$/gm, "");
  return source
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

function importsOf(file: string): Import[] {
  const source = codeOf(file).join("\n");
  const specifiers = [...source.matchAll(/\b(?:from|import)\s*\(?\s*["']([^"'\n]+)["']/g)].map(
    ([, name]) => name,
  );
  return specifiers.map((name) => ({
    file,
    target: name.startsWith(".") ? path.posix.join(path.posix.dirname(file), name) : name,
  }));
}

function tierOf(file: string): number {
  return tiers.findIndex((tier) => file === tier || file.startsWith(`${tier}/`));
}

const imports = [...files("src"), ...files("kernels")].flatMap(importsOf);
const shown = ({ file, target }: Import) => `${file} imports ${target}`;
const isPackage = ({ target }: Import) => !target.startsWith("src/") && !target.startsWith("kernels/");

test("there is something to check", () => {
  expect(imports.length).toBeGreaterThan(100);
  expect(files("src").filter((file) => tierOf(file) < 0)).toEqual([]);
});

test("imports point only down", () => {
  const up = imports.filter((each) => !isPackage(each) && tierOf(each.target) > tierOf(each.file));
  expect(up.map(shown)).toEqual([]);
});

test("the engine and the kernels import no package", () => {
  const low = imports.filter(({ file }) => file.startsWith("kernels/") || file.startsWith("src/engine/"));
  const isAllowed = ({ file, target }: Import) =>
    target.startsWith("node:") && file.startsWith("src/engine/host/");
  expect(low.filter((each) => isPackage(each) && !isAllowed(each)).map(shown)).toEqual([]);
});

test("src sees only such files of the kernels as hold nothing but numbers", () => {
  const crossing = imports.filter(
    ({ file, target }) => file.startsWith("src/") && target.startsWith("kernels/"),
  );
  const isNumbers = (file: string) =>
    codeOf(file).every((line) => /^export const \w+ = -?[\w.]+;$/.test(line));
  expect(crossing.filter(({ target }) => !isNumbers(target)).map(shown)).toEqual([]);
});

test("no file has a name that says nothing", () => {
  const empty = /(^|[_-])(utils?|common|helpers?|manager|impl)([_-]|$)/i;
  const named = [...files("src"), ...files("kernels")].filter((file) =>
    file.split("/").some((part) => empty.test(part.replace(/\.ts$/, ""))),
  );
  expect(named).toEqual([]);
});
