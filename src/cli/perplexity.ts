/** `edgewise perplexity`: how well a model predicts a text. */
import { readFile } from "node:fs/promises";
import { Command, Option } from "commander";
import { formatBytes, type Program } from "../engine/plan/program.ts";
import { InputError } from "../errors.ts";
import { type ModelFile, openModel } from "../llm/model_file.ts";
import { loadWeights, type WeightType, weightDtypes } from "../llm/models/load.ts";
import { type Likelihood, likelihoodOf } from "../llm/perplexity.ts";
import { compileScoring, Scorer } from "../llm/score.ts";
import { Tokenizer } from "../llm/tokenizer/tokenizer.ts";
import { requireOption, shared, whole } from "./arguments.ts";
import { interruptible } from "./interrupt.ts";
import { progressBar } from "./progress.ts";
import { compileWithin, type Sizes } from "./remedy.ts";
import { dim, duration, facts, figures, grouped } from "./terminal.ts";

interface Options {
  model: string;
  type: WeightType;
  nCtx?: number;
  stride?: number;
  nBatch: number;
  threads: number;
  memoryLimit?: number;
  json?: boolean;
}

export function perplexityCommand(): Command {
  return new Command("perplexity")
    .description("how well a model predicts a text, in windows of its context")
    .argument("<file>", "a text in UTF-8")
    .addOption(shared.model())
    .addOption(shared.type())
    .addOption(shared.contextSize("tokens of a window (default: what the model was trained on)"))
    .addOption(
      new Option("--stride <n>", "new tokens of a window (default: half of it)").argParser(whole(1, 2 ** 24)),
    )
    .addOption(shared.batch())
    .addOption(shared.threads())
    .addOption(shared.memoryLimit())
    .addOption(shared.json())
    .hook("preAction", requireOption("model"))
    .action((path: string, options: Options) => perplexity(path, options));
}

async function perplexity(path: string, options: Options): Promise<void> {
  const file = await openModel(options.model);
  try {
    const tokenizer = Tokenizer.fromGguf(file.gguf.metadata);
    const bytes = await readFile(path);
    const tokens = tokenizer.encode(textOf(path, bytes));
    const result = await interruptible((signal) => measure(file, tokenizer, tokens, options, signal));
    const rows = report(path, bytes.length, options, result);
    process.stdout.write(`${options.json ? JSON.stringify(rows, null, 2) : page(rows)}\n`);
  } finally {
    await file.source.close();
  }
}

function textOf(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new InputError(`perplexity: ${path}: is not UTF-8`);
  }
}

interface Measured extends Likelihood {
  readonly window: number;
  readonly stride: number;
  readonly seconds: number;
  readonly memory: number;
}

async function measure(
  file: ModelFile,
  tokenizer: Tokenizer,
  tokens: readonly number[],
  options: Options,
  signal: AbortSignal,
): Promise<Measured> {
  const window = options.nCtx ?? file.config.context;
  const stride = options.stride ?? Math.max(1, window >> 1);
  if (tokens.length < 2)
    throw new InputError(`perplexity: the text has ${tokens.length} tokens; at least 2 are needed`);
  if (stride >= window)
    throw new InputError(`perplexity: --stride ${stride} must be below the window of ${window} tokens`);
  const setup = ({ type, context, rows }: Sizes) => ({
    model: { config: file.config, dtype: weightDtypes(file.gguf, type) },
    context,
    rows: Math.max(rows, context),
    sequences: Math.max(1, Math.floor(rows / context)),
    threads: options.threads,
  });
  const sizes = { type: options.type, context: window, rows: options.nBatch };
  const compile = (smaller: Sizes, memoryLimit?: number): Program =>
    compileScoring({ ...setup(smaller), memoryLimit });
  const { memory } = compileWithin(options.memoryLimit, sizes, compile);
  const scorer = await Scorer.open(setup(sizes));
  const progress = progressBar("perplexity", tokens.length - 1);
  try {
    await loadWeights(scorer.engine, file.config, file.gguf);
    const began = performance.now();
    const onProgress = (predicted: number) => progress.update(predicted);
    const settings = { window, stride, signal, onProgress };
    const likelihood = await likelihoodOf(scorer, tokens, tokenizer.bos, settings);
    const seconds = (performance.now() - began) / 1e3;
    return { ...likelihood, window, stride, seconds, memory: memory.total };
  } finally {
    progress.stop();
    await scorer.close();
  }
}

function report(file: string, bytes: number, { model, type, threads }: Options, measured: Measured) {
  const { nats, tokens, window, stride, seconds, memory } = measured;
  return {
    model,
    file,
    settings: { type, window, stride, threads },
    perplexity: Math.exp(nats / tokens),
    nats_per_token: nats / tokens,
    bits_per_byte: nats / Math.LN2 / bytes,
    tokens,
    bytes,
    seconds,
    tokens_per_s: tokens / seconds,
    memory,
  };
}

function page(rows: ReturnType<typeof report>): string {
  const { settings, tokens, bytes, seconds, memory } = rows;
  return facts([
    ["perplexity", rows.perplexity.toFixed(4)],
    ["nats a token", rows.nats_per_token.toFixed(4)],
    ["bits a byte", rows.bits_per_byte.toFixed(4)],
    ["text", `${grouped(tokens)} tokens predicted, ${grouped(bytes)} bytes`],
    ["windows", `${settings.window} tokens, ${settings.stride} of them new`],
    ["time", `${duration(seconds)}, ${figures(tokens / seconds)} tok/s ${dim(`in ${formatBytes(memory)}`)}`],
  ]);
}
