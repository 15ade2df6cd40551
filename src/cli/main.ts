#!/usr/bin/env node
/** The command line: one file a command. Errors of the user exit with 1, of the command line with 2. */
import { Command } from "commander";
import { packageVersion } from "../version.ts";
import { explainCommand } from "./explain.ts";
import { EXIT, fail } from "./failure.ts";
import { generateCommand } from "./generate.ts";
import { perplexityCommand } from "./perplexity.ts";
import { pretrainCommand } from "./pretrain.ts";
import { quantizeCommand } from "./quantize.ts";
import { demoCommand, studyCommand } from "./study.ts";

const commands = [
  studyCommand(),
  demoCommand(),
  generateCommand(),
  perplexityCommand(),
  quantizeCommand(),
  explainCommand(),
  pretrainCommand(),
];

const program = new Command("edgewise")
  .description(
    "Measures, on the small CPU itself, what decides whether a language model can be run and personalised there.",
  )
  .version(packageVersion())
  .helpCommand("help [command]", "what a command does, and its options")
  .addHelpText(
    "after",
    "\nErrors of yours exit with 1 (of the command line: 2) and say what to do; sizes are written 512MiB or 2GiB.",
  );

for (const command of [program, ...commands]) {
  command.exitOverride();
  command.configureOutput({ outputError: (text, write) => write(usageMessage(text, command)) });
}
for (const command of commands) program.addCommand(command);

/** `edgewise: unknown option '--modle' (did you mean --model?)` */
function usageMessage(text: string, command: Command): string {
  const [error, ...more] = text
    .replace(/^error: /, "")
    .trim()
    .split("\n");
  const hints = more.map((line) => ` ${line[0].toLowerCase()}${line.slice(1)}`).join("");
  const help = command === program ? "edgewise --help" : `edgewise ${command.name()} --help`;
  return `edgewise: ${error.replace(/\.$/, "")}${hints.replace(" (Did", " (did")}; see ${help}\n`;
}

// What reads our output may have seen enough.
process.stdout.on("error", (error) => process.exit(fail(Object.assign(error, { path: "stdout" }))));
process.on("SIGINT", () => {
  if (process.listenerCount("SIGINT") === 1) process.exit(EXIT.interrupted);
});

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = fail(error);
}
