import { describe, expect, it } from "vitest";
import {
  ERROR_NONE,
  ERROR_OPERAND_BYTES,
  ERROR_SCRATCH,
  ERROR_SEQUENCE,
  NO_ADAPTER,
  SEQUENCE_ADAPTER,
  SEQUENCE_BYTES,
  SEQUENCE_FIRST_ROW,
  SEQUENCE_ROWS,
  SEQUENCE_SCALE,
} from "../../kernels/layout.ts";
import { call, scratchOf, split } from "./harness.ts";
import { closeTo, values } from "./products.ts";

interface Sequence {
  readonly first: number;
  readonly rows: number;
  readonly adapter: number;
  readonly scale: number;
}

function table(sequences: readonly Sequence[]): Uint8Array {
  const bytes = new Uint8Array(sequences.length * SEQUENCE_BYTES);
  const view = new DataView(bytes.buffer);
  sequences.forEach((sequence, i) => {
    view.setUint32(i * SEQUENCE_BYTES + SEQUENCE_FIRST_ROW, sequence.first, true);
    view.setUint32(i * SEQUENCE_BYTES + SEQUENCE_ROWS, sequence.rows, true);
    view.setUint32(i * SEQUENCE_BYTES + SEQUENCE_ADAPTER, sequence.adapter, true);
    view.setFloat32(i * SEQUENCE_BYTES + SEQUENCE_SCALE, sequence.scale, true);
  });
  return bytes;
}

/** Rows 0–4, 5, 6–8 (no adapter), none for 9, 10–12 with the first one's adapter. */
const SEQUENCES: readonly Sequence[] = [
  { first: 0, rows: 5, adapter: 2, scale: 0.5 },
  { first: 5, rows: 1, adapter: 0, scale: 2 },
  { first: 6, rows: 3, adapter: NO_ADAPTER, scale: 3 },
  { first: 10, rows: 3, adapter: 2, scale: 1.25 },
];
const T = 13;
const ADAPTERS = 3;
const SHAPES = [
  [1, 1],
  [4, 16],
  [8, 37],
  [16, 300],
  [17, 4],
  [64, 64],
  [300, 8],
] as const; // n, k

function sequenceOf(row: number): Sequence | undefined {
  return SEQUENCES.find((s) => s.adapter !== NO_ADAPTER && row >= s.first && row < s.first + s.rows);
}

interface Run {
  readonly kernel: string;
  readonly inputs: readonly [Float32Array, Float32Array];
  readonly out: Float32Array;
  readonly n: number;
  readonly k: number;
  readonly acc: number;
  readonly scaled: number;
}

function run(r: Run, parts: number, sequences: readonly Sequence[] = SEQUENCES, t = T): Float32Array {
  const out = r.out.slice();
  const units = r.kernel.endsWith("grad_w") ? Math.ceil(r.k / 16) : t;
  const scalars = [t, sequences.length, r.k, r.n, ADAPTERS, r.acc, r.scaled];
  const scratch = scratchOf(r.kernel, t, r.k, r.n);
  expect(call(r.kernel, [...r.inputs, out, table(sequences), ...scalars], split(units, parts), scratch)).toBe(
    ERROR_NONE,
  );
  return out;
}

describe.each(["adapter_linear", "adapter_linear_grad_x"])("%s", (kernel) => {
  const backward = kernel.endsWith("grad_x");
  it("is each row's own product with its own scale, the same in any split and any grouping", () => {
    for (const [n, k] of SHAPES)
      for (const acc of [0, 1])
        for (const scaled of [0, 1]) {
          const [inner, outer] = backward ? [n, k] : [k, n];
          const x = values(T * inner, 1);
          const bank = values(ADAPTERS * n * k, 2);
          const start = values(T * outer, 3);
          const r: Run = { kernel, inputs: [x, bank], out: start, n, k, acc, scaled };
          const y = run(r, 1);
          const expected = Float64Array.from(start, (value, index) => {
            const row = Math.floor(index / outer);
            const column = index % outer;
            const sequence = sequenceOf(row);
            let sum = 0;
            for (let d = 0; sequence && d < inner; d++) {
              const at = backward ? d * k + column : column * k + d;
              sum += x[row * inner + d]! * bank[sequence.adapter * n * k + at]!;
            }
            return (acc ? value : 0) + (scaled ? (sequence?.scale ?? 0) : 1) * sum;
          });
          closeTo(y, expected, 2e-6 * (inner + 1), `${kernel} ${n} ${k}`);
          for (const parts of [2, 3, T]) expect(run(r, parts)).toEqual(y);
          const row = 4; // alone, as a sequence of one row
          const alone = [{ ...SEQUENCES[0]!, first: 0, rows: 1 }];
          const slice = (a: Float32Array, width: number) => a.slice(row * width, (row + 1) * width);
          expect(
            run({ ...r, inputs: [slice(x, inner), bank], out: slice(start, outer) }, 1, alone, 1),
          ).toEqual(slice(y, outer));
        }
  });
});

