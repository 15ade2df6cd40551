/** Rows picked by an index, and their gradient. */
import { ERROR_INDEX, ERROR_NONE } from "./layout";
import { check_units, extent, pieces } from "./extent";
import { address, fail, failed, has, scalar } from "./operands";
import { load_lanes, store_lanes } from "./tail";

/** y[o] = x[index[o]]; x (T,C), index u32[O], y (O,C). Unit: an output row. */
export function gather(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const t = scalar(o, 3);
  const outputs = scalar(o, 4);
  const c = scalar(o, 5);
  const code = check_units(o, begin, end, <u64>outputs);
  if (code != ERROR_NONE) return code;
  if (!has(o, 0, extent(t, c)) || !has(o, 1, extent(outputs)) || !has(o, 2, extent(outputs, c))) return failed();
  const bytes = <usize>c << 2;
  for (let row = <usize>begin; row < <usize>end; row++) {
    const index = load<u32>(address(o, 1) + (row << 2));
    if (index >= <u32>t) return fail(o, ERROR_INDEX, 1, index, <u64>t);
    memory.copy(address(o, 2) + row * bytes, address(o, 0) + <usize>index * bytes, bytes);
  }
  return ERROR_NONE;
}

/**
 * dx[index[o]] += dy[o], o ascending, from dx (acc) or 0; dy (O,C), index u32[O], dx (T,C).
 * Unit: 16 columns of C, so that rows with equal indices never meet on two threads.
 */
export function scatter_add(o: usize, begin: i32, end: i32, scratch: usize): i32 {
  const t = scalar(o, 3);
  const outputs = scalar(o, 4);
  const c = scalar(o, 5);
  const code = check_units(o, begin, end, pieces(c, 16));
  if (code != ERROR_NONE) return code;
  if (!has(o, 0, extent(outputs, c)) || !has(o, 1, extent(outputs)) || !has(o, 2, extent(t, c))) return failed();
  const bytes = <usize>c << 2;
  const from = <usize>begin << 6;
  const to = min(bytes, <usize>end << 6);
  if (from >= to) return ERROR_NONE;
  if (!scalar(o, 6)) {
    for (let row: usize = 0; row < <usize>t; row++) memory.fill(address(o, 2) + row * bytes + from, 0, to - from);
  }
  for (let row: usize = 0; row < <usize>outputs; row++) {
    const index = load<u32>(address(o, 1) + (row << 2));
    if (index >= <u32>t) return fail(o, ERROR_INDEX, 1, index, <u64>t);
    const dy = address(o, 0) + row * bytes;
    const dx = address(o, 2) + <usize>index * bytes;
    for (let i = from; i < to; i += 16) {
      const count = (to - i) >> 2;
      store_lanes(dx + i, f32x4.add(load_lanes(dx + i, count), load_lanes(dy + i, count)), count);
    }
  }
  return ERROR_NONE;
}
