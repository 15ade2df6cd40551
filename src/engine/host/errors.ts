/** The words for the numbers that the executor leaves in the control block. */
import * as layout from "../../../kernels/layout.ts";
import { opcodeNames, regionNames, slotNames } from "../plan/bytes.ts";

/** What rule was broken, by ERROR_* code. */
export const errorWords: Readonly<Record<number, string>> = {
  [layout.ERROR_NONE]: "no error",
  [layout.ERROR_BAD_PLAN]: "magic, length, opcode or operands of the plan are wrong",
  [layout.ERROR_SLOT_LIMIT]: "a slot is above the maximum that memory was planned for",
  [layout.ERROR_REGION]: "the operand leaves its region",
  [layout.ERROR_PERMISSION]: "plans may not write there, or the operand does not grant what its kernel does",
  [layout.ERROR_OPERAND_BYTES]: "the kernel needs more bytes than the operand has",
  [layout.ERROR_TOKEN]: "the token is not in the vocabulary",
  [layout.ERROR_POSITION]: "the position is beyond the context",
  [layout.ERROR_SEQUENCE]: "the sequences table names rows, a cache or an adapter that do not exist",
  [layout.ERROR_INDEX]: "the index is beyond the rows",
  [layout.ERROR_DIMENSION]: "the kernel does not take this dimension",
  [layout.ERROR_SCRATCH]: "the kernel needs more scratch than the plan grants",
  [layout.ERROR_TRAP]: "the wasm trapped: memory may be half-written, open the program again",
  [layout.ERROR_CURSOR]: "there is nothing to continue: the last run did not pause",
  [layout.ERROR_CONTROL]:
    "magic, version, regions or threads of the control block are wrong, or it is not open",
  [layout.ERROR_NOT_FINITE]: "the norm of the gradients is not finite; nothing was applied",
};

/** The error record of the control block. */
export interface ErrorRecord {
  readonly code: number;
  /** Address of the plan; 0 where no plan is involved. */
  readonly plan: number;
  /** Offset of the instruction in the plan; 0 where none is involved. */
  readonly offset: number;
  /** Number of the operand (slot or region, where the rule is about those); −1 where none is involved. */
  readonly operand: number;
  readonly value: bigint;
  readonly limit: bigint;
}

/** A plan or a control block that the executor has refused, or a run that it has stopped. */
export class PlanError extends Error {
  override readonly name = "PlanError";
  readonly record: ErrorRecord;
  readonly where: string;
  readonly rule: string;
  readonly values: string;

  constructor(record: ErrorRecord, where: string, detail?: string) {
    const rule = errorWords[record.code] ?? `error ${record.code}`;
    const values = detail ?? `value ${record.value}, limit ${record.limit}`;
    super(`${where}: ${rule} (${values})`);
    this.record = record;
    this.where = where;
    this.rule = rule;
    this.values = values;
  }
}

/** The error that the record in this memory tells of. */
export function planError(memory: ArrayBufferLike): PlanError {
  const record = errorRecord(memory);
  return new PlanError(record, whereOf(new DataView(memory), record));
}

/** The error of a trap with these words; what a kernel had reported before it is told as well. */
export function trapError(memory: ArrayBufferLike, words: string): PlanError {
  const record = errorRecord(memory);
  const where = whereOf(new DataView(memory), record);
  const isFirst = record.code === layout.ERROR_TRAP || record.code === layout.ERROR_NONE;
  const before = isFirst ? "" : `; before that: ${new PlanError(record, where).message}`;
  return new PlanError({ ...record, code: layout.ERROR_TRAP }, where, words + before);
}

function errorRecord(memory: ArrayBufferLike): ErrorRecord {
  const view = new DataView(memory);
  const at = layout.AT_ERROR;
  return {
    code: view.getUint32(at, true),
    plan: view.getUint32(at + 4, true),
    offset: view.getUint32(at + 8, true),
    operand: view.getInt32(at + 12, true),
    value: view.getBigUint64(at + 16, true),
    limit: view.getBigUint64(at + 24, true),
  };
}

function whereOf(view: DataView, { code, plan, offset, operand }: ErrorRecord): string {
  if (code === layout.ERROR_SLOT_LIMIT) return `slot ${slotNames[operand] ?? operand}`;
  if (!plan)
    return operand < 0 ? "control block" : `control block, region ${regionNames[operand] ?? operand}`;
  const parts = [`plan at 0x${plan.toString(16)}`];
  if (offset) {
    const at = plan + offset;
    const opcode = at + 4 <= view.byteLength ? view.getUint32(at, true) & 0xffff : 0;
    parts.push(`instruction at +0x${offset.toString(16)} (${opcodeNames.get(opcode) ?? `opcode ${opcode}`})`);
  }
  if (operand >= 0) parts.push(`operand ${operand}`);
  return parts.join(", ");
}
