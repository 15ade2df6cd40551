import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { readGguf } from "../../src/llm/files/gguf.ts";
import { openFile } from "../../src/llm/files/source.ts";

const root = path.resolve(import.meta.dirname, "../..");
const readme = existsSync(path.join(root, "README.md"))
  ? readFileSync(path.join(root, "README.md"), "utf8")
  : "";

/** Blocks between fences. */
const blocks = [...readme.matchAll(/^```[^\n]*\n([\s\S]*?)^```/gm)].map(([, text]) => text);

/**
 * Paths of a tree drawn by indentation (box characters count as blanks). Names are separated by single blanks and end before two
 * blanks; one that ends in "/" holds the lines that are further in.
 */
function treePaths(tree: string): string[] {
  const paths: string[] = [];
  const open: { readonly indent: number; readonly path: string }[] = [];
  for (const line of tree.split("\n")) {
    const plain = line.replace(/[│├└─|`]/g, " ");
    const indent = plain.search(/\S/);
    if (indent < 0) continue;
    while (open.length && open[open.length - 1].indent >= indent) open.pop();
    const names = plain.slice(indent).split(/ {2,}/)[0].split(" ");
    const parent = open.at(-1)?.path ?? "";
    paths.push(...names.map((name) => parent + name));
    const directory = names.find((name) => name.endsWith("/"));
    if (directory) open.push({ indent, path: parent + directory });
  }
  return paths;
}

function exists(file: string): boolean {
  const isKnown = (name: string) => existsSync(path.join(root, name));
  return isKnown(file) || isKnown(`${file}.ts`);
}

const trees = blocks.filter((block) => /^\W*(src|kernels)\/(\s|$)/m.test(block));

test.skipIf(trees.length === 0)("every path of the README's tree exists", () => {
  const paths = trees.flatMap(treePaths);
  expect(paths.length).toBeGreaterThan(10);
  expect(paths.filter((file) => !exists(file))).toEqual([]);
});

test("every path that the README names exists", () => {
  const links = [...readme.matchAll(/\]\(([^)#:\s]+)(?:#[^)]*)?\)/g)].map(([, target]) => target);
  const named = [...readme.matchAll(/`((?:src|kernels|test|bench|models)\/[\w./-]*)`/g)].map(
    ([, target]) => target,
  );
  expect([...links, ...named].filter((file) => !exists(file))).toEqual([]);
});

test("trees are read as they are drawn", () => {
  const tree =
    "package.json  tsconfig.json\nsrc/   all of it\n├── engine/  numbers\n│   ├── plan/ host/  two\n└── index.ts\nbench/\n";
  expect(treePaths(tree)).toEqual([
    "package.json",
    "src/",
    "src/engine/",
    "src/engine/plan/",
    "src/engine/host/",
    "src/index.ts",
    "bench/",
  ]);
});

test("the README says which files llama.cpp does not read: those with a pre-tokenizer of our own", async () => {
  for (const name of ["edgewise-s", "edgewise-m"]) {
    const source = await openFile(path.join(root, "models", `${name}.gguf`));
    const { metadata } = await readGguf(source);
    await source.close();
    expect(metadata.string("tokenizer.ggml.pre")).toBe("edgewise");
  }
  expect(readme.replace(/\s+/g, " ")).toContain(
    "writes files that llama.cpp reads, but for those made of its own two models, whose pre-tokenizer `edgewise` llama.cpp does not know",
  );
});
