/** The package as npm would publish it, in a project of its own. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { beforeAll, expect, test } from "vitest";

const repository = path.resolve(import.meta.dirname, "..");
const program = `import { Generator, openModel, Tokenizer } from "edgewise";
const file = await openModel(process.argv[2]);
const tokenizer = Tokenizer.fromGguf(file.gguf.metadata);
const generator = await Generator.open(file, { context: 64, threads: 2 });
const prompt = tokenizer.encode("I have the honour");
for await (const token of generator.generate(prompt, { maxTokens: 12, endToken: tokenizer.eos })) {
  process.stdout.write(tokenizer.decode([token], { continued: true }));
}
await generator.close();
await file.source.close();
`;

let project: string;
const installed = (...file: string[]) => path.join(project, "node_modules", "edgewise", ...file);
const node = (...args: string[]) =>
  execFileSync(process.execPath, args, {
    cwd: project,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });

beforeAll(() => {
  project = mkdtempSync(path.join(tmpdir(), "edgewise-package-"));
  const pack = ["pack", "--ignore-scripts", "--json", "--pack-destination", project];
  const packed = execFileSync("npm", pack, {
    cwd: repository,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [{ filename }] = JSON.parse(packed) as { filename: string }[];
  mkdirSync(installed(), { recursive: true });
  execFileSync("tar", ["-xzf", path.join(project, filename), "--strip-components=1", "-C", installed()]);
  const { dependencies } = JSON.parse(readFileSync(installed("package.json"), "utf8"));
  for (const name of [...Object.keys(dependencies), "@types/node"]) {
    const link = path.join(project, "node_modules", name);
    mkdirSync(path.dirname(link), { recursive: true });
    symlinkSync(path.join(repository, "node_modules", name), link);
  }
  writeFileSync(path.join(project, "package.json"), '{ "type": "module" }');
  writeFileSync(path.join(project, "program.ts"), program);
});

test("a program of ten lines generates with the model in the package, as the command does", () => {
  writeFileSync(path.join(project, "program.js"), program);
  expect(program.trim().split("\n")).toHaveLength(10);
  const model = installed("models", "edgewise-m.gguf");
  const greedy = ["--temperature", "0", "-n", "12", "--no-echo"];
  const text = node(
    installed("dist/src/cli/main.js"),
    "generate",
    "-m",
    model,
    "-p",
    "I have the honour",
    ...greedy,
  );
  expect(text.trim()).not.toBe("");
  expect(node("program.js", model)).toBe(text.replace(/\n$/, ""));
});

test("its types are whole", () => {
  const options = { module: "nodenext", target: "es2022", strict: true, noEmit: true, types: ["node"] };
  const config = { compilerOptions: options, files: ["program.ts"] };
  writeFileSync(path.join(project, "tsconfig.json"), JSON.stringify(config));
  const compiler = path.join(repository, "node_modules", ".bin", "tsc");
  const run = () => execFileSync(compiler, ["-p", project], { encoding: "utf8" });
  expect(run()).toBe("");
  // A compiler that found no types would accept this as well.
  writeFileSync(path.join(project, "program.ts"), program.replace("maxTokens: 12", 'maxTokens: "12"'));
  expect(run).toThrow();
});
