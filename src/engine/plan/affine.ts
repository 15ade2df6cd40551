/** Run-time sizes are affine in one slot: a + b·slot. */
import * as layout from "../../../kernels/layout.ts";
import { type Dim, type Shape, type Slot, type SlotSizes, sizeOf } from "../graph/graph.ts";

export interface Affine {
  readonly a: number;
  /** One of layout.SLOT_*. */
  readonly slot: number;
  readonly b: number;
}

const slotNumbers: Readonly<Record<Slot, number>> = {
  rows: layout.SLOT_ROWS,
  sequences: layout.SLOT_SEQUENCES,
  outputs: layout.SLOT_OUTPUTS,
};

/** The size that a slot of the control block holds. */
export function slotOf(number: number): Slot {
  return (Object.keys(slotNumbers) as Slot[]).find((slot) => slotNumbers[slot] === number)!;
}

export function constant(a: number): Affine {
  return { a, slot: layout.SLOT_NONE, b: 0 };
}

export function times({ a, slot, b }: Affine, factor: number): Affine {
  return { a: a * factor, slot, b: b * factor };
}

/** Elements of a shape of which at most one dimension is a slot. */
export function countOf(shape: Shape): Affine {
  const slots = shape.filter((dim): dim is Slot => typeof dim !== "number");
  if (slots.length > 1)
    throw new Error(`plan: a tensor (${shape}) grows with two slots; no operand can hold it`);
  const factor = shape.reduce<number>(
    (product, dim) => (typeof dim === "number" ? product * dim : product),
    1,
  );
  return slots.length ? { a: 0, slot: slotNumbers[slots[0]], b: factor } : constant(factor);
}

/** A dimension by itself. */
export function dimOf(dim: Dim): Affine {
  return countOf([dim]);
}

/** The largest value at these slot sizes. */
export function valueAt({ a, slot, b }: Affine, slots: SlotSizes): number {
  return b ? a + b * sizeOf(slotOf(slot), slots) : a;
}
