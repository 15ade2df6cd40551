/** Run-time sizes are affine in one slot: a + b·slot. */
import * as layout from "../../../kernels/layout.ts";
import { type Dim, type Shape, type Slot, type SlotSizes, sizeOf } from "../graph/graph.ts";

export interface Extent {
  readonly a: number;
  /** One of layout.SLOT_*. */
  readonly slot: number;
  readonly b: number;
}

export const slotNumber: Record<Slot, number> = {
  rows: layout.SLOT_ROWS,
  sequences: layout.SLOT_SEQUENCES,
  outputs: layout.SLOT_OUTPUTS,
};

export function constant(a: number): Extent {
  return { a, slot: layout.SLOT_NONE, b: 0 };
}

export function times({ a, slot, b }: Extent, factor: number): Extent {
  return { a: a * factor, slot, b: b * factor };
}

/** The product of dimensions of which at most one is a slot. */
export function extentOf(shape: Shape): Extent {
  const slots = shape.filter((dim): dim is Slot => typeof dim !== "number");
  if (slots.length > 1)
    throw new Error(`plan: a tensor (${shape}) grows with two slots; no operand can hold it`);
  const factor = shape.reduce<number>(
    (product, dim) => (typeof dim === "number" ? product * dim : product),
    1,
  );
  return slots.length ? { a: 0, slot: slotNumber[slots[0]], b: factor } : constant(factor);
}

export function dimExtent(dim: Dim): Extent {
  return extentOf([dim]);
}

/** The largest value at these slot sizes. */
export function extentAt({ a, slot, b }: Extent, slots: SlotSizes): number {
  if (!b) return a;
  const name = (Object.keys(slotNumber) as Slot[]).find((key) => slotNumber[key] === slot)!;
  return a + b * sizeOf(name, slots);
}