describe("adapter_linear_grad_w", () => {
  it("sums the rows of each adapter in ascending order, the same in any split", () => {
    for (const [n, k] of SHAPES)
      for (const acc of [0, 1])
        for (const scaled of [0, 1]) {
          const [dy, x] = [values(T * n, 1), values(T * k, 2)];
          const r: Run = {
            kernel: "adapter_linear_grad_w",
            inputs: [dy, x],
            out: values(ADAPTERS * n * k, 3),
            n,
            k,
            acc,
            scaled,
          };
          const dw = run(r, 1);
          const expected = Float64Array.from(r.out, (value, index) => {
            const adapter = Math.floor(index / (n * k));
            const [i, j] = [Math.floor((index % (n * k)) / k), index % k];
            let sum = acc ? value : 0;
            for (let row = 0; row < T; row++) {
              const sequence = sequenceOf(row);
              if (sequence?.adapter === adapter)
                sum += dy[row * n + i]! * x[row * k + j]! * (scaled ? sequence.scale : 1);
            }
            return sum;
          });
          closeTo(dw, expected, 2e-6 * (T + 1), `dW ${n} ${k}`);
          for (const parts of [2, 3]) expect(run(r, parts)).toEqual(dw);
          const [first, ...others] = SEQUENCES; // cut in two: the same sum
          const cut = [{ ...first!, rows: 2 }, { ...first!, first: 2, rows: 3 }, ...others];
          expect(run(r, 1, cut)).toEqual(dw);
        }
  });
});

describe("adapter operands", () => {
  const [n, k] = [4, 8];
  const refuse = (
    sequences: readonly Sequence[],
    kernel: string,
    scratch = 1 << 16,
    bank = values(ADAPTERS * n * k, 1),
  ) => {
    const [dy, x] = [values(T * n, 1), values(T * k, 2)];
    const operands = {
      adapter_linear: [x, bank, dy],
      adapter_linear_grad_x: [dy, bank, x],
      adapter_linear_grad_w: [dy, x, bank],
    }[kernel]!;
    return call(
      kernel,
      [...operands, table(sequences), T, sequences.length, k, n, ADAPTERS, 1, 1],
      [[0, 1]],
      scratch,
    );
  };
  it.each(["adapter_linear", "adapter_linear_grad_x", "adapter_linear_grad_w"])(
    "%s: what does not exist is refused",
    (kernel) => {
      const good = { first: 0, rows: T, adapter: 1, scale: 1 };
      expect(refuse([good], kernel)).toBe(ERROR_NONE);
      expect(refuse([good, { ...good, rows: T + 1 }], kernel)).toBe(ERROR_SEQUENCE);
      expect(refuse([{ ...good, first: 1 }], kernel)).toBe(ERROR_SEQUENCE);
      expect(refuse([{ ...good, first: 0xffffffff, rows: 2 }], kernel)).toBe(ERROR_SEQUENCE);
      expect(refuse([{ ...good, adapter: ADAPTERS }], kernel)).toBe(ERROR_SEQUENCE);
      expect(refuse([{ ...good, adapter: 0xfffffffe }], kernel)).toBe(ERROR_SEQUENCE);
      expect(refuse([good], kernel, 128)).toBe(ERROR_SCRATCH);
      expect(refuse([good], kernel, 1 << 16, values(ADAPTERS * n * k - 1, 1))).toBe(ERROR_OPERAND_BYTES);
    },
  );
});
