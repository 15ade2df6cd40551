/** The registry of ops. Every other table is a Record over its names, so that a forgotten row does not compile. */
import { adapterLinearGradWOp, adapterLinearGradXOp, adapterLinearOp } from "./adapter_linear.ts";
import { attentionGradKvOp, attentionGradQOp, attentionOp } from "./attention.ts";
import { crossEntropyGradOp, crossEntropyOp } from "./cross_entropy.ts";
import { embeddingGradOp, embeddingOp } from "./embedding.ts";
import { gegluGradOp, gegluOp } from "./geglu.ts";
import { linearGradWOp, linearGradXOp, linearOp } from "./linear.ts";
import { matmulOp } from "./matmul.ts";
import type { Op } from "./op.ts";
import { adamwOp, optimizerScheduleOp, sumSquaresOp } from "./optimizer.ts";
import * as primitives from "./primitives.ts";
import { linearI8Op, quantizeOp } from "./quantize.ts";
import { rmsNormGradWOp, rmsNormGradXOp, rmsNormOp } from "./rms_norm.ts";
import { ropeOp } from "./rope.ts";
import { historyWriteOp, sampleOp } from "./sample.ts";
import { accumulateOp, cacheWriteOp, storeOp } from "./state.ts";
import { swigluGradOp, swigluOp } from "./swiglu.ts";

export const ops = {
  // primitives
  add: primitives.addOp,
  sub: primitives.subOp,
  mul: primitives.mulOp,
  div: primitives.divOp,
  less_equal: primitives.lessEqualOp,
  equal: primitives.equalOp,
  select: primitives.selectOp,
  exp: primitives.expOp,
  log: primitives.logOp,
  rsqrt: primitives.rsqrtOp,
  fill: primitives.fillOp,
  iota: primitives.iotaOp,
  cast: primitives.castOp,
  sum: primitives.sumOp,
  max: primitives.maxOp,
  reshape: primitives.reshapeOp,
  transpose: primitives.transposeOp,
  broadcast: primitives.broadcastOp,
  matmul: matmulOp,
  gather: primitives.gatherOp,
  scatter_add: primitives.scatterAddOp,
  quantize: quantizeOp,
  linear_i8: linearI8Op,
  sample: sampleOp,
  // writes
  store: storeOp,
  accumulate: accumulateOp,
  cache_write: cacheWriteOp,
  history_write: historyWriteOp,
  sum_squares: sumSquaresOp,
  optimizer_schedule: optimizerScheduleOp,
  adamw: adamwOp,
  // fused
  embedding: embeddingOp,
  embedding_grad: embeddingGradOp,
  linear: linearOp,
  linear_grad_x: linearGradXOp,
  linear_grad_w: linearGradWOp,
  adapter_linear: adapterLinearOp,
  adapter_linear_grad_x: adapterLinearGradXOp,
  adapter_linear_grad_w: adapterLinearGradWOp,
  rms_norm: rmsNormOp,
  rms_norm_grad_x: rmsNormGradXOp,
  rms_norm_grad_w: rmsNormGradWOp,
  rope: ropeOp,
  attention: attentionOp,
  attention_grad_q: attentionGradQOp,
  attention_grad_kv: attentionGradKvOp,
  swiglu: swigluOp,
  swiglu_grad: swigluGradOp,
  geglu: gegluOp,
  geglu_grad: gegluGradOp,
  cross_entropy: crossEntropyOp,
  cross_entropy_grad: crossEntropyGradOp,
} as const satisfies Record<string, Op>;

export type OpName = keyof typeof ops;
