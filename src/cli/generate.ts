/** `edgewise generate`: text after a prompt, as it comes, with what it took. */
import { text as readAll } from "node:stream/consumers";
import { Command, Option } from "commander";
import type { CacheType } from "../engine/dtypes/cache.ts";
import { formatBytes } from "../engine/plan/program.ts";
import { InputError } from "../errors.ts";
import type { FinishReason, LanguageModel, Usage } from "../llm/language_model.ts";
import type { TokenLogprobs } from "../llm/logprobs.ts";
import { peakResident } from "../llm/memory/peak.ts";
import type { ModelFile } from "../llm/model_file.ts";
import type { WeightType } from "../llm/models/load.ts";
import { TextStream } from "../llm/tokenizer/text_stream.ts";
import type { Tokenizer } from "../llm/tokenizer/tokenizer.ts";
import { requireOption, shared, whole } from "./arguments.ts";
import { interruptible } from "./interrupt.ts";
import { printJson } from "./json.ts";
import { openLanguageModel, warnOfContext } from "./open_model.ts";
import { type SamplingOptions, samplingOf, samplingOptions } from "./sampling.ts";
import { duration, figures, grouped, styled } from "./terminal.ts";

interface Options extends SamplingOptions {
  model: string;
  prompt: string;
  stop?: string[];
  logprobs?: number;
  type: WeightType;
  cacheType: CacheType;
  threads: number;
  nCtx?: number;
  nBatch: number;
  memoryLimit?: number;
  echo: boolean;
  tokens?: boolean;
  json?: boolean;
}

/** What became of one prompt. */
interface Outcome {
  readonly prompt: readonly number[];
  readonly text: string;
  readonly made: readonly number[];
  readonly logprobs: readonly TokenLogprobs[];
  readonly finish: FinishReason;
  readonly usage: Usage;
  /** Seconds from the prompt to the last token. */
  readonly latency: number;
}

export function generateCommand(): Command {
  const command = new Command("generate")
    .description("continue a text, streaming to stdout; speed and memory go to stderr")
    .addOption(shared.model())
    .option("-p, --prompt <text>", "what to continue; - reads it from stdin", "");
  for (const option of samplingOptions({ maxTokens: 200, temperature: 0.8, topP: 1, seed: 0 }))
    command.addOption(option);
  return command
    .option("--stop <text...>", "end before any of these")
    .addOption(
      new Option("--logprobs <n>", "with --json: log-probabilities, and of the n likeliest tokens").argParser(
        whole(0, 20),
      ),
    )
    .addOption(shared.type())
    .addOption(shared.cacheType())
    .addOption(shared.threads())
    .addOption(shared.contextSize("positions of the KV cache (default: what prompt and --max-tokens need)"))
    .addOption(shared.batch())
    .addOption(shared.memoryLimit())
    .option("--no-echo", "leave the prompt out of the text")
    .option("--tokens", "print token ids instead of text")
    .addOption(shared.json())
    .hook("preAction", requireOption("model"))
    .hook("preAction", (_program, command) => {
      if (command.opts().logprobs !== undefined && !command.opts().json)
        command.error("error: option '--logprobs <n>' is for --json");
    })
    .action((options: Options) => interruptible((signal) => generate(options, signal)));
}

async function generate(options: Options, signal: AbortSignal): Promise<void> {
  const { type, threads, cacheType, memoryLimit, nBatch: rows } = options;
  const text = options.prompt === "-" ? await readAll(process.stdin) : options.prompt;
  let prompt: number[] = [];
  const lm = await openLanguageModel(options.model, {
    threads,
    cacheType,
    memoryLimit,
    sizes: (file, tokenizer) => {
      prompt = promptTokens(text, tokenizer);
      return { type, rows, context: contextFor(file, prompt.length, options) };
    },
  });
  try {
    const outcome = await run(lm, prompt, options, signal);
    if (options.json) printJson(report(lm, options, outcome));
    else process.stderr.write(`${styled("dim", summary(lm, outcome), process.stderr)}\n`);
  } finally {
    await lm.dispose();
  }
}

