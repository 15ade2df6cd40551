/** Where the time goes: every instruction by itself, on a real prompt. */
import { Engine } from "../../engine/host/engine.ts";
import { timeInstructions } from "../../engine/host/stepping.ts";
import { type InstructionWork, valueName, workOf } from "../../engine/plan/explain.ts";
import { loadWeights } from "../../llm/models/load.ts";
import { Tokenizer } from "../../llm/tokenizer/tokenizer.ts";
import { bar, counted, dim, duration, figures, heading, table } from "../terminal.ts";
import type { Phase, Subject } from "./subject.ts";

/** Time that the passes over one phase may take. */
const SECONDS = 1;
/** Below this a time says more of the clock than of the kernel. */
const CLOCK_SECONDS = 1e-6;
/** The prompt, over and over: what the tokens are decides nothing but which rows of the embedding are read. */
const TEXT = "Once upon a time there was an engineer who wanted to know where every millisecond went. ";

export interface TimedInstruction extends InstructionWork {
  readonly seconds: number;
  /** What it computes from which weight. */
  readonly values: string;
}

export interface TimedPhase {
  readonly phase: Phase;
  readonly instructions: readonly TimedInstruction[];
}

/** Loads the weights and steps through every phase. */
export async function timePhases(subject: Subject, signal: AbortSignal): Promise<TimedPhase[]> {
  const { file, program, plan, phases } = subject;
  const engine = await Engine.open(program, { inProcess: program.threads === 1 });
  try {
    await loadWeights(engine, file.config, file.gguf);
    const tokens = promptTokens(subject, program.slots.rows + 1);
    const timed: TimedPhase[] = [];
    for (const phase of phases) {
      const slots = phase.prepare(engine, tokens);
      const range = plan.ranges[phase.range];
      const seconds = await timeInstructions(engine, plan.name, range, slots, { seconds: SECONDS, signal });
      const works = workOf(plan, range, phase.sizes);
      const instructions = works.map((work, i) => ({
        ...work,
        seconds: seconds[i],
        values: valuesOf(subject, work.index),
      }));
      timed.push({ phase, instructions });
    }
    return timed;
  } finally {
    await engine.close();
  }
}

function promptTokens({ file: { gguf, config } }: Subject, count: number): number[] {
  if (!gguf.metadata.has("tokenizer.ggml.model"))
    return Array.from({ length: count }, (_, i) => (7 * i) % config.vocabulary);
  const sentence = Tokenizer.fromGguf(gguf.metadata).encode(TEXT);
  return Array.from({ length: count }, (_, i) => sentence[i % sentence.length]);
}

/** `%31 ← model.layers.0.mlp.up_proj.weight` */
function valuesOf({ plan }: Subject, index: number): string {
  const { node } = plan.lowered.calls[index];
  const outputs = node.outputs.slice(0, 1).map(valueName);
  const named = node.inputs.filter(({ node: { leaf } }) => leaf && leaf.kind !== "input").map(valueName);
  return [outputs.join(), named.join(", ")].filter(Boolean).join(" ← ");
}

export function timeTables(timed: readonly TimedPhase[], detailed: boolean): string {
  return timed
    .map(({ phase, instructions }) =>
      [title(phase, instructions), byKernel(instructions), ...(detailed ? [inFull(instructions)] : [])].join(
        "\n\n",
      ),
    )
    .join("\n\n");
}

function title({ name, sizes, per }: Phase, instructions: readonly TimedInstruction[]): string {
  const seconds = total(instructions);
  const rate =
    per === "token" ? `${counted(sizes.rows, "row")}, ${figures(sizes.rows / seconds)} tok/s, ` : "";
  return `${heading(name)}  ${dim(`${rate}${duration(seconds)} in all, each instruction by itself`)}`;
}

function byKernel(instructions: readonly TimedInstruction[]): string {
  const groups = new Map<string, TimedInstruction[]>();
  for (const instruction of instructions) {
    const group = groups.get(instruction.kernel) ?? [];
    groups.set(instruction.kernel, [...group, instruction]);
  }
  const all = total(instructions);
  const rows = [...groups]
    .sort(([, a], [, b]) => total(b) - total(a))
    .map(([kernel, group]) => [
      kernel,
      String(group.length),
      ...columns(total(group), all, sum(group, "multiplyAdds"), sum(group, "bytes")),
      bar(total(group) / all, 24),
    ]);
  return table(["kernel", ">calls", ">ms", ">share", ">GFLOP/s", ">GB/s", ""], rows);
}

function inFull(instructions: readonly TimedInstruction[]): string {
  const all = total(instructions);
  const rows = instructions.map(({ index, kernel, seconds, multiplyAdds, bytes, values }) => [
    String(index),
    kernel,
    ...columns(seconds, all, multiplyAdds, bytes),
    values.replace("model.layers.", "").replace(".weight", ""),
  ]);
  return table([">#", "kernel", ">ms", ">share", ">GFLOP/s", ">GB/s", "values"], rows);
}

/** ms, share, GFLOP/s (two a multiply-add), GB/s. */
function columns(seconds: number, all: number, multiplyAdds: number, bytes: number): string[] {
  const isSure = seconds >= CLOCK_SECONDS;
  return [
    (seconds * 1e3).toFixed(3),
    `${((100 * seconds) / all).toFixed(1)}%`,
    isSure && multiplyAdds ? figures((2 * multiplyAdds) / seconds / 1e9) : "",
    isSure ? figures(bytes / seconds / 1e9) : "",
  ];
}

function total(instructions: readonly TimedInstruction[]): number {
  return sum(instructions, "seconds");
}

function sum(instructions: readonly TimedInstruction[], key: "seconds" | "multiplyAdds" | "bytes"): number {
  return instructions.reduce((all, instruction) => all + instruction[key], 0);
}
