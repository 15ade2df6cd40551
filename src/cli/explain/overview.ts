/** The first page: sizes, weights, memory, plan, and the work of each run. */
import {
  arenaBytes,
  lengthsOf,
  regionsOf,
  type Totals,
  totalsOf,
  workOf,
} from "../../engine/plan/explain.ts";
import { PAGE_BYTES } from "../../engine/plan/memory.ts";
import { formatBytes } from "../../engine/plan/program.ts";
import { cacheGroups } from "../../llm/models/caches.ts";
import { parameterCount } from "../../llm/models/family.ts";
import { bar, counted, dim, facts, figures, grouped, heading, short, table } from "../terminal.ts";
import { fitsOf, fitsTable } from "./fits.ts";
import { modes, type Phase, type Subject } from "./subject.ts";
import { weightGroups, weightTable } from "./weights.ts";

export interface PhaseWork extends Totals {
  readonly name: string;
  readonly rows: number;
  readonly per: Phase["per"];
}

/** Work of a whole run of each phase. */
export function phaseWorks({ plan, phases }: Subject): PhaseWork[] {
  return phases.map(({ name, range, sizes, per }) => ({
    name,
    rows: per === "token" ? sizes.rows : 1,
    per,
    ...totalsOf(workOf(plan, plan.ranges[range], sizes)),
  }));
}

export function overview(subject: Subject): string {
  const { file, options, plan } = subject;
  return [
    `${heading(file.path)}  ${dim(`${file.config.architecture}, ${formatBytes(file.source.size)}`)}`,
    sizes(subject),
    `${heading("weights")}`,
    weightTable(weightGroups(subject)),
    heading("memory"),
    memory(subject),
    `${heading(`plan "${plan.name}"`)}  ${dim(`for ${use(subject)}`)}`,
    lengths(subject),
    heading("work"),
    works(phaseWorks(subject)),
    ...fits(subject),
    dim(note(options.mode)),
  ].join("\n\n");
}

/** Longest contexts by memory and type of cache; only generation keeps a cache. */
function fits(subject: Subject): string[] {
  if (subject.options.mode !== "generate") return [];
  const { type, rows, threads } = subject.options;
  const how = `weights ${type === "file" ? "as in the file" : type}, ${counted(rows, "row")} at once, ${counted(threads, "thread")}`;
  return [`${heading("longest context that fits")}  ${dim(how)}`, fitsTable(fitsOf(subject))];
}

function use({ options: { mode, rank }, program: { slots, threads } }: Subject): string {
  const how =
    mode === "train"
      ? rank
        ? `training adapters of rank ${rank}`
        : "training every weight"
      : { generate: "generation", score: "scoring" }[mode];
  return `${how}, ${counted(slots.rows, "row")} at once, ${counted(threads, "thread")}`;
}

function sizes({ file: { config }, options }: Subject): string {
  const { layers, channels, heads, kvHeads, headSize, feedForward, vocabulary, tied } = config;
  const beyond = options.context > config.context ? "; longer than the model was trained for" : "";
  return facts([
    ["parameters", grouped(parameterCount(config))],
    ["layers", String(layers)],
    ["channels", `${channels}, feed-forward ${feedForward}`],
    ["heads", `${heads} of ${headSize}, ${kvHeads} for keys and values`],
    ["vocabulary", `${grouped(vocabulary)}${tied ? ", head tied to the embedding" : ""}`],
    ["context", `${grouped(config.context)} trained, ${grouped(options.context)} planned${beyond}`],
  ]);
}

function memory(subject: Subject): string {
  const { program } = subject;
  const { total } = program.memory;
  const rows = regionsOf(program).map(({ name, bytes }) => [
    name,
    grouped(bytes),
    formatBytes(bytes),
    bar(bytes / total, 40),
  ]);
  rows.push(["total", grouped(total), formatBytes(total), `${total / PAGE_BYTES} pages of 64 KiB`]);
  return `${table(["part", ">bytes", ">", ""], rows)}${arenaNote(subject)}${cacheTable(subject)}${processTable(subject)}`;
}

/** What the process takes that runs it; the plan alone is exact. */
function processTable({ process: { wasm, total, ...beside } }: Subject): string {
  const rows = Object.entries({ "plan, exact": wasm, ...beside, total }).map(([name, bytes]) => [
    name,
    grouped(bytes),
    formatBytes(bytes),
    bar(bytes / total, 40),
  ]);
  return `\n\n${table(["process, predicted", ">bytes", ">", ""], rows)}`;
}

/** What of the state is keys and values, where there are caches. */
function cacheTable({ graph }: Subject): string {
  const groups = cacheGroups(graph);
  if (!groups.length) return "";
  const rows = groups.map(({ kind, type, capacity, layers, bytes }) => [
    kind,
    String(layers.length),
    type,
    grouped(capacity),
    grouped(bytes),
    formatBytes(bytes),
  ]);
  return `\n\n${table(["KV cache", ">layers", "type", ">rows", ">bytes", ">"], rows)}`;
}

/** Small models leave most of the arena idle. */
function arenaNote({ plan, program }: Subject): string {
  const planned = arenaBytes(plan, program.slots);
  if (planned === program.memory.arena) return "";
  const rest = "the rest stages weights while they are loaded.";
  return dim(`\n\n  Of the arena the plan needs ${formatBytes(planned)}; ${rest}`);
}

function lengths({ plan }: Subject): string {
  const { instructions, barriers, bytes } = lengthsOf(plan);
  const ranges = Object.entries(plan.ranges).filter(([name]) => name !== "all");
  return facts([
    ["instructions", `${instructions}: ${ranges.map(([name, [a, b]]) => `${name} ${b - a}`).join(", ")}`],
    ["barriers", `${barriers} where threads wait for each other`],
    ["bytes", grouped(bytes)],
  ]);
}

function works(phases: readonly PhaseWork[]): string {
  const rows = phases.map(({ name, rows, per, multiplyAdds, bytes }) => [
    name,
    per === "token" ? grouped(rows) : "one step",
    short(multiplyAdds),
    formatBytes(bytes),
    short(multiplyAdds / rows),
    formatBytes(Math.round(bytes / rows)),
    multiplyAdds ? figures(multiplyAdds / bytes) : "",
  ]);
  const each = phases.some(({ per }) => per === "step") ? "token or step" : "token";
  return table(["run", ">rows", ">MAC", ">bytes", `>MAC a ${each}`, `>bytes a ${each}`, ">MAC/byte"], rows);
}

function note(mode: string): string {
  return [
    "MAC: multiply-adds. Bytes count every operand once, whatever a cache keeps.",
    ...(mode === "generate" ? ["Decode comes right after that prompt."] : []),
    `More: --memory, --plan, --time, --graph, and --mode ${modes.join("|")}`,
  ].join("\n");
}
