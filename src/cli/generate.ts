/** `edgewise generate`: text after a prompt, as it comes, with what it took. */
import { text as readAll } from "node:stream/consumers";
import { Command, Option } from "commander";
import { formatBytes, type MemoryParts } from "../engine/plan/program.ts";
import { InputError } from "../errors.ts";
import { compileGeneration, Generator } from "../llm/generate.ts";
import { type ModelFile, openModel } from "../llm/model_file.ts";
import type { WeightType } from "../llm/models/load.ts";
import { TextStream } from "../llm/tokenizer/text_stream.ts";
import { Tokenizer } from "../llm/tokenizer/tokenizer.ts";
import { decimal, requireOption, shared, whole } from "./arguments.ts";
import { isAbort } from "./failure.ts";
import { interruptible } from "./interrupt.ts";
import { compileWithin } from "./remedy.ts";
import { duration, figures, grouped, styled } from "./terminal.ts";

interface Options {
  model: string;
  prompt: string;
  maxTokens: number;
  temperature: number;
  seed: number;
  type: WeightType;
  threads: number;
  nCtx?: number;
  nBatch: number;
  memoryLimit?: number;
  echo: boolean;
  tokens?: boolean;
  json?: boolean;
}

/** What became of one prompt; times in seconds. */
interface Outcome {
  readonly prompt: readonly number[];
  readonly made: readonly number[];
  /** As in web-llm: the end token came, a limit was reached, or Ctrl-C. */
  readonly finish: "stop" | "length" | "abort";
  readonly load: number;
  readonly firstToken: number;
  readonly decode: number;
  readonly context: number;
  readonly memory: MemoryParts;
}

export function generateCommand(): Command {
  return new Command("generate")
    .description("continue a text, streaming to stdout; speed and memory go to stderr")
    .addOption(shared.model())
    .option("-p, --prompt <text>", "what to continue; - reads it from stdin", "")
    .addOption(
      new Option("-n, --max-tokens <n>", "most tokens to generate").default(200).argParser(whole(1, 2 ** 24)),
    )
    .addOption(
      new Option("--temperature <t>", "0 takes the likeliest token every time")
        .default(0.8)
        .argParser(decimal(0, 100)),
    )
    .addOption(new Option("--seed <n>", "same seed, same text").default(0).argParser(whole(0, 2 ** 32 - 1)))
    .addOption(shared.type())
    .addOption(shared.threads())
    .addOption(shared.contextSize("positions of the KV cache (default: what prompt and --max-tokens need)"))
    .addOption(shared.batch())
    .addOption(shared.memoryLimit())
    .option("--no-echo", "leave the prompt out of the text")
    .option("--tokens", "print token ids instead of text")
    .addOption(shared.json())
    .hook("preAction", requireOption("model"))
    .action((options: Options) => generate(options));
}

async function generate(options: Options): Promise<void> {
  const file = await openModel(options.model);
  try {
    const tokenizer = Tokenizer.fromGguf(file.gguf.metadata);
    const prompt = await promptTokens(options, tokenizer);
    const outcome = await interruptible((signal) => run(file, tokenizer, prompt, options, signal));
    if (options.json)
      process.stdout.write(`${JSON.stringify(report(tokenizer, options, outcome), null, 2)}\n`);
    else process.stderr.write(`${styled("dim", summary(outcome), process.stderr)}\n`);
  } finally {
    await file.source.close();
  }
}

async function promptTokens({ prompt }: Options, tokenizer: Tokenizer): Promise<number[]> {
  const tokens = tokenizer.encode(prompt === "-" ? await readAll(process.stdin) : prompt);
  if (tokens.length) return tokens;
  throw new InputError("generate: the prompt is empty, and the model has no token that begins a text");
}

