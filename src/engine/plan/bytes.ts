/**
 * Plans as bytes: what the executor reads. Little-endian words; an instruction says its own length, so that a reader needs no table.
 *
 * A plan of two instructions, its disassembly and its words (hexadecimal, eight a line; kernels/layout.ts names them). Offsets of memory
 * operands count from the start of their region, `|` marks a barrier, `×` the units of work, r and w what a kernel may do:
 *
 *     plan 408 bytes, 2 instructions, scratch 16512 bytes
 *     0x0010   rms_norm ×rows  arena+0x0[rows·512] r, constants+0x0[512] r, arena+0x8000[rows·512] w, arena+0x10000[rows·4] w, rows, 128, 0.00001  cost 128
 *     0x00dc | linear_q8_0_r8 ×8  arena+0x8000[rows·512] r, constants+0x200[18432] r, arena+0x10100[rows·512] w, rows, 128, 128, 0  cost 131072
 *     0000  4e4c5045 00000066 00000002 00004080 0033001c 00000007 00000000 00000080
 *     0020  00000000 00000001 00000001 00060100 00000000 00000000 00000000 00000000
 *     0040  00000001 00000200 00000000 00040100 00000000 00000000 00000000 00000200
 *     0060  00000000 00000000 00000000 00060200 00008000 00000000 00000000 00000000
 *     0080  00000001 00000200 00000000 00060200 00010000 00000000 00000000 00000000
 *     00a0  00000001 00000004 00000000 00000001 00000000 00000001 00000001 00000001
 *     00c0  00000080 00000000 00000000 00000002 3727c5ac 00000000 00000000 002f000b
 *     00e0  00000007 00000001 00020000 00000008 00000000 00000000 00060100 00008000
 *     0100  00000000 00000000 00000000 00000001 00000200 00000000 00040100 00000200
 *     0120  00000000 00000000 00004800 00000000 00000000 00000000 00060200 00010100
 *     0140  00000000 00000000 00000000 00000001 00000200 00000000 00000001 00000000
 *     0160  00000001 00000001 00000001 00000080 00000000 00000000 00000001 00000080
 *     0180  00000000 00000000 00000001 00000000 00000000 00000000
 */
import * as layout from "../../../kernels/layout.ts";
import * as opcodes from "../../../kernels/opcodes.ts";
import type { Affine } from "./affine.ts";

export interface MemoryOperand {
  readonly kind: "memory";
  /** layout.REGION_* */
  readonly region: number;
  /** layout.ACCESS_READ | layout.ACCESS_WRITE */
  readonly access: number;
  /** In bytes from the start of the region. */
  readonly offset: Affine;
  readonly bytes: Affine;
}

/** A 32-bit integer: its 32 low bits are what the kernel reads. */
export interface ScalarOperand {
  readonly kind: "scalar";
  readonly value: Affine;
}

/** A float32: `value`, or the content of a slot where `slot` is not layout.SLOT_NONE. */
export interface FloatOperand {
  readonly kind: "float";
  readonly value: number;
  readonly slot: number;
}

export type Operand = MemoryOperand | ScalarOperand | FloatOperand;

export interface Instruction {
  readonly opcode: number;
  /** All threads wait for each other before it. */
  readonly barrier: boolean;
  /** Cost of one unit. */
  readonly cost: number;
  readonly units: Affine;
  readonly operands: readonly Operand[];
}

export interface Plan {
  /** Bytes of scratch that every thread needs. */
  readonly scratch: number;
  readonly instructions: readonly Instruction[];
}

/** Name of an opcode: its constant in lower case, which is the kernel's name. */
export const opcodeNames: ReadonlyMap<number, string> = new Map(
  Object.entries(opcodes)
    .filter(([key]) => key.startsWith("OP_"))
    .map(([key, opcode]) => [opcode, key.slice(3).toLowerCase()]),
);

/** Opcode of a kernel's name. */
export const opcodeOf: ReadonlyMap<string, number> = new Map(
  [...opcodeNames].map(([opcode, name]) => [name, opcode]),
);

export const regionNames = [
  "control",
  "page",
  "plans",
  "io",
  "constants",
  "state",
  "arena",
  "scratch",
] as const;

