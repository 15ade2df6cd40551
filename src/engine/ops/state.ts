/** Ops that write: KV cache and accumulated gradients. No gradient flows through a write. */
import { SEQUENCE_CACHE } from "../../../kernels/layout.ts";
import { cacheDtypeOf } from "../dtypes/cache.ts";
import type { Value } from "../graph/graph.ts";
import { primitive } from "./op.ts";
import { SEQUENCE_COLUMNS } from "./sequences.ts";

/**
 * Row t of x becomes the row cache·capacity + position[t] mod capacity of the cache, cache being that of the row's sequence, in the dtype
 * of the cache (dtypes/cache.ts).
 * cache (caches·capacity, C) written, x (T,C), position, sequence u32 (T), sequences (S,8)
 */
export const cacheWriteOp = primitive({
  name: "cache_write",
  writes: [0],
  infer: () => [],
  reference: ([cache, x, position, sequence, sequences], { capacity, dtype }) => {
    const columns = x.shape[1];
    for (let row = 0; row < x.shape[0]; row++) {
      const owner = sequences.data[sequence.data[row] * SEQUENCE_COLUMNS + SEQUENCE_CACHE / 4];
      const at = owner * (capacity as number) + (position.data[row] % (capacity as number));
      const values = x.data.slice(row * columns, (row + 1) * columns);
      cache.data.set(cacheDtypeOf(dtype as string).round(values), at * columns);
    }
    return [];
  },
});

/** state += x */
export const accumulateOp = primitive({
  name: "accumulate",
  writes: [0],
  infer: ([state, x]) => {
    if (state.shape.join() !== x.shape.join())
      throw new Error(`accumulate: a state (${state.shape}) cannot take (${x.shape})`);
    return [];
  },
  reference: ([state, x]) => {
    x.data.forEach((value, i) => {
      state.data[i] += value;
    });
    return [];
  },
});

/** x into a leaf of the same shape (an output, or a state). */
export const storeOp = primitive({
  name: "store",
  writes: [0],
  infer: ([target, x]) => {
    if (target.shape.join() !== x.shape.join() || target.dtype !== x.dtype)
      throw new Error(`store: ${target.dtype} (${target.shape}) cannot take ${x.dtype} (${x.shape})`);
    return [];
  },
  reference: ([target, x]) => {
    target.data.set(x.data);
    return [];
  },
});

export const accumulate = (state: Value, x: Value) => void state.node.graph.append(accumulateOp, [state, x]);
export const store = (target: Value, x: Value) => void target.node.graph.append(storeOp, [target, x]);
export function cacheWrite(
  cache: Value,
  x: Value,
  rows: { position: Value; sequence: Value; sequences: Value },
  attributes: { context: number; caches: number; capacity: number },
): void {
  const inputs = [cache, x, rows.position, rows.sequence, rows.sequences];
  cache.node.graph.append(cacheWriteOp, inputs, { ...attributes, dtype: cache.dtype });
}