async function run(
  file: ModelFile,
  tokenizer: Tokenizer,
  prompt: readonly number[],
  options: Options,
  signal: AbortSignal,
): Promise<Outcome> {
  const { maxTokens, temperature, seed, type, threads } = options;
  const context = contextFor(file, prompt.length, options);
  const setup = (sizes: { type: WeightType; context: number; rows: number }) => ({ ...sizes, threads });
  const sizes = { type, context, rows: options.nBatch };
  const { memory } = compileWithin(options.memoryLimit, sizes, (smaller, memoryLimit) =>
    compileGeneration(file, { ...setup(smaller), memoryLimit }),
  );
  const began = performance.now();
  const generator = await Generator.open(file, setup(sizes));
  const loaded = performance.now();
  const made: number[] = [];
  const printer = new Printer(tokenizer, options);
  let [first, last] = [loaded, loaded];
  let aborted = false;
  try {
    printer.begin(prompt);
    const sampling = { maxTokens, temperature, seed, endToken: tokenizer.eos, signal };
    for await (const token of generator.generate(prompt, sampling)) {
      last = performance.now();
      if (made.push(token) === 1) first = last;
      printer.push(token);
    }
  } catch (error) {
    if (!isAbort(error)) throw error;
    aborted = true;
  } finally {
    printer.end();
    await generator.close();
  }
  const full = made.length >= maxTokens || prompt.length + made.length > context;
  return {
    prompt,
    made,
    finish: aborted ? "abort" : full ? "length" : "stop",
    load: (loaded - began) / 1e3,
    firstToken: (first - loaded) / 1e3,
    decode: (last - first) / 1e3,
    context,
    memory,
  };
}

/** Positions that are needed, or those that were asked for; says so where the model has not learnt that many. */
function contextFor({ config }: ModelFile, prompt: number, { nCtx, maxTokens }: Options): number {
  const context = nCtx ?? prompt + maxTokens;
  if (prompt > context)
    throw new InputError(
      `generate: the prompt has ${prompt} tokens but --n-ctx is ${context}; ask for a larger one or shorten the prompt`,
    );
  if (context > config.context)
    process.stderr.write(
      `edgewise: warning: ${context} positions, but the model was trained on ${config.context}; text after that may make no sense\n`,
    );
  return context;
}

/** Writes text or ids while they are made; nothing where a document comes at the end. */
class Printer {
  private readonly text: TextStream;
  private readonly options: Options;

  constructor(tokenizer: Tokenizer, options: Options) {
    this.text = new TextStream(tokenizer);
    this.options = options;
  }

  begin(prompt: readonly number[]): void {
    const text = this.text.push(prompt);
    if (this.options.echo) this.write(this.options.tokens ? prompt.join(" ") : text);
  }

  push(token: number): void {
    this.write(this.options.tokens ? ` ${token}` : this.text.push([token]));
  }

  end(): void {
    this.write(`${this.options.tokens ? "" : this.text.end()}\n`);
  }

  private write(text: string): void {
    if (!this.options.json) process.stdout.write(text);
  }
}

function rates({ prompt, made, firstToken, decode }: Outcome) {
  return {
    prefill: firstToken > 0 ? prompt.length / firstToken : 0,
    decode: decode > 0 ? (made.length - 1) / decode : 0,
  };
}

function summary(outcome: Outcome): string {
  const { prompt, made, finish, load, firstToken, memory } = outcome;
  const { prefill, decode } = rates(outcome);
  const ends = { stop: "end of text", length: "length reached", abort: "interrupted" };
  return [
    "",
    `load ${duration(load)}, first token after ${duration(firstToken)}, memory ${formatBytes(memory.total)}`,
    `prompt ${grouped(prompt.length)} tokens at ${figures(prefill)} tok/s, ` +
      `generated ${grouped(made.length)} at ${figures(decode)} tok/s (${ends[finish]})`,
  ].join("\n");
}

/** The document of --json; usage in the fields of web-llm. */
function report(tokenizer: Tokenizer, options: Options, outcome: Outcome) {
  const { prompt, made, finish, load, firstToken, decode, context, memory } = outcome;
  const { model, type, temperature, seed, threads } = options;
  const stream = new TextStream(tokenizer);
  const echoed = stream.push(prompt);
  const rate = rates(outcome);
  return {
    model,
    settings: { type, temperature, seed, threads, context, max_tokens: options.maxTokens },
    prompt: echoed,
    text: stream.push(made) + stream.end(),
    tokens: { prompt, generated: made },
    finish_reason: finish,
    usage: {
      prompt_tokens: prompt.length,
      completion_tokens: made.length,
      total_tokens: prompt.length + made.length,
      load_s: load,
      time_to_first_token_s: firstToken,
      prefill_tokens_per_s: rate.prefill,
      decode_tokens_per_s: rate.decode,
      e2e_latency_s: firstToken + decode,
    },
    memory,
  };
}
