/** The command line as a process of its own, and a model that is always at hand. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { asset } from "../../src/engine/host/assets.ts";
import type { ModelConfig } from "../../src/llm/models/config.ts";
import { modelWeights } from "../../src/llm/models/family.ts";
import { saveModel } from "../../src/llm/models/save.ts";
import { bpeMetadata, trainBpe } from "../../src/llm/tokenizer/train_bpe.ts";
import { noise } from "../cases.ts";

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function start(args: readonly string[], environment: NodeJS.ProcessEnv = {}): ChildProcess {
  const env = { ...process.env, NO_COLOR: "1", EDGEWISE_DEBUG: "", ...environment };
  return spawn(process.execPath, [asset("src/cli/main.js"), ...args], { env });
}

/** Runs a command to its end. */
export function edgewise(
  args: readonly string[],
  input = "",
  environment?: NodeJS.ProcessEnv,
): Promise<Ended> {
  const child = start(args, environment);
  child.stdin!.on("error", () => {}); // a command that fails early reads no input
  child.stdin!.end(input);
  return ended(child);
}

export function ended(child: ChildProcess): Promise<Ended> {
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]!.setEncoding("utf8");
    child[name]!.on("data", (text: string) => {
      texts[name] += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, ...texts }));
  });
}

/** Rows of 36 are no whole blocks of 32, so that quantizing has to leave something. */
export const tinyConfig: ModelConfig = {
  architecture: "llama",
  layers: 2,
  channels: 32,
  heads: 4,
  kvHeads: 2,
  headSize: 8,
  feedForward: 36,
  vocabulary: 300,
  context: 64,
  ropeBase: 10000,
  eps: 1e-5,
  tied: false,
};

/** A model of random weights that are large enough for its logits to differ, with a vocabulary of 300 tokens. */
export async function tinyModel(): Promise<{ directory: string; model: string }> {
  const directory = mkdtempSync(path.join(tmpdir(), "edgewise-cli-"));
  const model = path.join(directory, "tiny.gguf");
  const text = "The quick brown fox jumps over the lazy dog, and the dog sleeps on the rug. ";
  const vocabulary = trainBpe([text.repeat(20)], { vocabularySize: 300, specialTokens: ["<s>"] });
  const weights = new Map(
    modelWeights(tinyConfig).map(({ name, shape, role }, i) => {
      const random = noise(i);
      const count = shape.reduce((a, b) => a * b, 1);
      return [name, Float32Array.from({ length: count }, (_, j) => (role === "norm" ? 1 : random(j) / 3))];
    }),
  );
  await saveModel(model, tinyConfig, (name) => weights.get(name)!, bpeMetadata(vocabulary));
  return { directory, model };
}
