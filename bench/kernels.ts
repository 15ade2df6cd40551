/**
 * Speed of the linear kernels beside this machine's own peaks, on one thread. `npm run build && node dist/bench/kernels.js [filter]`
 * Cases take turns over several rounds, so that noise meets all of them, and each stands right after a probe of the machine's
 * multiply-add peak: best beside best is the figure to trust. A kernel above the best probe fails the run.
 */
import { readFileSync } from "node:fs";
import {
  AT_OPERANDS,
  AT_SCRATCH_BYTES,
  CONSTANT_PAGE_BYTES,
  CONTROL_BYTES,
  SEQUENCE_ADAPTER,
  SEQUENCE_BYTES,
  SEQUENCE_FIRST_ROW,
  SEQUENCE_ROWS,
  SEQUENCE_SCALE,
} from "../kernels/layout.ts";
import { packedDtypes } from "../src/engine/dtypes/index.ts";

const ROUNDS = 7;
const ROUND_MS = 30;
const PROBE_MS = 5;
const MIB = 1 << 20;
const ADAPTERS = 4;
/** Read from DRAM, not from a cache: larger than the last level of small machines. */
const STREAM_BYTES = 192 * MIB;

const wasm = new WebAssembly.Instance(
  new WebAssembly.Module(readFileSync(new URL("../kernels/simd.wasm", import.meta.url))),
);
const exports = wasm.exports as Record<string, (...args: number[]) => number>;
const memory = wasm.exports.memory as WebAssembly.Memory;
memory.grow((STREAM_BYTES + 160 * MIB) / 65536);
exports.write_constants!();

interface Case {
  readonly name: string;
  readonly operations: number;
  /** Bytes of weights that must be read once; 0 where that is not the limit. */
  readonly bytes: number;
  run(): void;
}

let next = CONTROL_BYTES + CONSTANT_PAGE_BYTES;
function reserve(bytes: number): number {
  const at = next;
  next += Math.ceil(bytes / 64) * 64;
  return at;
}
const SCRATCH = reserve(MIB);

/** Numbers in (−1, 1), none of them subnormal. */
function fill(at: number, count: number): void {
  const out = new Float32Array(memory.buffer, at, count);
  let state = 1;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    out[i] = ((state >>> 8) - 2 ** 23 + 0.5) / 2 ** 23;
  }
}

interface Memory {
  readonly at: number;
  readonly bytes: number;
}

function matrix(rows: number, columns: number): Memory {
  const at = reserve(rows * columns * 4);
  fill(at, rows * columns);
  return { at, bytes: rows * columns * 4 };
}

/** A weight (n, k): random blocks of int8 or nibbles, scales of 1. */
function weight(dtype: string, n: number, k: number): Memory {
  const packed = packedDtypes[dtype as keyof typeof packedDtypes];
  const bytes = packed ? packed.packedBytes(n, k) : n * k * 4;
  const at = reserve(bytes);
  if (packed && packed.blockSize > 1) {
    const values = new Uint8Array(memory.buffer, at, bytes);
    for (let i = 0; i < bytes; i++) values[i] = (i * 37 + (i >> 7)) & 255;
    const block = packed.bytesPerBlock * 8;
    for (let i = 0; i < bytes; i += block) new Float32Array(memory.buffer, at + i, 8).fill(1);
  } else if (dtype.startsWith("f16")) new Uint16Array(memory.buffer, at, bytes / 2).fill(0x3555);
  else fill(at, bytes / 4);
  return { at, bytes };
}

function linear(kernel: string, dtype: string, t: number, k: number, n: number): Case {
  const w = kernel === "linear_grad_w" ? matrix(t, k) : weight(dtype, n, k);
  const backward = kernel.startsWith("linear_grad");
  let x = matrix(t, backward ? n : k);
  const out = kernel === "linear_grad_w" ? weight("f32", n, k) : matrix(t, backward ? k : n);
  if (kernel.startsWith("linear_i8")) {
    const record = { at: reserve((t * k * 144) / 32), bytes: (t * k * 144) / 32 };
    call("quantize", [x, record, t, k], t);
    x = record;
  }
  const units = Math.ceil((backward ? k : n) / 16);
  return {
    name: `${kernel} ${t}×${n}×${k}`,
    operations: 2 * t * n * k,
    bytes: t === 1 ? w.bytes : 0,
    run: () => call(kernel, [x, w, out, t, k, n, 0], units),
  };
}

