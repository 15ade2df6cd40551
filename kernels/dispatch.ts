/** From opcode to kernel: one case a kernel, in the order of opcodes.ts. */
import { ERROR_BAD_PLAN } from "./layout";
import * as op from "./opcodes";
import { fail } from "./operands";
import { adapter_linear, adapter_linear_grad_x, adapter_linear_grad_w } from "./adapter";
import { attention, attention_f16, attention_q8_0 } from "./attention";
import { attention_grad_q, attention_grad_kv } from "./attention_grad";
import { cache_write, cache_write_f16, cache_write_q8_0 } from "./cache";
import { copy, fill, cast_u32_f32, iota, matmul } from "./copy";
import {
  add,
  sub,
  mul,
  div,
  less_equal,
  equal,
  select,
  exp,
  log,
  rsqrt,
  sum_columns,
  max_columns,
  sum_rows,
  accumulate,
} from "./elementwise";
import {
  embedding_f32,
  embedding_f32_r16,
  embedding_f16_r16,
  embedding_q8_0_r8,
  embedding_q4_0_r8,
  embedding_bf16_r16,
  embedding_q4_1_r8,
  embedding_q5_0_r8,
  embedding_q5_1_r8,
  embedding_q4_k_r8,
  embedding_q5_k_r8,
  embedding_q6_k_r8,
  embedding_grad,
} from "./embedding";
import {
  linear_f32,
  linear_f32_r16,
  linear_f16_r16,
  linear_q8_0_r8,
  linear_q4_0_r8,
  linear_grad_x_f32,
  linear_grad_x_f32_r16,
  linear_grad_x_f16_r16,
  linear_grad_x_q8_0_r8,
  linear_grad_x_q4_0_r8,
  linear_bf16_r16,
  linear_grad_x_bf16_r16,
  linear_q4_1_r8,
  linear_grad_x_q4_1_r8,
  linear_q5_0_r8,
  linear_grad_x_q5_0_r8,
  linear_q5_1_r8,
  linear_grad_x_q5_1_r8,
  linear_q4_k_r8,
  linear_grad_x_q4_k_r8,
  linear_q5_k_r8,
  linear_grad_x_q5_k_r8,
  linear_q6_k_r8,
  linear_grad_x_q6_k_r8,
  linear_grad_w,
} from "./linear";
import {
  linear_i8_q8_0_r8,
  linear_i8_q4_0_r8,
  linear_i8_q4_1_r8,
  linear_i8_q5_0_r8,
  linear_i8_q5_1_r8,
  linear_i8_q4_k_r8,
  linear_i8_q5_k_r8,
  linear_i8_q6_k_r8,
} from "./linear_i8";
import { geglu, geglu_grad } from "./geglu";
import { cross_entropy, cross_entropy_grad } from "./loss";
import { rms_norm, rms_norm_grad_x, rms_norm_grad_w } from "./norm";
import { sum_squares, optimizer_schedule, adamw } from "./optimizer";
import { quantize } from "./quantize";
import { rope } from "./rope";
import { gather, scatter_add } from "./rows";
import { history_write } from "./history";
import { sample } from "./sample";
import { swiglu, swiglu_grad } from "./swiglu";

