/**
 * Prefill and decode of whole models, one thread, beside llama.cpp on the same file: node dist/bench/models.js FILE [--rounds 5]
 * Rounds alternate: ours, then llama.cpp in a process of its own (EDGEWISE_PYTHON with llama-cpp-python; left out where it is absent).
 * The same known tokens are fed to both; no sampling is compared.
 */
import { execFileSync } from "node:child_process";
import path from "node:path";
import { parseArgs } from "node:util";
import { packageRoot } from "../src/engine/host/assets.ts";
import { Generator } from "../src/llm/generate.ts";
import { openModel } from "../src/llm/model_file.ts";

const PROMPT = 128;
const DECODED = 64;

interface Seconds {
  readonly prefill: number;
  readonly decode: number;
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "5" } },
});
const [model] = positionals;
if (!model) throw new Error("bench: name a GGUF file");
const python = process.env.EDGEWISE_PYTHON;
const tokens = Array.from({ length: PROMPT }, (_, i) => ((7 * i) % 1000) + 100);

const file = await openModel(model);
const generator = await Generator.open(file, { context: PROMPT + DECODED + 8, rows: PROMPT, threads: 1 });

async function ours(): Promise<Seconds> {
  generator.reset();
  const start = performance.now();
  await generator.feed(tokens);
  const middle = performance.now();
  for (let i = 0; i < DECODED; i++) await generator.feed([tokens[i % PROMPT]]);
  return { prefill: (middle - start) / 1e3, decode: (performance.now() - middle) / 1e3 };
}

function theirs(): Seconds | undefined {
  if (!python) return undefined;
  const script = path.join(packageRoot(), "bench", "llama.py");
  const printed = execFileSync(python, [script, path.resolve(model), String(PROMPT), String(DECODED)], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  return JSON.parse(printed) as Seconds;
}

function median(list: readonly number[]): number {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

await ours(); // warm-up
const rounds: { ours: Seconds; theirs: Seconds | undefined }[] = [];
for (let round = 0; round < Number(values.rounds); round++)
  rounds.push({ ours: await ours(), theirs: theirs() });
await generator.close();
await file.source.close();

console.log(`${path.basename(model)}, one thread, medians of ${rounds.length} alternating rounds\n`);
console.log(`test     edgewise tok/s (min–max)   llama.cpp tok/s (min–max)   ratio`);
for (const [test, phase, count] of [
  [`pp${PROMPT}`, "prefill", PROMPT],
  [`tg${DECODED}`, "decode", DECODED],
] as const) {
  const mine = rounds.map((round) => count / round.ours[phase]);
  const peer = rounds.flatMap(({ theirs }) => (theirs ? [count / theirs[phase]] : []));
  const shown = (list: number[]) =>
    list.length
      ? `${median(list).toFixed(1)} (${Math.min(...list).toFixed(1)}–${Math.max(...list).toFixed(1)})`
      : "–";
  const ratio = peer.length ? (median(mine) / median(peer)).toFixed(2) : "–";
  console.log(`${test.padEnd(9)}${shown(mine).padEnd(27)}${shown(peer).padEnd(28)}${ratio}`);
}