/** LoRA: four sequences of equal length, each with its own adapter of shape (n, k). */
function adapter(kernel: string, t: number, k: number, n: number): Case {
  const [x, y, bank] = [matrix(t, k), matrix(t, n), matrix(ADAPTERS * n, k)];
  const sequences = { at: reserve(ADAPTERS * SEQUENCE_BYTES), bytes: ADAPTERS * SEQUENCE_BYTES };
  const view = new DataView(memory.buffer);
  for (let i = 0; i < ADAPTERS; i++) {
    const entry = sequences.at + i * SEQUENCE_BYTES;
    view.setUint32(entry + SEQUENCE_FIRST_ROW, (i * t) / ADAPTERS, true);
    view.setUint32(entry + SEQUENCE_ROWS, t / ADAPTERS, true);
    view.setUint32(entry + SEQUENCE_ADAPTER, i, true);
    view.setFloat32(entry + SEQUENCE_SCALE, 0.5, true);
  }
  const memoryOperands: Record<string, Memory[]> = {
    adapter_linear: [x, bank, y],
    adapter_linear_grad_x: [y, bank, x],
    adapter_linear_grad_w: [y, x, bank],
  };
  const operands = [...memoryOperands[kernel]!, sequences, t, ADAPTERS, k, n, ADAPTERS, 0, 1];
  const units = kernel.endsWith("grad_w") ? Math.ceil(k / 16) : t;
  return {
    name: `${kernel} ${t}×${n}×${k}`,
    operations: 2 * t * n * k,
    bytes: 0,
    run: () => call(kernel, operands, units),
  };
}

function call(kernel: string, operands: readonly (number | Memory)[], units: number): void {
  const view = new DataView(memory.buffer);
  operands.forEach((operand, i) => {
    const entry = AT_OPERANDS + 16 * i;
    view.setUint32(entry, typeof operand === "number" ? operand : operand.at, true);
    if (typeof operand !== "number") view.setUint32(entry + 4, operand.bytes, true);
  });
  view.setUint32(AT_SCRATCH_BYTES, MIB, true);
  const code = exports[kernel]!(AT_OPERANDS, 0, units, SCRATCH);
  if (code !== 0) throw new Error(`${kernel}: error ${code}`);
}

/** Seconds of one run, over at least `ms`. */
function time(run: () => void, ms: number): number {
  let runs = 0;
  const start = performance.now();
  let now = start;
  for (; now - start < ms; now = performance.now(), runs++) run();
  return (now - start) / 1000 / runs;
}

const TURNS = 1 << 18;
const OPERATIONS = 96 * TURNS;
const probe = () => exports.peak_f32!(TURNS);
const stream = reserve(STREAM_BYTES);
new Uint8Array(memory.buffer, stream, STREAM_BYTES).fill(1); // untouched pages would all be one page of zeros

const cases: Case[] = [];
cases.push({
  name: "read from memory",
  operations: 0,
  bytes: STREAM_BYTES,
  run: () => exports.peak_read!(stream, STREAM_BYTES),
});
for (const dtype of ["f32", ...Object.keys(packedDtypes)])
  cases.push(linear(`linear_${dtype}`, dtype, 512, 512, 512));
for (const dtype of ["f32", ...Object.keys(packedDtypes)])
  cases.push(linear(`linear_grad_x_${dtype}`, dtype, 512, 512, 512));
cases.push(linear("linear_grad_w", "", 512, 512, 512));
for (const [k, n] of [
  [576, 1536],
  [2048, 2048],
] as const) {
  cases.push(linear("linear_f32_r16", "f32_r16", 1, k, n));
  for (const t of [1, 16, 128])
    for (const dtype of ["q8_0_r8", "q4_0_r8"]) cases.push(linear(`linear_i8_${dtype}`, dtype, t, k, n));
}

for (const c of [128, 576])
  for (const kernel of ["adapter_linear", "adapter_linear_grad_x", "adapter_linear_grad_w"])
    cases.push(adapter(kernel, 256, c, 8), adapter(kernel, 256, 8, c));

/** One round of a case: its seconds, and those of the multiply-add probe just before. */
interface Round {
  readonly seconds: number;
  readonly probe: number;
}

const filter = process.argv[2] ?? "";
const chosen = cases.filter((each) => each.name.includes(filter));
for (const each of [...chosen, { run: probe }]) time(each.run, ROUND_MS); // to the optimising compiler, before anything counts
const rounds = new Map(chosen.map((each) => [each, [] as Round[]]));
for (let round = 0; round < ROUNDS; round++)
  for (const each of chosen)
    rounds.get(each)!.push({ probe: time(probe, PROBE_MS), seconds: time(each.run, ROUND_MS) });

const all = [...rounds.values()].flat();
const roof = OPERATIONS / Math.min(...all.map((round) => round.probe));
console.log(`multiply-add probe: ${(roof / 1e9).toFixed(1)} GFLOP/s at best, one thread, 4 lanes\n`);
console.log(`${"".padEnd(36)}   best  of probe  median Gop/s  read GB/s`);
for (const [each, of] of rounds) {
  const best = Math.min(...of.map((round) => round.seconds));
  const rate = each.operations / best;
  const typical = each.operations / median(of.map((round) => round.seconds));
  // Integer kernels have another roof.
  const integer = each.name.startsWith("linear_i8");
  const share = integer ? "" : `${((100 * rate) / roof).toFixed(0)} %`;
  const columns = each.operations
    ? [(rate / 1e9).toFixed(1), share, (typical / 1e9).toFixed(1)]
    : ["", "", ""];
  const read = each.bytes ? (each.bytes / best / 1e9).toFixed(1) : "";
  console.log(
    each.name.padEnd(36) + [...columns, read].map((text, i) => text.padStart([7, 10, 14, 11][i]!)).join(""),
  );
  if (rate > 1.02 * roof && !integer)
    throw new Error(`${each.name}: above the probe of this run, so one of the two is measured wrongly`);
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
}
