/** The package as npm would publish it, in a project of its own. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { beforeAll, expect, test } from "vitest";

const repository = path.resolve(import.meta.dirname, "..");
const program = `import { load } from "edgewise";
const lm = await load(process.argv[2], { context: 64, threads: 2 });
for await (const piece of lm.generate("I have the honour", { max_tokens: 12 })) {
  process.stdout.write(piece.text);
}
const texts = ["I have the honour to be", "I have the honour of the"];
const scores = await lm.score(texts);
const sums = scores.map(({ logprobs }) => logprobs.reduce((sum, value) => (sum ?? 0) + (value ?? 0), 0));
console.error(lm.usage?.decode_tokens_per_s, Object.fromEntries(texts.map((text, i) => [text, sums[i]])));
await lm.dispose();
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

test("nothing of the tests and benches is in it", () => {
  const files = readdirSync(installed(), { recursive: true }).map(String);
  expect(files).toContain(path.join("dist", "kernels", "simd.wasm"));
  expect(files.filter((file) => /(^|[\\/])(test|bench)([\\/]|$)|\.sources$/.test(file))).toEqual([]);
});

test("its kernels and their constants are found by name, and need no imports", () => {
  const words = `
    import { readFileSync } from "node:fs";
    import { fileURLToPath } from "node:url";
    import { STATUS_DONE } from "edgewise/kernels/layout";
    const module = new WebAssembly.Module(readFileSync(fileURLToPath(import.meta.resolve("edgewise/kernels/simd.wasm"))));
    const names = WebAssembly.Module.exports(module).map(({ name }) => name);
    console.log(JSON.stringify([STATUS_DONE, WebAssembly.Module.imports(module), names]));`;
  writeFileSync(path.join(project, "find.js"), words);
  const [done, imports, names] = JSON.parse(node("find.js"));
  expect([done, imports]).toEqual([0, []]);
  expect(names).toEqual(expect.arrayContaining(["memory", "open", "run", "feed", "generate"]));
});

test("its types are whole", () => {
  const options = { module: "nodenext", target: "es2022", strict: true, noEmit: true, types: ["node"] };
  const config = { compilerOptions: options, files: ["program.ts"] };
  writeFileSync(path.join(project, "tsconfig.json"), JSON.stringify(config));
  const compiler = path.join(repository, "node_modules", ".bin", "tsc");
  const run = () => execFileSync(compiler, ["-p", project], { encoding: "utf8" });
  expect(run()).toBe("");
  // A compiler that found no types would accept this as well.
  writeFileSync(path.join(project, "program.ts"), program.replace("max_tokens: 12", 'max_tokens: "12"'));
  expect(run).toThrow();
});
