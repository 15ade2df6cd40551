/** Where the time goes: every instruction by itself, on a real prompt. */
import { Engine } from "../../engine/host/engine.ts";
import { stepperOf, timeInstructions } from "../../engine/host/stepping.ts";
import { type Spread, type Timing, timingOf } from "../../engine/host/timing.ts";
import { type InstructionWork, valueName, workOf } from "../../engine/plan/explain.ts";
import { loadWeights } from "../../llm/models/load.ts";
import { Tokenizer } from "../../llm/tokenizer/tokenizer.ts";
import { bar, COLUMNS, counted, dim, duration, figures, heading, table } from "../terminal.ts";
import type { Phase, Subject } from "./subject.ts";

/** Time that the passes over one phase may take. */
const SECONDS = 1;
/** The prompt, over and over: what the tokens are decides nothing but which rows of the embedding are read. */
const TEXT = "Once upon a time there was an engineer who wanted to know where every millisecond went. ";

export interface TimedInstruction extends InstructionWork {
  readonly seconds: Spread;
  /** What it computes from which weight. */
  readonly values: string;
}

export interface TimedPhase extends Omit<Timing, "instructions"> {
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
      const stepper = stepperOf(engine, plan.name, slots);
      const timing = timingOf(await timeInstructions(stepper, range, { seconds: SECONDS, signal }));
      const instructions = workOf(plan, range, phase.sizes).map((work, i) => ({
        ...work,
        seconds: timing.instructions[i],
        values: valuesOf(subject, work.index),
      }));
      timed.push({ ...timing, phase, instructions });
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
    .map((phase) => [title(phase), byKernel(phase), ...(detailed ? [inFull(phase)] : [])].join("\n\n"))
    .join("\n\n");
}

function title({ phase: { name, sizes, per }, whole, sum, passes, resolution }: TimedPhase): string {
  const rate =
    per === "token" ? `${counted(sizes.rows, "row")}, ${figures(sizes.rows / whole.median)} tok/s, ` : "";
  const spread = `${duration(whole.minimum)} at least, ${duration(whole.lowerQuartile)} to ${duration(whole.upperQuartile)} in half of ${counted(passes, "pass", "passes")}`;
  const parts = `the instructions by themselves: ${duration(sum.median)}, ${percent(sum.median / whole.median)} of it; resolution ${duration(resolution)}`;
  return `${heading(name)}  ${dim(`${rate}${duration(whole.median)} (${spread})`)}\n  ${dim(parts)}`;
}

function byKernel({ instructions, resolution }: TimedPhase): string {
  const groups = groupedByKernel(instructions);
  const all = totalOf(instructions).median;
  const rows = [...groups]
    .map(([kernel, group]) => ({ kernel, group, total: totalOf(group) }))
    .sort((a, b) => b.total.median - a.total.median)
    .map(({ kernel, group, total }) => [
      kernel,
      String(group.length),
      ...columns(total, all, group, resolution * group.length),
      total.median < resolution * group.length ? "" : bar(total.median / all, 12),
    ]);
  return table(["kernel", ">calls", ...HEADINGS, ""], rows);
}

function groupedByKernel(instructions: readonly TimedInstruction[]): Map<string, TimedInstruction[]> {
  const groups = new Map<string, TimedInstruction[]>();
  for (const instruction of instructions)
    groups.set(instruction.kernel, [...(groups.get(instruction.kernel) ?? []), instruction]);
  return groups;
}

function inFull({ instructions, resolution }: TimedPhase): string {
  const all = totalOf(instructions).median;
  const rows = instructions.map((instruction) => [
    String(instruction.index),
    instruction.kernel,
    ...columns(instruction.seconds, all, [instruction], resolution),
  ]);
  const headings = [">#", "kernel", ...HEADINGS];
  const width = Math.max(
    ...table(headings, rows)
      .split("\n")
      .map(({ length }) => length),
  );
  const values = instructions.map(({ values }) => shortened(values, COLUMNS - 2 - width));
  return table(
    [...headings, "values"],
    rows.map((row, i) => [...row, values[i]]),
  );
}

/** `%22 ← 0.q_proj`, cut where it is too wide. */
function shortened(values: string, width: number): string {
  const text = values.replace(/model\.layers\.|\.weight|(self_attn|mlp)\.|_layernorm/g, "");
  return text.length > width ? `${text.slice(0, width - 1)}…` : text;
}

const HEADINGS = [">µs", ">least", ">quartiles", ">share", ">GFLOP/s", ">GB/s"];

/** Times, share, GFLOP/s (two a multiply-add), GB/s; below the resolution only that they are. */
function columns(
  { median, minimum, lowerQuartile, upperQuartile }: Spread,
  all: number,
  works: readonly InstructionWork[],
  resolution: number,
): string[] {
  if (median < resolution) return [`< ${us(resolution)}`, "", "", `< ${percent(resolution / all)}`, "", ""];
  const told = (seconds: number) => (seconds < resolution ? "<" : us(seconds));
  const multiplyAdds = sum(works, ({ multiplyAdds }) => multiplyAdds);
  return [
    us(median),
    told(minimum),
    `${told(lowerQuartile)}–${us(upperQuartile)}`,
    percent(median / all),
    multiplyAdds ? figures((2 * multiplyAdds) / median / 1e9) : "",
    figures(sum(works, ({ bytes }) => bytes) / median / 1e9),
  ];
}

function us(seconds: number): string {
  return figures(seconds * 1e6);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}

/** Sums of the quantiles: exact for the medians' share of the whole, and no less than the spread of a sum. */
function totalOf(instructions: readonly TimedInstruction[]): Spread {
  const of = (key: keyof Spread) => sum(instructions, ({ seconds }) => seconds[key]);
  return {
    minimum: of("minimum"),
    lowerQuartile: of("lowerQuartile"),
    median: of("median"),
    upperQuartile: of("upperQuartile"),
  };
}

function sum<T>(list: readonly T[], value: (each: T) => number): number {
  return list.reduce((all, each) => all + value(each), 0);
}
