/** Kernels that write state: KV cache, accumulated gradients, optimizer. */
import * as layout from "../../../../kernels/layout.ts";
import { NORM_PIECE } from "../../ops/optimizer.ts";
import { constant, countOf, dimOf } from "../affine.ts";
import { cacheKernel } from "./layers.ts";
import {
  both,
  costOf,
  ELEMENTS,
  float,
  floatSlot,
  int,
  type KernelRow,
  pieces,
  read,
  row,
  work,
  write,
} from "./work.ts";

export const stateKernels = {
  store: row((node) => {
    const [target, x] = node.inputs;
    const [r, c] = [dimOf(x.shape[0]), countOf(x.shape.slice(1))];
    const rest = [constant(1), constant(1), c, constant(1), constant(0), constant(0), constant(0)];
    return work("copy", [read(x), write(target), ...[r, c, ...rest].map(int)], r, c);
  }),
  accumulate: row((node) => {
    const [state, x] = node.inputs;
    const n = countOf(x.shape);
    return {
      kernel: "accumulate",
      operands: [both(state), read(x), int(n)],
      units: pieces(n, ELEMENTS),
      cost: () => ELEMENTS,
    };
  }),
  cache_write: row((node) => {
    const [cache, x, position, sequence, sequences] = node.inputs;
    const { context, caches, capacity } = node.attributes as Record<string, number>;
    const [t, c, s] = [x.shape[0], x.shape[1], sequences.shape[0]].map(dimOf);
    const operands = [read(x), both(cache), read(position), read(sequence), read(sequences)];
    return work(
      cacheKernel("cache_write", cache.dtype),
      [...operands, ...[t, c, s, ...[context, caches, capacity].map(constant)].map(int)],
      t,
      c,
    );
  }),
  sum_squares: row((node) => {
    const [target, x] = node.inputs;
    const n = countOf(x.shape);
    const into = { ...write(target), byteOffset: 4 * (node.attributes.first as number) };
    return {
      kernel: "sum_squares",
      operands: [read(x), into, int(n)],
      units: pieces(n, NORM_PIECE),
      cost: () => NORM_PIECE,
    };
  }),
  optimizer_schedule: row((node) => {
    const [schedule, weightSum, parts] = node.inputs;
    const { maxNorm, beta1, beta2 } = node.attributes as Record<string, number>;
    const operands = [
      read(parts),
      both(weightSum),
      both(schedule),
      int(countOf(parts.shape)),
      float(maxNorm),
      float(beta1),
      float(beta2),
    ];
    return {
      kernel: "optimizer_schedule",
      operands,
      units: constant(1),
      cost: costOf(countOf(parts.shape), 1),
    };
  }),
  adamw: row((node) => {
    const [parameter, gradient, m, v, schedule] = node.inputs;
    const { beta1, beta2, eps, weightDecay } = node.attributes as Record<string, number>;
    const n = countOf(parameter.shape);
    const memory = [both(parameter), both(gradient), both(m), both(v), read(schedule)];
    const floats = [floatSlot(layout.SLOT_LEARNING_RATE), ...[beta1, beta2, eps, weightDecay].map(float)];
    return {
      kernel: "adamw",
      operands: [...memory, int(n), ...floats],
      units: pieces(n, ELEMENTS),
      cost: () => 8 * ELEMENTS,
    };
  }),
} satisfies Record<string, KernelRow>;
