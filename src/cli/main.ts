#!/usr/bin/env node
/** The command line: one file a command. Errors of the user exit with 1, of the command line with 2. */
import { Command } from "commander";
import { keepHeapSmall } from "../engine/host/heap.ts";
import { packageVersion } from "../version.ts";
import { EXIT, fail } from "./failure.ts";

interface Entry {
  readonly name: string;
  /** Runs one model and makes little besides. */
  readonly lean?: boolean;
  readonly summary: string;
  /** Only what is asked for is loaded: a study brings plots and statistics along, for which nobody else should wait. */
  load(): Promise<Command>;
}

const entries: readonly Entry[] = [
  {
    name: "study",
    summary: "run a study file: a grid of methods, sizes and users, with verdicts and report",
    load: async () => (await import("./study.ts")).studyCommand(),
  },
  {
    name: "demo",
    summary: "the study that comes with edgewise, in about five minutes",
    load: async () => (await import("./study.ts")).demoCommand(),
  },
  {
    name: "generate",
    lean: true,
    summary: "continue a text",
    load: async () => (await import("./generate.ts")).generateCommand(),
  },
  {
    name: "chat",
    lean: true,
    summary: "talk with a model",
    load: async () => (await import("./chat.ts")).chatCommand(),
  },
  {
    name: "explain",
    lean: true,
    summary: "what a model needs and does: memory, plan, time by instruction",
    load: async () => (await import("./explain.ts")).explainCommand(),
  },
  {
    name: "perplexity",
    lean: true,
    summary: "how well a model predicts a text",
    load: async () => (await import("./perplexity.ts")).perplexityCommand(),
  },
  {
    name: "quantize",
    summary: "write a model file in another type",
    load: async () => (await import("./quantize.ts")).quantizeCommand(),
  },
  {
    name: "models",
    summary: "fetch two real models into the cache",
    load: async () => (await import("./models.ts")).modelsCommand(),
  },
  {
    name: "pretrain",
    summary: "make a model of the box again",
    load: async () => (await import("./pretrain.ts")).pretrainCommand(),
  },
];

const program = new Command("edgewise")
  .description(
    "Measures, on the small CPU itself, what decides whether a language model can be run and personalised there.",
  )
  .version(packageVersion())
  .helpCommand("help [command]", "what a command does, and its options")
  .addHelpText(
    "after",
    "\nErrors of yours exit with 1 (of the command line: 2) and say what to do.\nSizes are written 512MiB or 2GiB.",
  );

if (entries.some(({ name, lean }) => lean && process.argv[2] === name)) keepHeapSmall();
for (const { name, summary, load } of entries) {
  const command = process.argv.includes(name) ? await load() : new Command(name);
  program.addCommand(command.summary(summary));
}
for (const command of [program, ...program.commands])
  command.exitOverride().configureOutput({
    outputError: (text, write) => write(usageMessage(text, command)),
  });

/** `edgewise: unknown option '--modle' (did you mean --model?); see edgewise generate --help` */
function usageMessage(text: string, command: Command): string {
  const [error, ...more] = text
    .replace(/^error: /, "")
    .trim()
    .split("\n");
  const hints = more.map((line) => ` ${line}`).join("");
  const help = command === program ? "edgewise --help" : `edgewise ${command.name()} --help`;
  return `edgewise: ${error.replace(/\.$/, "")}${hints.replace("(Did", "(did")}; see ${help}\n`;
}

// What reads our output may have seen enough; a disk may be full.
process.stdout.on("error", (error) => process.exit(fail(Object.assign(error, { path: "stdout" }))));
process.on("SIGINT", () => {
  if (process.listenerCount("SIGINT") === 1) process.exit(EXIT.interrupted);
});

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = fail(error);
}
