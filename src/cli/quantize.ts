/** `edgewise quantize`: a model file with its matrices in another type. */

import { realpath, stat } from "node:fs/promises";
import { Argument, Command } from "commander";
import { type EncodableDtype, type EncodableDtypeName, encodableDtypes } from "../engine/dtypes/index.ts";
import { formatBytes } from "../engine/plan/program.ts";
import { InputError } from "../errors.ts";
import { typeOf } from "../llm/compress/mix.ts";
import { type QuantizedTensor, quantizeFile } from "../llm/compress/quantize.ts";
import { type ModelFile, openModel } from "../llm/model_file.ts";
import { parameterCount } from "../llm/models/family.ts";
import { requireOption, shared } from "./arguments.ts";
import { interruptible } from "./interrupt.ts";
import { printJson } from "./json.ts";
import { progressBar } from "./progress.ts";
import { counted, grouped, notes, styled, table } from "./terminal.ts";

interface Options {
  type: EncodableDtypeName;
  pure?: boolean;
  json?: boolean;
}

export function quantizeCommand(): Command {
  return new Command("quantize")
    .description("write a model file with its matrices in another type")
    .addArgument(new Argument("<in>", "a GGUF file, or smollm2 or gemma3 of edgewise models"))
    .addArgument(new Argument("<out>", "the file to write; it appears whole or not at all"))
    .addOption(shared.fileType())
    .option("--pure", "the head in that type too, even where it has less than the bits of Q6_K")
    .addOption(shared.json())
    .hook("preAction", requireOption("type"))
    .action((input: string, output: string, options: Options) => quantize(input, output, options));
}

async function quantize(input: string, output: string, { type, pure, json }: Options): Promise<void> {
  const file = await openModel(input);
  try {
    await refuseSame(file.path, output);
    const wanted = encodableDtypes[type];
    warnOfLosses(file, wanted, pure ?? false);
    const progress = progressBar(`quantize to ${wanted.ggufName}`, parameterCount(file.config));
    const tensors = await interruptible((signal) =>
      quantizeFile(file, output, wanted, { pure, signal, onProgress: (done) => progress.update(done) }),
    ).finally(() => progress.stop());
    const bytes = { before: file.source.size, after: (await stat(output)).size };
    warnOfSize(bytes, output);
    if (json) printJson(report(file.path, output, bytes, tensors));
    else process.stdout.write(`${page(output, bytes, tensors)}\n`);
  } finally {
    await file.source.close();
  }
}

/** The original is not to be replaced by something that has less in it. */
async function refuseSame(input: string, output: string): Promise<void> {
  const there = await realpath(output).catch(() => undefined);
  if (there === (await realpath(input)))
    throw new InputError(`quantize: ${output}: is the input itself; write to another file`);
}

function warnOfLosses({ gguf, config }: ModelFile, type: EncodableDtype, pure: boolean): void {
  const coarse = [...gguf.tensors.values()].filter((each) => {
    const { to } = typeOf(gguf, each, type, pure);
    return each.type.blockSize > 1 && to !== undefined && to !== each.type;
  });
  if (!coarse.length) return;
  const names = [...new Set(coarse.map((each) => each.type.ggufName))].join(", ");
  process.stderr.write(
    `edgewise: warning: ${counted(coarse.length, "tensor")} of this ${config.architecture} are ${names} already; what was lost stays lost, so start from the original if there is one\n`,
  );
}

/** Of whole files, with what stands before the tensors. */
interface Bytes {
  readonly before: number;
  readonly after: number;
}

function warnOfSize({ before, after }: Bytes, output: string): void {
  if (after <= before) return;
  process.stderr.write(
    `edgewise: warning: ${output} has ${grouped(after)} bytes, ${grouped(after - before)} more than the input\n`,
  );
}

interface Group {
  readonly from: string;
  readonly to: string;
  readonly reason: string;
  readonly tensors: readonly QuantizedTensor[];
}

function groupsOf(tensors: readonly QuantizedTensor[]): Group[] {
  const groups = new Map<string, QuantizedTensor[]>();
  for (const tensor of tensors) {
    const key = [tensor.from.ggufName, tensor.to.ggufName, tensor.reason].join("\n");
    groups.set(key, [...(groups.get(key) ?? []), tensor]);
  }
  return [...groups].map(([key, members]) => {
    const [from, to, reason] = key.split("\n");
    return { from, to, reason, tensors: members };
  });
}

function page(output: string, { before, after }: Bytes, tensors: readonly QuantizedTensor[]): string {
  const groups = groupsOf(tensors);
  const rows = groups.map(({ from, to, tensors: members }) => [
    from === to ? from : `${from} → ${to}`,
    grouped(members.length),
    grouped(sum(members, "parameters")),
    formatBytes(sum(members, "fromBytes")),
    formatBytes(sum(members, "toBytes")),
    percent(Math.max(...members.map(({ error }) => error))),
  ]);
  const total = `file of ${formatBytes(before)} → ${formatBytes(after)} (${percent(after / before)}${after > before ? ", larger" : ""})`;
  return [
    table(["type", ">tensors", ">parameters", ">before", ">after", ">largest error"], rows) +
      notes(groups.map(({ to, reason, tensors: [{ name }] }) => [`${to} (such as ${name})`, reason])),
    "",
    `  ${styled("bold", output)}: ${total}`,
  ].join("\n");
}

function percent(share: number): string {
  return share ? `${(100 * share).toFixed(share < 0.1 ? 2 : 1)}%` : "";
}

function report(input: string, output: string, bytes: Bytes, tensors: readonly QuantizedTensor[]) {
  return {
    input,
    output,
    bytes,
    tensors: tensors.map(({ from, to, ...rest }) => ({ ...rest, from: from.ggufName, to: to.ggufName })),
  };
}

function sum(tensors: readonly QuantizedTensor[], key: "parameters" | "fromBytes" | "toBytes"): number {
  return tensors.reduce((total, tensor) => total + tensor[key], 0);
}
