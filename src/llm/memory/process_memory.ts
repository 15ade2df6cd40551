/**
 * What a process needs that runs programs: their linear memory, known to the byte, and a model of the rest, whose constants were measured
 * for each version of Node (`npm run bench:memory -- --measure`). The sum is the resident peak of a fresh process, some percent too much
 * rather than too little.
 */
import { MERGE_BYTES, RECORD_BYTES } from "../../../kernels/session/vocabulary.ts";
import { isHeapSmall } from "../../engine/host/heap.ts";
import type { Program } from "../../engine/plan/program.ts";
import type { GgufHeader } from "../files/gguf.ts";
import type { Metadata } from "../files/metadata.ts";
import { STAGING_BYTES } from "../models/load.ts";
import { tableSize } from "../tokenizer/hash.ts";
import { type NodeConstants, nodeConstants } from "./node_constants.ts";

/** Bytes of a process, part by part. */
export interface ProcessMemory {
  /** Linear memory of the programs: exact. */
  readonly wasm: number;
  /** Node with edgewise's code, and what a run makes. */
  readonly runtime: number;
  /** Threads, each with an engine of its own, and the compiled module. */
  readonly workers: number;
  /** Graphs and plans as JavaScript objects, and how far the heap grows while they are made. */
  readonly heap: number;
  /** The vocabulary as the file has it, and the tokenizer's tables. */
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
  /** Whether the JavaScript heap is kept small, as commands do; default: as it is in this process. */
  readonly smallHeap?: boolean;
}

const KIB = 1024;
/** Rows are read, reordered and encoded in memory of this size each. */
const BUFFERS = 3;
/** What the allocator keeps of memory that was given back. */
const KEPT = 1.25;

/** Memory of a fresh process that holds these programs at the same time. */
export function processMemory(
  programs: Program | readonly Program[],
  { header, inProcess = false, node = process.versions.node, smallHeap = isHeapSmall() }: ProcessSetup = {},
): ProcessMemory {
  const all = Array.isArray(programs) ? (programs as readonly Program[]) : [programs as Program];
  const constants = constantsOf(node);
  const instructions = sum(all, ({ plans }) => sum([...plans.values()], (plan) => plan.instructions.length));
  const parts = {
    wasm: sum(all, ({ memory }) => memory.total),
    runtime: KIB * constants.runtime,
    workers: inProcess ? 0 : KIB * sum(all, (program) => workers(program, constants)),
    heap: Math.ceil(
      KIB * ((constants.instructions * instructions) / 1000 + (smallHeap ? 0 : constants.young)),
    ),
    vocabulary: header ? vocabularyBytes(header.metadata) : 0,
    buffers: header ? BUFFERS * STAGING_BYTES : 0,
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

/** The arrays of the header, and the section made of them: kernels/session/vocabulary.ts has its layout. */
function vocabularyBytes(metadata: Metadata): number {
  const arrays = ["tokens", "scores", "token_type", "merges"].map((name) => `tokenizer.ggml.${name}`);
  const [tokens, , , merges] = arrays.map((key) => metadata.count(key) ?? 0);
  if (!tokens) return 0;
  const texts = metadata.stringList(arrays[0]).bytes.length;
  const pieces = merges ? 0 : 4 * tableSize(tokens);
  const section = RECORD_BYTES * tokens + texts + pieces + MERGE_BYTES * tableSize(merges);
  return Math.ceil(KEPT * (section + sum(arrays, (key) => metadata.arrayBytes(key))));
}

function sum<T>(list: readonly T[], of: (each: T) => number): number {
  return list.reduce((total, each) => total + of(each), 0);
}
