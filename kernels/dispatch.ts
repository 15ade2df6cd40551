/** From opcode to kernel: one case a kernel, in the order of opcodes.ts. */
import * as op from "./opcodes";
import { ERROR_BAD_PLAN } from "./layout";
import { fail } from "./operands";

/** Runs units [begin, end) of a kernel on resolved operands; returns its error code. */
export function dispatch(opcode: u32, o: usize, begin: i32, end: i32, scratch: usize): i32 {
  switch (opcode) {
    default:
      return fail(ERROR_BAD_PLAN, -1, opcode, op.OPCODES);
  }
}
