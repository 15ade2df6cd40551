/** `edgewise chat`: a conversation with a model that follows instructions. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { Command } from "commander";
import type { CacheType } from "../engine/dtypes/cache.ts";
import { formatBytes } from "../engine/plan/program.ts";
import { InputError } from "../errors.ts";
import type { LanguageModel } from "../llm/language_model.ts";
import { peakResident } from "../llm/memory/peak.ts";
import type { WeightType } from "../llm/models/load.ts";
import { shared } from "./arguments.ts";
import { type Input, openInput } from "./chat/input.ts";
import { Session } from "./chat/session.ts";
import { EXIT, isUserError, messageOf } from "./failure.ts";
import { printJson } from "./json.ts";
import { openLanguageModel, warnOfContext } from "./open_model.ts";
import { type SamplingOptions, samplingOf, samplingOptions } from "./sampling.ts";
import { styled } from "./terminal.ts";

interface Options extends SamplingOptions {
  model?: string;
  system?: string;
  template?: string;
  type: WeightType;
  cacheType: CacheType;
  threads: number;
  nCtx?: number;
  nBatch: number;
  memoryLimit?: number;
  json?: boolean;
}

const DEFAULT_MODEL = "smollm2";
/** Positions where the model was trained for more and no other number was asked for. */
const DEFAULT_CONTEXT = 4096;

export function chatCommand(): Command {
  const command = new Command("chat")
    .description(
      "talk with a model; answers go to stdout, speed to stderr. /help lists what else can be said",
    )
    .addOption(
      shared.model("the model: a GGUF file, or smollm2 or gemma3 of edgewise models (default: smollm2)"),
    )
    .option("--system <text>", "the system message")
    .option(
      "--template <name or file>",
      "the chat template: another of the file's by name, chatml, llama-3, gemma, or a Jinja file",
    );
  for (const option of samplingOptions({ maxTokens: 1024, temperature: 0.7, topP: 0.9 }))
    command.addOption(option);
  return command
    .addOption(shared.type())
    .addOption(shared.cacheType())
    .addOption(shared.threads())
    .addOption(shared.contextSize("tokens of the conversation (default: as trained, at most 4096)"))
    .addOption(shared.batch())
    .addOption(shared.memoryLimit())
    .addOption(shared.json())
    .action((options: Options) => chat(options));
}

async function chat(options: Options): Promise<void> {
  const began = performance.now();
  const lm = await open(options);
  try {
    await lm.chat.use(await templateOf(options.template));
    const { system, json } = options;
    const opening = (performance.now() - began) / 1e3;
    const session = new Session(lm, samplingOf(options), { system, quiet: json, opening });
    await converse(session, options);
    if (json) printJson(report(session, options));
  } finally {
    await lm.dispose();
  }
}

function open(options: Options): Promise<LanguageModel> {
  const { type, nCtx, nBatch: rows, threads, cacheType, memoryLimit } = options;
  return openLanguageModel(options.model ?? DEFAULT_MODEL, {
    threads,
    cacheType,
    memoryLimit,
    sizes: (file) => {
      const context = nCtx ?? Math.min(file.config.context, DEFAULT_CONTEXT);
      warnOfContext(context, file);
      return { type, rows, context };
    },
  });
}

/** A name stays one; what is a file is read. */
async function templateOf(choice: string | undefined): Promise<string | undefined> {
  if (choice === undefined || !existsSync(choice)) return choice;
  const source = await readFile(choice, "utf8");
  if (/\{[{%]/.test(source)) return source;
  throw new InputError(`chat: ${choice}: no Jinja template, there is neither {{ nor {% in it`);
}

/** Turn by turn, until /exit or the end. Ctrl-C stops an answer; a second one, where nothing is being said, leaves. */
async function converse(session: Session, { json }: Options): Promise<void> {
  let left = false;
  const input: Input = openInput(() => {
    if (session.interrupt()) return;
    if (left || !input.terminal) {
      if (!input.terminal) process.exitCode = EXIT.interrupted;
      return input.close();
    }
    left = true;
    process.stderr.write("\nCtrl-C once more leaves\n");
    input.again();
  });
  if (input.terminal && !json) greet(session.lm);
  try {
    while (!session.ended) {
      const line = await input.next();
      if (line === undefined) break;
      left = false;
      await say(session, line);
    }
  } finally {
    input.close();
  }
}

/** What was wrong with one line does not end the conversation; through a pipe it is the program's fault as well. */
async function say(session: Session, line: string): Promise<void> {
  try {
    await session.take(line);
  } catch (error) {
    if (!isUserError(error)) throw error;
    process.stderr.write(`edgewise: ${messageOf(error)}\n`);
    if (!process.stdin.isTTY) process.exitCode = EXIT.input;
  }
}

function greet({ file, process: { total }, context }: LanguageModel): void {
  const name = file.gguf.metadata.string("general.name", file.path);
  const text = `${name}, ${formatBytes(total)}, ${context} tokens of context; /help lists commands`;
  process.stderr.write(`${styled("dim", text, process.stderr)}\n`);
}

/** The document of --json. */
function report({ lm, settings, messages, turns }: Session, { type, threads, cacheType }: Options) {
  return {
    model: lm.file.path,
    settings: { ...settings, type, threads, cache_type: cacheType, n_ctx: lm.context },
    messages,
    turns,
    memory: lm.memory,
    process: { ...lm.process, measured_peak: peakResident() },
  };
}
