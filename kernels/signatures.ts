/**
 * What the executor must know of a kernel to trust it with a plan: how many operands of each kind it reads, which
 * memory operands it writes (their plan operand must grant it) and which hold data that becomes an address (ids,
 * positions, the sequences table: nothing that the same instruction writes may overlap them).
 */
import * as op from "./opcodes";

// Memory operands by place, in the order of opcodes.ts.
const A = 1;
const B = 2;
const C = 4;
const D = 8;
const E = 16;
const F = 32;
const G = 64;
const H = 128;
const I = 256;
const J = 512;

// @ts-ignore: decorator
@inline
function takes(memory: u32, writes: u32, indices: u32, scalars: u32, floats: u32): u32 {
  return memory | (scalars << 4) | (floats << 8) | (writes << 12) | (indices << 22);
}

// @ts-ignore: decorator
@inline
export function memory_operands(signature: u32): u32 {
  return signature & 15;
}

// @ts-ignore: decorator
@inline
export function scalar_operands(signature: u32): u32 {
  return (signature >> 4) & 15;
}

// @ts-ignore: decorator
@inline
export function float_operands(signature: u32): u32 {
  return (signature >> 8) & 15;
}

// @ts-ignore: decorator
@inline
export function writes_operand(signature: u32, i: u32): bool {
  return ((signature >> (12 + i)) & 1) != 0;
}

// @ts-ignore: decorator
@inline
export function is_index(signature: u32, i: u32): bool {
  return ((signature >> (22 + i)) & 1) != 0;
}

