/**
 * The kernel table: for every op the kernel that computes it, in which operand order, in how many units of work and at what cost. An op
 * without a row for its dtypes is expanded into its decomposition; a `view` costs nothing.
 */
import type { OpName } from "../ops/index.ts";
import { layerKernels } from "./kernels/layers.ts";
import { linearKernels } from "./kernels/linear.ts";
import { primitiveKernels } from "./kernels/primitives.ts";
import { stateKernels } from "./kernels/state.ts";
import type { KernelRow } from "./kernels/work.ts";

export const kernels: Record<OpName, KernelRow> = {
  ...primitiveKernels,
  ...stateKernels,
  ...linearKernels,
  ...layerKernels,
};