/** Runs units [begin, end) of a kernel on resolved operands; returns its error code. */
export function dispatch(opcode: u32, o: usize, begin: i32, end: i32, scratch: usize): i32 {
  switch (opcode) {
    case op.OP_EMBEDDING_F32:
      return embedding_f32(o, begin, end, scratch);
    case op.OP_EMBEDDING_F32_R16:
      return embedding_f32_r16(o, begin, end, scratch);
    case op.OP_EMBEDDING_F16_R16:
      return embedding_f16_r16(o, begin, end, scratch);
    case op.OP_EMBEDDING_Q8_0_R8:
      return embedding_q8_0_r8(o, begin, end, scratch);
    case op.OP_EMBEDDING_Q4_0_R8:
      return embedding_q4_0_r8(o, begin, end, scratch);
    case op.OP_EMBEDDING_GRAD:
      return embedding_grad(o, begin, end, scratch);
    case op.OP_LINEAR_F32:
      return linear_f32(o, begin, end, scratch);
    case op.OP_LINEAR_F32_R16:
      return linear_f32_r16(o, begin, end, scratch);
    case op.OP_LINEAR_F16_R16:
      return linear_f16_r16(o, begin, end, scratch);
    case op.OP_LINEAR_Q8_0_R8:
      return linear_q8_0_r8(o, begin, end, scratch);
    case op.OP_LINEAR_Q4_0_R8:
      return linear_q4_0_r8(o, begin, end, scratch);
    case op.OP_LINEAR_I8_Q8_0_R8:
      return linear_i8_q8_0_r8(o, begin, end, scratch);
    case op.OP_LINEAR_I8_Q4_0_R8:
      return linear_i8_q4_0_r8(o, begin, end, scratch);
    case op.OP_LINEAR_GRAD_X_F32:
      return linear_grad_x_f32(o, begin, end, scratch);
    case op.OP_LINEAR_GRAD_X_F32_R16:
      return linear_grad_x_f32_r16(o, begin, end, scratch);
    case op.OP_LINEAR_GRAD_X_F16_R16:
      return linear_grad_x_f16_r16(o, begin, end, scratch);
    case op.OP_LINEAR_GRAD_X_Q8_0_R8:
      return linear_grad_x_q8_0_r8(o, begin, end, scratch);
    case op.OP_LINEAR_GRAD_X_Q4_0_R8:
      return linear_grad_x_q4_0_r8(o, begin, end, scratch);
    case op.OP_LINEAR_GRAD_W:
      return linear_grad_w(o, begin, end, scratch);
    case op.OP_QUANTIZE:
      return quantize(o, begin, end, scratch);
    case op.OP_ADAPTER_LINEAR:
      return adapter_linear(o, begin, end, scratch);
    case op.OP_ADAPTER_LINEAR_GRAD_X:
      return adapter_linear_grad_x(o, begin, end, scratch);
    case op.OP_ADAPTER_LINEAR_GRAD_W:
      return adapter_linear_grad_w(o, begin, end, scratch);
    case op.OP_RMS_NORM:
      return rms_norm(o, begin, end, scratch);
    case op.OP_RMS_NORM_GRAD_X:
      return rms_norm_grad_x(o, begin, end, scratch);
    case op.OP_RMS_NORM_GRAD_W:
      return rms_norm_grad_w(o, begin, end, scratch);
    case op.OP_ROPE:
      return rope(o, begin, end, scratch);
    case op.OP_CACHE_WRITE:
      return cache_write(o, begin, end, scratch);
    case op.OP_ATTENTION:
      return attention(o, begin, end, scratch);
    case op.OP_ATTENTION_GRAD_Q:
      return attention_grad_q(o, begin, end, scratch);
    case op.OP_ATTENTION_GRAD_KV:
      return attention_grad_kv(o, begin, end, scratch);
    case op.OP_SWIGLU:
      return swiglu(o, begin, end, scratch);
    case op.OP_SWIGLU_GRAD:
      return swiglu_grad(o, begin, end, scratch);
    case op.OP_GEGLU:
      return geglu(o, begin, end, scratch);
    case op.OP_GEGLU_GRAD:
      return geglu_grad(o, begin, end, scratch);
    case op.OP_CROSS_ENTROPY:
      return cross_entropy(o, begin, end, scratch);
    case op.OP_CROSS_ENTROPY_GRAD:
      return cross_entropy_grad(o, begin, end, scratch);
    case op.OP_GATHER:
      return gather(o, begin, end, scratch);
    case op.OP_SCATTER_ADD:
      return scatter_add(o, begin, end, scratch);
    case op.OP_SAMPLE:
      return sample(o, begin, end, scratch);
    case op.OP_HISTORY_WRITE:
      return history_write(o, begin, end, scratch);
    case op.OP_SUM_SQUARES:
      return sum_squares(o, begin, end, scratch);
    case op.OP_OPTIMIZER_SCHEDULE:
      return optimizer_schedule(o, begin, end, scratch);
    case op.OP_ADAMW:
      return adamw(o, begin, end, scratch);
    case op.OP_ADD:
      return add(o, begin, end, scratch);
    case op.OP_SUB:
      return sub(o, begin, end, scratch);
    case op.OP_MUL:
      return mul(o, begin, end, scratch);
    case op.OP_DIV:
      return div(o, begin, end, scratch);
    case op.OP_LESS_EQUAL:
      return less_equal(o, begin, end, scratch);
    case op.OP_EQUAL:
      return equal(o, begin, end, scratch);
    case op.OP_SELECT:
      return select(o, begin, end, scratch);
    case op.OP_EXP:
      return exp(o, begin, end, scratch);
    case op.OP_LOG:
      return log(o, begin, end, scratch);
    case op.OP_RSQRT:
      return rsqrt(o, begin, end, scratch);
    case op.OP_SUM_COLUMNS:
      return sum_columns(o, begin, end, scratch);
    case op.OP_MAX_COLUMNS:
      return max_columns(o, begin, end, scratch);
    case op.OP_SUM_ROWS:
      return sum_rows(o, begin, end, scratch);
    case op.OP_MATMUL:
      return matmul(o, begin, end, scratch);
    case op.OP_COPY:
      return copy(o, begin, end, scratch);
    case op.OP_FILL:
      return fill(o, begin, end, scratch);
    case op.OP_CAST_U32_F32:
      return cast_u32_f32(o, begin, end, scratch);
    case op.OP_IOTA:
      return iota(o, begin, end, scratch);
    case op.OP_ACCUMULATE:
      return accumulate(o, begin, end, scratch);
    case op.OP_EMBEDDING_BF16_R16:
      return embedding_bf16_r16(o, begin, end, scratch);
    case op.OP_LINEAR_BF16_R16:
      return linear_bf16_r16(o, begin, end, scratch);
    case op.OP_LINEAR_GRAD_X_BF16_R16:
      return linear_grad_x_bf16_r16(o, begin, end, scratch);
    case op.OP_EMBEDDING_Q4_1_R8:
      return embedding_q4_1_r8(o, begin, end, scratch);
    case op.OP_LINEAR_Q4_1_R8:
      return linear_q4_1_r8(o, begin, end, scratch);
    case op.OP_LINEAR_I8_Q4_1_R8:
      return linear_i8_q4_1_r8(o, begin, end, scratch);
    case op.OP_LINEAR_GRAD_X_Q4_1_R8:
      return linear_grad_x_q4_1_r8(o, begin, end, scratch);
    case op.OP_EMBEDDING_Q5_0_R8:
      return embedding_q5_0_r8(o, begin, end, scratch);
    case op.OP_LINEAR_Q5_0_R8:
      return linear_q5_0_r8(o, begin, end, scratch);
    case op.OP_LINEAR_I8_Q5_0_R8:
      return linear_i8_q5_0_r8(o, begin, end, scratch);
    case op.OP_LINEAR_GRAD_X_Q5_0_R8:
      return linear_grad_x_q5_0_r8(o, begin, end, scratch);
    case op.OP_EMBEDDING_Q5_1_R8:
      return embedding_q5_1_r8(o, begin, end, scratch);
    case op.OP_LINEAR_Q5_1_R8:
      return linear_q5_1_r8(o, begin, end, scratch);
    case op.OP_LINEAR_I8_Q5_1_R8:
      return linear_i8_q5_1_r8(o, begin, end, scratch);
    case op.OP_LINEAR_GRAD_X_Q5_1_R8:
      return linear_grad_x_q5_1_r8(o, begin, end, scratch);
    case op.OP_EMBEDDING_Q4_K_R8:
      return embedding_q4_k_r8(o, begin, end, scratch);
    case op.OP_LINEAR_Q4_K_R8:
      return linear_q4_k_r8(o, begin, end, scratch);
    case op.OP_LINEAR_I8_Q4_K_R8:
      return linear_i8_q4_k_r8(o, begin, end, scratch);
    case op.OP_LINEAR_GRAD_X_Q4_K_R8:
      return linear_grad_x_q4_k_r8(o, begin, end, scratch);
    case op.OP_EMBEDDING_Q5_K_R8:
      return embedding_q5_k_r8(o, begin, end, scratch);
    case op.OP_LINEAR_Q5_K_R8:
      return linear_q5_k_r8(o, begin, end, scratch);
    case op.OP_LINEAR_I8_Q5_K_R8:
      return linear_i8_q5_k_r8(o, begin, end, scratch);
    case op.OP_LINEAR_GRAD_X_Q5_K_R8:
      return linear_grad_x_q5_k_r8(o, begin, end, scratch);
    case op.OP_EMBEDDING_Q6_K_R8:
      return embedding_q6_k_r8(o, begin, end, scratch);
    case op.OP_LINEAR_Q6_K_R8:
      return linear_q6_k_r8(o, begin, end, scratch);
    case op.OP_LINEAR_I8_Q6_K_R8:
      return linear_i8_q6_k_r8(o, begin, end, scratch);
    case op.OP_LINEAR_GRAD_X_Q6_K_R8:
      return linear_grad_x_q6_k_r8(o, begin, end, scratch);
    case op.OP_CACHE_WRITE_F16:
      return cache_write_f16(o, begin, end, scratch);
    case op.OP_CACHE_WRITE_Q8_0:
      return cache_write_q8_0(o, begin, end, scratch);
    case op.OP_ATTENTION_F16:
      return attention_f16(o, begin, end, scratch);
    case op.OP_ATTENTION_Q8_0:
      return attention_q8_0(o, begin, end, scratch);
    default:
      return fail(o, ERROR_BAD_PLAN, -1, opcode, op.OPCODES);
  }
}