/** Signature of an opcode; 0 where there is no such opcode. */
export function signature(opcode: u32): u32 {
  switch (opcode) {
    case op.OP_EMBEDDING_F32:
    case op.OP_EMBEDDING_F32_R16:
    case op.OP_EMBEDDING_F16_R16:
    case op.OP_EMBEDDING_Q8_0_R8:
    case op.OP_EMBEDDING_Q4_0_R8:
    case op.OP_EMBEDDING_BF16_R16:
    case op.OP_EMBEDDING_Q4_1_R8:
    case op.OP_EMBEDDING_Q5_0_R8:
    case op.OP_EMBEDDING_Q5_1_R8:
    case op.OP_EMBEDDING_Q4_K_R8:
    case op.OP_EMBEDDING_Q5_K_R8:
    case op.OP_EMBEDDING_Q6_K_R8:
      return takes(3, C, A, 3, 0);
    case op.OP_EMBEDDING_GRAD:
      return takes(3, C, A, 4, 0);
    case op.OP_LINEAR_F32:
    case op.OP_LINEAR_F32_R16:
    case op.OP_LINEAR_F16_R16:
    case op.OP_LINEAR_Q8_0_R8:
    case op.OP_LINEAR_Q4_0_R8:
    case op.OP_LINEAR_I8_Q8_0_R8:
    case op.OP_LINEAR_I8_Q4_0_R8:
    case op.OP_LINEAR_GRAD_X_F32:
    case op.OP_LINEAR_GRAD_X_F32_R16:
    case op.OP_LINEAR_GRAD_X_F16_R16:
    case op.OP_LINEAR_GRAD_X_Q8_0_R8:
    case op.OP_LINEAR_GRAD_X_Q4_0_R8:
    case op.OP_LINEAR_BF16_R16:
    case op.OP_LINEAR_GRAD_X_BF16_R16:
    case op.OP_LINEAR_Q4_1_R8:
    case op.OP_LINEAR_I8_Q4_1_R8:
    case op.OP_LINEAR_GRAD_X_Q4_1_R8:
    case op.OP_LINEAR_Q5_0_R8:
    case op.OP_LINEAR_I8_Q5_0_R8:
    case op.OP_LINEAR_GRAD_X_Q5_0_R8:
    case op.OP_LINEAR_Q5_1_R8:
    case op.OP_LINEAR_I8_Q5_1_R8:
    case op.OP_LINEAR_GRAD_X_Q5_1_R8:
    case op.OP_LINEAR_Q4_K_R8:
    case op.OP_LINEAR_I8_Q4_K_R8:
    case op.OP_LINEAR_GRAD_X_Q4_K_R8:
    case op.OP_LINEAR_Q5_K_R8:
    case op.OP_LINEAR_I8_Q5_K_R8:
    case op.OP_LINEAR_GRAD_X_Q5_K_R8:
    case op.OP_LINEAR_Q6_K_R8:
    case op.OP_LINEAR_I8_Q6_K_R8:
    case op.OP_LINEAR_GRAD_X_Q6_K_R8:
    case op.OP_LINEAR_GRAD_W:
      return takes(3, C, 0, 4, 0);
    case op.OP_QUANTIZE:
      return takes(2, B, 0, 2, 0);
    case op.OP_ADAPTER_LINEAR:
    case op.OP_ADAPTER_LINEAR_GRAD_X:
    case op.OP_ADAPTER_LINEAR_GRAD_W:
      return takes(4, C, D, 7, 0);
    case op.OP_RMS_NORM:
      return takes(4, C | D, 0, 2, 1);
    case op.OP_RMS_NORM_GRAD_X:
      return takes(5, E, 0, 3, 0);
    case op.OP_RMS_NORM_GRAD_W:
      return takes(4, D, 0, 3, 0);
    case op.OP_ROPE:
      return takes(4, D, B, 5, 0);
    case op.OP_CACHE_WRITE:
    case op.OP_CACHE_WRITE_F16:
    case op.OP_CACHE_WRITE_Q8_0:
      return takes(5, B, C | D | E, 6, 0);
    case op.OP_ATTENTION:
    case op.OP_ATTENTION_F16:
    case op.OP_ATTENTION_Q8_0:
      return takes(8, D | E, F | G | H, 9, 1);
    case op.OP_ATTENTION_GRAD_Q:
      return takes(10, G | H, I | J, 6, 1);
    case op.OP_ATTENTION_GRAD_KV:
      return takes(10, G | H, I | J, 6, 1);
    case op.OP_GEGLU:
    case op.OP_SWIGLU:
      return takes(3, C, 0, 2, 0);
    case op.OP_GEGLU_GRAD:
    case op.OP_SWIGLU_GRAD:
      return takes(5, D | E, 0, 2, 0);
    case op.OP_CROSS_ENTROPY:
      return takes(5, D | E, B, 2, 0);
    case op.OP_CROSS_ENTROPY_GRAD:
      return takes(6, F, B, 2, 0);
    case op.OP_GATHER:
      return takes(3, C, B, 3, 0);
    case op.OP_SCATTER_ADD:
      return takes(3, C, B, 4, 0);
    case op.OP_SAMPLE:
      return takes(6, B, C | D | E | F, 10, 4);
    case op.OP_HISTORY_WRITE:
      return takes(5, B, C | D | E, 4, 0);
    case op.OP_SUM_SQUARES:
      return takes(2, B, 0, 1, 0);
    case op.OP_OPTIMIZER_SCHEDULE:
      return takes(3, B | C, 0, 1, 3);
    case op.OP_ADAMW:
      return takes(5, A | B | C | D, 0, 1, 5);
    case op.OP_ADD:
    case op.OP_SUB:
    case op.OP_MUL:
    case op.OP_DIV:
    case op.OP_LESS_EQUAL:
    case op.OP_EQUAL:
      return takes(3, C, 0, 4, 0);
    case op.OP_SELECT:
      return takes(4, D, 0, 2, 0);
    case op.OP_EXP:
    case op.OP_LOG:
    case op.OP_RSQRT:
    case op.OP_SUM_COLUMNS:
    case op.OP_MAX_COLUMNS:
      return takes(2, B, 0, 2, 0);
    case op.OP_SUM_ROWS:
      return takes(2, B, 0, 3, 0);
    case op.OP_MATMUL:
      return takes(3, C, 0, 11, 0);
    case op.OP_COPY:
      return takes(2, B, 0, 9, 0);
    case op.OP_FILL:
      return takes(1, A, 0, 1, 1);
    case op.OP_CAST_U32_F32:
      return takes(2, B, 0, 1, 0);
    case op.OP_IOTA:
      return takes(1, A, 0, 3, 0);
    case op.OP_ACCUMULATE:
      return takes(2, A, 0, 1, 0);
    default:
      return 0;
  }
}