export const slotNames = [
  "",
  "rows",
  "sequences",
  "outputs",
  "step",
  "micro_batch",
  "seed",
  "learning_rate",
  "temperature",
  "top_k",
  "top_p",
  "min_p",
  "repetition_penalty",
  ...Array.from({ length: 3 }, (_, i) => `slot${i + 13}`),
] as const;

const memoryWords = layout.MEMORY_OPERAND_WORDS;
const scalarWords = layout.SCALAR_OPERAND_WORDS;

function operandWords(kind: number): number {
  return kind === layout.KIND_MEMORY ? memoryWords : scalarWords;
}

/** Bytes of an encoded plan. */
export function planBytes({ instructions }: Plan): number {
  const words = instructions.reduce((sum, instruction) => sum + instructionWords(instruction), 0);
  return 4 * (layout.PLAN_HEADER_WORDS + words);
}

function instructionWords({ operands }: Instruction): number {
  const words = operands.map(({ kind }) => (kind === "memory" ? memoryWords : scalarWords));
  return words.reduce((sum, each) => sum + each, layout.INSTRUCTION_HEADER_WORDS);
}

/** The plan's bytes. Throws where a value does not fit its word. */
export function encode(plan: Plan): Uint8Array {
  const bytes = new Uint8Array(planBytes(plan));
  const out = new WordWriter(bytes);
  out.words(layout.PLAN_MAGIC, bytes.length / 4, plan.instructions.length, plan.scratch);
  for (const instruction of plan.instructions) {
    const { opcode, barrier, cost, units, operands } = instruction;
    out.words(
      opcode | (instructionWords(instruction) << 16),
      operands.length,
      barrier ? layout.FLAG_BARRIER : 0,
      cost,
    );
    out.affine(units);
    for (const operand of operands) encodeOperand(out, operand);
  }
  return bytes;
}

function encodeOperand(out: WordWriter, operand: Operand): void {
  switch (operand.kind) {
    case "memory":
      out.words(layout.KIND_MEMORY | (operand.access << 8) | (operand.region << 16));
      out.words(operand.offset.a, operand.offset.b, operand.offset.slot);
      out.affine(operand.bytes);
      out.words(0);
      break;
    case "scalar":
      out.words(layout.KIND_SCALAR);
      out.affine(operand.value);
      break;
    case "float":
      out.words(layout.KIND_FLOAT);
      out.float(operand.value);
      out.words(operand.slot, 0);
  }
}

class WordWriter {
  private readonly view: DataView;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  words(...values: number[]): void {
    for (const value of values) {
      if (!Number.isInteger(value) || value < -(2 ** 31) || value >= 2 ** 32) {
        throw new RangeError(`plan: ${value} at offset ${this.at} is not a 32-bit word`);
      }
      this.view.setUint32(this.at, value, true);
      this.at += 4;
    }
  }

  affine({ a, slot, b }: Affine): void {
    this.words(a, slot, b);
  }

  float(value: number): void {
    this.view.setFloat32(this.at, value, true);
    this.at += 4;
  }
}

/** Offset in the plan of every instruction, and of the end. Throws where the lengths do not add up. */
export function instructionOffsets(bytes: Uint8Array): number[] {
  const words = wordsOf(bytes);
  if (words[0] !== layout.PLAN_MAGIC || words[1] !== words.length) {
    throw new Error(`plan: not a plan of ${words.length} words: it begins with ${words[0]}, ${words[1]}`);
  }
  const offsets = [4 * layout.PLAN_HEADER_WORDS];
  for (let i = 0; i < words[2]; i++) {
    const length = words[offsets[i] / 4] >>> 16;
    if (length < layout.INSTRUCTION_HEADER_WORDS || offsets[i] + 4 * length > bytes.length) {
      throw new Error(`plan: instruction ${i} at offset ${offsets[i]} has ${length} words`);
    }
    offsets.push(offsets[i] + 4 * length);
  }
  return offsets;
}

/** The plan that `encode` has written. Throws where lengths or kinds are not those of a plan. */
export function decode(bytes: Uint8Array): Plan {
  const words = wordsOf(bytes);
  const offsets = instructionOffsets(bytes);
  const instructions = offsets
    .slice(0, -1)
    .map((offset, i) => decodeInstruction(words.subarray(offset / 4, offsets[i + 1] / 4)));
  return { scratch: words[3], instructions };
}

