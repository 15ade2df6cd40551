/**
 * What a process needs that runs programs: their linear memory, known to the byte, and a model of the rest, whose constants were measured
 * for each version of Node (`npm run bench:memory -- --measure`). The sum is the resident peak of a fresh process, some percent too much
 * rather than too little.
 */
import type { Program } from "../../engine/plan/program.ts";
import type { GgufHeader } from "../files/gguf.ts";
import { STAGING_BYTES } from "../models/load.ts";
import { type NodeConstants, nodeConstants } from "./node_constants.ts";

/** Bytes of a process, part by part. */
export interface ProcessMemory {
  /** Linear memory of the programs: exact. */
  readonly wasm: number;
  /** Node with edgewise's code. */
  readonly runtime: number;
  /** Threads, each with an engine of its own, and the compiled module. */
  readonly workers: number;
  /** JavaScript heap: graphs and plans as objects, and what a run makes. */
  readonly heap: number;
  /** The header's arrays and the tokenizer made of them. */
  readonly vocabulary: number;
  /** Rows of weights on their way into memory. */
  readonly buffers: number;
  readonly total: number;
}

export interface ProcessSetup {
  /** The model's header; without it no tokenizer and no weights from a file. */
  readonly header?: Pick<GgufHeader, "metadata">;
  /** Runs on the caller's thread, without workers. */
  readonly inProcess?: boolean;
  /** Version of Node; default: that of this process. */
  readonly node?: string;
}

const KIB = 1024;

/** Memory of a fresh process that holds these programs at the same time. */
export function processMemory(
  programs: Program | readonly Program[],
  { header, inProcess = false, node = process.versions.node }: ProcessSetup = {},
): ProcessMemory {
  const all = Array.isArray(programs) ? (programs as readonly Program[]) : [programs as Program];
  const constants = constantsOf(node);
  const instructions = sum(all, ({ plans }) => sum([...plans.values()], (plan) => plan.instructions.length));
  const parts = {
    wasm: sum(all, ({ memory }) => memory.total),
    runtime: KIB * constants.runtime,
    workers: inProcess ? 0 : KIB * sum(all, (program) => workers(program, constants)),
    heap: KIB * Math.ceil(constants.running + (constants.instructions * instructions) / 1000),
    vocabulary: header ? vocabularyBytes(header) : 0,
    buffers: header ? 3 * STAGING_BYTES : 0,
  };
  return { ...parts, total: sum(Object.values(parts), (bytes) => bytes) };
}

/** Those of this version of Node; of one that was not measured, those of the nearest. */
function constantsOf(node: string): NodeConstants {
  const major = Number.parseInt(node, 10);
  const measured = Object.keys(nodeConstants).map(Number);
  const nearest = measured.reduce((a, b) => (Math.abs(b - major) < Math.abs(a - major) ? b : a));
  return nodeConstants[nearest];
}

function workers({ threads }: Program, { worker, nextWorker }: NodeConstants): number {
  return worker + (threads - 1) * nextWorker;
}

function vocabularyBytes({ metadata }: Pick<GgufHeader, "metadata">): number {
  const tokens = metadata.count("tokenizer.ggml.tokens") ?? 0;
  const merges = metadata.count("tokenizer.ggml.merges") ?? 0;
  return 640 * tokens + 400 * merges;
}

function sum<T>(list: readonly T[], of: (each: T) => number): number {
  return list.reduce((total, each) => total + of(each), 0);
}
