import { readFileSync } from "node:fs";
import {
  AT_ERROR,
  AT_OPERANDS,
  AT_SCRATCH_BYTES,
  CONSTANT_PAGE_BYTES,
  CONTROL_BYTES,
  ERROR_NONE,
} from "../../kernels/layout.ts";
import { scratchBytes } from "../../src/engine/plan/scratch.ts";

type Bytes = Float32Array | Int32Array | Uint32Array | Uint16Array | Uint8Array | Int8Array;
/** A memory operand (copied in, and back out after the call), an i32 scalar, or an f32 scalar. */
export type Operand = Bytes | number | { readonly float: number };
export type Range = readonly [begin: number, end: number];
type Kernel = (operands: number, begin: number, end: number, scratch: number) => number;

const CANARY = 0xa5;
/** Not a multiple of 16: kernels must not count on alignment beyond 4 bytes. */
const GUARD = 68;
const FIRST = CONTROL_BYTES + CONSTANT_PAGE_BYTES + GUARD;

const wasm = new WebAssembly.Instance(
  new WebAssembly.Module(readFileSync(new URL("../../dist/kernels/simd.wasm", import.meta.url))),
);
export const exports = wasm.exports as Record<string, (...args: number[]) => number>;
const memory = wasm.exports.memory as WebAssembly.Memory;
exports.write_constants!();

function reserve(bytes: number): void {
  const missing = bytes - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / 65536));
}

function bytesOf(operand: Bytes): Uint8Array {
  return new Uint8Array(operand.buffer, operand.byteOffset, operand.byteLength);
}

/** Fills memory with canaries, puts each array between two of them; returns the addresses. */
function place(
  arrays: readonly Bytes[],
  scratch: number,
): { addresses: number[]; scratchAt: number; end: number } {
  const addresses: number[] = [];
  let at = FIRST;
  for (const array of arrays) {
    addresses.push(at);
    at += array.byteLength + GUARD;
    at += (4 - (at % 4)) % 4;
  }
  const scratchAt = (at + 15) & ~15;
  const end = scratchAt + scratch + GUARD;
  reserve(end);
  const all = new Uint8Array(memory.buffer);
  all.fill(CANARY, FIRST - GUARD, end);
  arrays.forEach((array, i) => {
    all.set(bytesOf(array), addresses[i]);
  });
  return { addresses, scratchAt, end };
}

/** Copies the arrays back and throws where a byte outside arrays and scratch has changed. */
function collect(
  name: string,
  arrays: readonly Bytes[],
  placed: ReturnType<typeof place>,
  scratch: number,
): void {
  const all = new Uint8Array(memory.buffer);
  const inside = [
    ...placed.addresses.map((a, i) => [a, a + arrays[i]!.byteLength]),
    [placed.scratchAt, placed.scratchAt + scratch],
  ];
  let at = FIRST - GUARD;
  for (const [from, to] of [...inside, [placed.end, placed.end]] as [number, number][]) {
    const bad = all.subarray(at, from).findIndex((byte) => byte !== CANARY);
    if (bad >= 0)
      throw new Error(`${name}: wrote outside its operands, at ${at + bad} (next operand at ${from})`);
    at = to;
  }
  arrays.forEach((array, i) => {
    bytesOf(array).set(all.subarray(placed.addresses[i], placed.addresses[i]! + array.byteLength));
  });
}

/** Runs a function of the wasm on arrays by their addresses (pack_* and the like), canaries checked. */
export function callAt(name: string, arrays: readonly Bytes[], ...rest: number[]): void {
  const placed = place(arrays, 0);
  exports[name]!(...placed.addresses, ...rest);
  collect(name, arrays, placed, 0);
}

/** Runs a kernel over the given ranges of units; returns its error code. Arrays are changed in place. */
export function call(
  name: string,
  operands: readonly Operand[],
  ranges: readonly Range[],
  scratch: number,
): number {
  // an array given twice is one address: a call in place
  const arrays = [...new Set(operands.filter((operand): operand is Bytes => ArrayBuffer.isView(operand)))];
  const placed = place(arrays, scratch);
  const view = new DataView(memory.buffer);
  view.setUint32(AT_SCRATCH_BYTES, scratch, true);
  view.setUint32(AT_ERROR, ERROR_NONE, true);
  operands.forEach((operand, i) => {
    const entry = AT_OPERANDS + 16 * i;
    if (typeof operand === "number") view.setInt32(entry, operand, true);
    else if (ArrayBuffer.isView(operand)) {
      view.setUint32(entry, placed.addresses[arrays.indexOf(operand)]!, true);
      view.setUint32(entry + 4, operand.byteLength, true);
    } else view.setFloat32(entry, operand.float, true);
  });
  let code = ERROR_NONE;
  for (const [begin, end] of ranges) {
    code = (exports[name] as Kernel)(AT_OPERANDS, begin, end, placed.scratchAt);
    if (code !== ERROR_NONE) break;
  }
  collect(name, arrays, placed, scratch);
  return code;
}

/** The scratch that the planner grants a kernel for these dimensions. */
export function scratchOf(name: string, t: number, k: number, n: number): number {
  return scratchBytes[name]?.({ t, k, n }) ?? 0;
}

/** [0, units) in `parts` ranges. */
export function split(units: number, parts: number): Range[] {
  const cut = (i: number) => Math.floor((units * i) / parts);
  return Array.from({ length: parts }, (_, i) => [cut(i), cut(i + 1)] as const);
}