function decodeInstruction(words: Uint32Array): Instruction {
  const operands: Operand[] = [];
  let at = layout.INSTRUCTION_HEADER_WORDS;
  for (let i = 0; i < words[1]; i++) {
    const size = operandWords(words[at] & 0xff);
    if (at + size > words.length) throw new Error(`plan: operand ${i} goes past its instruction`);
    operands.push(decodeOperand(words.subarray(at, at + size)));
    at += size;
  }
  return {
    opcode: words[0] & 0xffff,
    barrier: (words[2] & layout.FLAG_BARRIER) !== 0,
    cost: words[3],
    units: { a: words[4], slot: words[5], b: words[6] },
    operands,
  };
}

function decodeOperand(words: Uint32Array): Operand {
  const [head, a, b, c, d, e, f] = words;
  switch (head & 0xff) {
    case layout.KIND_MEMORY: {
      const [region, access] = [head >>> 16, (head >>> 8) & 0xff];
      const [offset, bytes] = [
        { a, slot: c, b },
        { a: d, slot: e, b: f },
      ];
      return { kind: "memory", region, access, offset, bytes };
    }
    case layout.KIND_SCALAR:
      return { kind: "scalar", value: { a, slot: b, b: c } };
    case layout.KIND_FLOAT:
      return { kind: "float", value: floatOf(a), slot: b };
    default:
      throw new Error(`plan: there is no operand of kind ${head & 0xff}`);
  }
}

/** One line an instruction: offset, `|` where threads wait, kernel, units, operands, cost. */
export function disassemble(bytes: Uint8Array): string {
  const { scratch, instructions } = decode(bytes);
  const offsets = instructionOffsets(bytes);
  const lines = instructions.map(
    (instruction, i) => `${hex(offsets[i], 4)} ${formatInstruction(instruction)}`,
  );
  return [
    `plan ${bytes.length} bytes, ${instructions.length} instructions, scratch ${scratch} bytes`,
    ...lines,
  ].join("\n");
}

/** One instruction without its offset: `| linear_f32_r16 ×8  arena+0x0[rows·512] r, …  cost 16384`, with names of operands in front of them. */
export function formatInstruction(
  { opcode, barrier, cost, units, operands }: Instruction,
  names: readonly (string | undefined)[] = [],
): string {
  const kernel = opcodeNames.get(opcode) ?? `opcode ${opcode}`;
  const words = operands.map((operand, i) => (names[i] ? `${names[i]} ` : "") + formatOperand(operand));
  return `${barrier ? "|" : " "} ${kernel} ×${formatAffine(units)}  ${words.join(", ")}  cost ${cost}`;
}

function formatOperand(operand: Operand): string {
  switch (operand.kind) {
    case "memory": {
      const { region, access, offset, bytes } = operand;
      const where = `${regionNames[region] ?? `region ${region}`}+${hex(offset.a)}`;
      const shift = offset.b ? `+${formatAffine({ ...offset, a: 0 })}` : "";
      const grants = [access & layout.ACCESS_READ ? "r" : "", access & layout.ACCESS_WRITE ? "w" : ""];
      return `${where}${shift}[${formatAffine(bytes)}] ${grants.join("")}`;
    }
    case "scalar":
      return formatAffine(operand.value);
    case "float":
      return operand.slot ? slotNames[operand.slot] : String(operand.value);
  }
}

function formatAffine({ a, slot, b }: Affine): string {
  if (!b || !slot) return String(a | 0);
  const product = b === 1 ? slotNames[slot] : `${slotNames[slot]}·${b}`;
  return a ? `${a}+${product}` : product;
}

function hex(value: number, digits = 1): string {
  return `0x${value.toString(16).padStart(digits, "0")}`;
}

/** The shortest decimal that is this float32. */
function floatOf(word: number): number {
  const value = new Float32Array(Uint32Array.of(word).buffer)[0];
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Object.is(Math.fround(short), value)) return short; // −0 is not 0
  }
  return value;
}

function wordsOf(bytes: Uint8Array): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Uint32Array.from({ length: bytes.length >> 2 }, (_, i) => view.getUint32(4 * i, true));
}