function promptTokens(text: string, tokenizer: Tokenizer): number[] {
  const tokens = tokenizer.encode(text);
  if (tokens.length) return tokens;
  throw new InputError("generate: the prompt is empty, and the model has no token that begins a text");
}

/** Positions that are needed, or those that were asked for. */
function contextFor(file: ModelFile, prompt: number, { nCtx, maxTokens }: Options): number {
  const context = nCtx ?? prompt + maxTokens;
  if (prompt > context)
    throw new InputError(
      `generate: the prompt has ${prompt} tokens but --n-ctx is ${context}; ask for a larger one or shorten the prompt`,
    );
  warnOfContext(context, file);
  return context;
}

async function run(
  lm: LanguageModel,
  prompt: readonly number[],
  options: Options,
  signal: AbortSignal,
): Promise<Outcome> {
  const write = (text: string) => {
    if (!options.json) process.stdout.write(text);
  };
  if (options.echo) write(options.tokens ? prompt.join(" ") : promptText(lm.tokenizer, prompt));
  const began = performance.now();
  const made: number[] = [];
  const logprobs: TokenLogprobs[] = [];
  let [text, finish]: [string, FinishReason] = ["", "stop"];
  const asked = { ...samplingOf(options), stop: options.stop, logprobs: options.logprobs, signal };
  for await (const piece of lm.generate(prompt, asked)) {
    write(options.tokens ? piece.tokens.map((token) => ` ${token}`).join("") : piece.text);
    text += piece.text;
    made.push(...piece.tokens);
    logprobs.push(...(piece.logprobs ?? []));
    finish = piece.finish_reason ?? finish;
  }
  write("\n");
  const latency = (performance.now() - began) / 1e3;
  return { prompt, text, made, logprobs, finish, usage: lm.usage!, latency };
}

/** Its whole characters; one that is cut at the end is completed by the answer. */
function promptText(tokenizer: Tokenizer, prompt: readonly number[]): string {
  return new TextStream(tokenizer).push(prompt);
}

const ENDS: Readonly<Record<FinishReason, string>> = {
  stop: "end of text",
  length: "length reached",
  abort: "interrupted",
};

function summary(lm: LanguageModel, { prompt, made, finish, usage }: Outcome): string {
  const { load_s, time_to_first_token_s: first, prefill_tokens_per_s, decode_tokens_per_s } = usage;
  return [
    "",
    `load ${duration(load_s)}, first token after ${duration(first)} (cold ${duration(load_s + first)}), memory ${formatBytes(lm.process.total)} (plan ${formatBytes(lm.memory.total)})`,
    `prompt ${grouped(prompt.length)} tokens at ${figures(prefill_tokens_per_s)} tok/s, ` +
      `generated ${grouped(made.length)} at ${figures(decode_tokens_per_s)} tok/s (${ENDS[finish]})`,
  ].join("\n");
}

/** The document of --json; usage in the fields of web-llm. */
function report(lm: LanguageModel, options: Options, outcome: Outcome) {
  const { prompt, text, made, logprobs, finish, usage, latency } = outcome;
  const { model, type, threads, cacheType, stop } = options;
  return {
    model,
    settings: {
      ...samplingOf(options),
      ...(stop && { stop }),
      type,
      cache_type: cacheType,
      threads,
      n_ctx: lm.context,
    },
    prompt: promptText(lm.tokenizer, prompt),
    text,
    tokens: { prompt, generated: made },
    ...(options.logprobs !== undefined && { logprobs }),
    finish_reason: finish,
    usage: {
      ...usage,
      cold_time_to_first_token_s: usage.load_s + usage.time_to_first_token_s,
      e2e_latency_s: latency,
    },
    memory: lm.memory,
    process: { ...lm.process, measured_peak: peakResident() },
  };
}
