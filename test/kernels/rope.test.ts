import { describe, expect, test } from "vitest";
import { ERROR_DIMENSION, ERROR_OPERAND_BYTES, ERROR_POSITION } from "../../kernels/layout.ts";
import { call } from "./harness.ts";
import { expectClose, floats, runParts } from "./values.ts";

const CONTEXT = 50;

function table(d: number): Float32Array {
  const rows = new Float32Array(CONTEXT * d);
  for (let position = 0; position < CONTEXT; position++)
    for (let i = 0; i < d / 2; i++) {
      const angle = position * 10000 ** ((-2 * i) / d);
      rows[position * d + i] = Math.cos(angle);
      rows[position * d + d / 2 + i] = Math.sin(angle);
    }
  return rows;
}

/** Pairs (i, i + D/2) as complex numbers times e^(i·angle). */
function reference(
  x: ArrayLike<number>,
  positions: Uint32Array,
  heads: number,
  d: number,
  direction: number,
): number[] {
  const y = Array.from(x);
  for (let row = 0; row < positions.length; row++)
    for (let head = 0; head < heads; head++)
      for (let i = 0; i < d / 2; i++) {
        const [a, b] = [(row * heads + head) * d + i, (row * heads + head) * d + d / 2 + i];
        const angle = direction * positions[row] * 10000 ** ((-2 * i) / d);
        y[a] = x[a] * Math.cos(angle) - x[b] * Math.sin(angle);
        y[b] = x[b] * Math.cos(angle) + x[a] * Math.sin(angle);
      }
  return y;
}

describe("rope", () => {
  test.each([2, 6, 8, 16, 34, 64])("D = %i", (d) => {
    for (const heads of [1, 3]) {
      const positions = Uint32Array.from([0, 1, 49, 7, 7]);
      const t = positions.length;
      const x = floats(t * heads * d, d);
      const y = new Float32Array(x.length);
      const scalars = [t, heads, d, CONTEXT];
      runParts("rope", [x, positions, table(d), y, ...scalars, 0], [3], t);
      expectClose(y, reference(x, positions, heads, d, 1), 1e-6, "y");
      const inPlace = x.slice();
      expect(call("rope", [inPlace, positions, table(d), inPlace, ...scalars, 0], [[0, t]], 0)).toBe(0);
      expect(inPlace).toEqual(y);
      runParts("rope", [x, positions, table(d), y, ...scalars, 1], [3], t);
      expectClose(y, reference(x, positions, heads, d, -1), 1e-6, "inverse");
    }
  });

  test("errors", () => {
    const [t, heads, d] = [2, 2, 4];
    const x = new Float32Array(t * heads * d);
    const memory = [x, new Uint32Array(t), table(d), x.slice()];
    const code = (memory: (Float32Array | Uint32Array)[], d = 4, end = t) =>
      call("rope", [...memory, t, heads, d, CONTEXT, 0], [[0, end]], 0);
    expect(code(memory)).toBe(0);
    for (let i = 0; i < 4; i++)
      expect(code(memory.map((array, j) => (i === j ? array.slice(1) : array)))).toBe(ERROR_OPERAND_BYTES);
    expect(code(memory, 3)).toBe(ERROR_DIMENSION);
    expect(code(memory, 4, t + 1)).toBe(ERROR_DIMENSION);
    memory[1] = Uint32Array.from([0, CONTEXT]);
    expect(code(memory)).toBe(ERROR_POSITION);
    memory[1] = Uint32Array.from([0, 0xffffffff]);
    expect(code(memory)).toBe(ERROR_POSITION);
  });
});
