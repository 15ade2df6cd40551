/** `edgewise perplexity`: how well a model predicts a text. */
import { readFile } from "node:fs/promises";
import { Command, Option } from "commander";
import { collectGarbage } from "../engine/host/heap.ts";
import { formatBytes } from "../engine/plan/program.ts";
import { InputError } from "../errors.ts";
import { memoryLimitOf } from "../llm/memory/limit.ts";
import { peakResident } from "../llm/memory/peak.ts";
import { type ProcessMemory, processMemory } from "../llm/memory/process_memory.ts";
import { type ModelFile, openModel } from "../llm/model_file.ts";
import { loadWeights, type WeightType, weightDtypes } from "../llm/models/load.ts";
import { type Likelihood, likelihoodOf } from "../llm/perplexity.ts";
import { compileScoring, Scorer } from "../llm/score.ts";
import { Tokenizer } from "../llm/tokenizer/tokenizer.ts";
import { requireOption, shared, whole } from "./arguments.ts";
import { interruptible } from "./interrupt.ts";
import { printJson } from "./json.ts";
import { progressBar } from "./progress.ts";
import { compileWithin, type Sizes } from "./remedy.ts";
import { dim, duration, facts, figures, grouped } from "./terminal.ts";

interface Options {
  model: string;
  type: WeightType;
  nCtx?: number;
  stride?: number;
  bos?: boolean;
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
    .option(
      "--bos",
      "put the BOS token before every window, also where the file asks for none: then every token is predicted (as lm-evaluation-harness does)",
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
    const text = textOf(path, await readFile(path));
    const tokens = tokensOf(tokenizer, text, options);
    const result = await interruptible((signal) => measure(file, tokenizer, tokens, options, signal));
    const rows = report(path, predictedBytes(tokenizer, text, tokens), options, result);
    if (options.json) printJson(rows);
    else process.stdout.write(`${page(rows)}\n`);
  } finally {
    await file.source.close();
  }
}

/** Without a byte order mark, which is none of the text. */
function textOf(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new InputError(`perplexity: ${path}: is not UTF-8`);
  }
}

function tokensOf(tokenizer: Tokenizer, text: string, { bos: asked, model }: Options): number[] {
  const tokens = tokenizer.encode(text);
  const { bos } = tokenizer;
  if (!asked || tokens[0] === bos) return tokens;
  if (bos === undefined)
    throw new InputError(
      `perplexity: ${model}: names no BOS token (tokenizer.ggml.bos_token_id); leave out --bos`,
    );
  return [bos, ...tokens];
}

/** Bytes that the predicted tokens stand for: all of the text but those of the first token, which are none where it is BOS. */
function predictedBytes(tokenizer: Tokenizer, text: string, tokens: readonly number[]): number {
  return Buffer.byteLength(text) - tokenizer.decodeBytes(tokens.slice(0, 1)).length;
}

interface Measured extends Likelihood {
  readonly window: number;
  readonly stride: number;
  readonly seconds: number;
  readonly memory: number;
  readonly process: ProcessMemory;
}

async function measure(
  file: ModelFile,
  tokenizer: Tokenizer,
  tokens: readonly number[],
  options: Options,
  signal: AbortSignal,
): Promise<Measured> {
  // No window is longer than the text, and no memory is planned for more.
  const window = options.nCtx ?? Math.min(file.config.context, Math.max(2, tokens.length));
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
  const limit = memoryLimitOf(options.memoryLimit);
  const program = compileWithin(limit, sizes, { header: file.gguf }, (smaller) =>
    compileScoring(setup(smaller)),
  );
  const process = processMemory(program, { header: file.gguf });
  file.gguf.metadata.forgetArrays("tokenizer.ggml.");
  collectGarbage();
  const scorer = await Scorer.open(setup(sizes), program);
  const progress = progressBar("perplexity", tokens.length - 1);
  try {
    await loadWeights(scorer.engine, file.config, file.gguf);
    const began = performance.now();
    const onProgress = (predicted: number) => progress.update(predicted);
    const settings = { window, stride, signal, onProgress };
    const likelihood = await likelihoodOf(scorer, tokens, tokenizer.bos, settings);
    const seconds = (performance.now() - began) / 1e3;
    return { ...likelihood, window, stride, seconds, memory: program.memory.total, process };
  } finally {
    progress.stop();
    await scorer.close();
  }
}

function report(
  file: string,
  bytes: number,
  { model, type, threads, bos = false }: Options,
  measured: Measured,
) {
  const { nats, tokens, window, stride, seconds, memory, process } = measured;
  return {
    model,
    file,
    settings: { type, nCtx: window, stride, threads, bos },
    perplexity: Math.exp(nats / tokens),
    nats_per_token: nats / tokens,
    bits_per_byte: nats / Math.LN2 / bytes,
    tokens,
    bytes,
    seconds,
    tokens_per_s: tokens / seconds,
    memory,
    process: { ...process, measured_peak: peakResident() },
  };
}

function page(rows: ReturnType<typeof report>): string {
  const { settings, tokens, bytes, seconds, process } = rows;
  return facts([
    ["perplexity", rows.perplexity.toFixed(4)],
    ["nats a token", rows.nats_per_token.toFixed(4)],
    ["bits a byte", rows.bits_per_byte.toFixed(4)],
    ["text", `${grouped(tokens)} tokens predicted, ${grouped(bytes)} bytes of them`],
    ["windows", `${settings.nCtx} tokens, ${settings.stride} of them new`],
    [
      "time",
      `${duration(seconds)}, ${figures(tokens / seconds)} tok/s ${dim(`in ${formatBytes(process.total)}`)}`,
    ],
  ]);
}
