/** Plans by hand, and a memory to put them in. */
import { createHash } from "node:crypto";
import * as layout from "../../kernels/layout.ts";
import type { ControlSetup, Slots } from "../../src/engine/host/control.ts";
import type { Affine } from "../../src/engine/plan/affine.ts";
import { encode, type Instruction, type Operand, opcodeOf, type Plan } from "../../src/engine/plan/bytes.ts";

type Size = number | Affine;

export const {
  REGION_IO: IO,
  REGION_CONSTANTS: CONSTANTS,
  REGION_STATE: STATE,
  REGION_ARENA: ARENA,
} = layout;
const accesses = {
  r: layout.ACCESS_READ,
  w: layout.ACCESS_WRITE,
  rw: layout.ACCESS_READ | layout.ACCESS_WRITE,
};

/** factor·rows */
export function rows(factor = 1): Affine {
  return { a: 0, slot: layout.SLOT_ROWS, b: factor };
}

function affine(size: Size): Affine {
  return typeof size === "number" ? { a: size, slot: layout.SLOT_NONE, b: 0 } : size;
}

export function at(region: number, offset: number, bytes: Size, access: keyof typeof accesses): Operand {
  return { kind: "memory", region, access: accesses[access], offset: affine(offset), bytes: affine(bytes) };
}

export function int(value: Size): Operand {
  return { kind: "scalar", value: affine(value) };
}

export function float(value: number, slot = layout.SLOT_NONE): Operand {
  return { kind: "float", value, slot };
}

export function instruction(
  kernel: string,
  units: Size,
  operands: Operand[],
  { barrier = true, cost = 1 } = {},
): Instruction {
  return { opcode: opcodeOf.get(kernel)!, barrier, cost, units: affine(units), operands };
}

export interface Sizes {
  readonly io?: number;
  readonly constants?: number;
  readonly state?: number;
  readonly arena?: number;
  /** Of one thread. */
  readonly scratch?: number;
  readonly threads?: number;
  readonly maxima?: Slots;
}

export interface Image {
  readonly setup: ControlSetup;
  readonly bytes: number;
  /** Address of every plan. */
  readonly plans: readonly number[];
  /** Address of an offset in a region. */
  address(region: number, offset?: number): number;
  /** Writes the plans' bytes. */
  load(memory: ArrayBufferLike): void;
}

const align = (bytes: number) => Math.ceil(bytes / 64) * 64;

/** Where everything stands for these plans (or bytes that claim to be plans). */
export function image(plans: readonly (Plan | Uint8Array)[], sizes: Sizes = {}): Image {
  const { io = 4096, constants = 4096, state = 4096, arena = 65536, scratch = 32768, threads = 1 } = sizes;
  const encoded = plans.map((plan) => (plan instanceof Uint8Array ? plan : encode(plan)));
  const planOffsets: number[] = [];
  const planBytes = encoded.reduce((end, bytes) => {
    planOffsets.push(end);
    return align(end + bytes.length);
  }, 0);
  const parts = [layout.CONTROL_BYTES, layout.CONSTANT_PAGE_BYTES, planBytes, io, constants, state, arena];
  let end = 0;
  const regions = [...parts, scratch * threads].map((bytes) => {
    const offset = end;
    end = align(end + bytes);
    return { offset, bytes };
  });
  const address = (region: number, offset = 0) => regions[region].offset + offset;
  const addresses = planOffsets.map((offset) => address(layout.REGION_PLANS, offset));
  return {
    setup: { regions, scratchBytes: scratch, maxima: sizes.maxima ?? { rows: 64 } },
    bytes: end,
    plans: addresses,
    address,
    load(memory) {
      encoded.forEach((bytes, i) => {
        new Uint8Array(memory).set(bytes, addresses[i]);
      });
    },
  };
}

/** One more than a slice's cost: every unit is a slice of its own. */
export const WHOLE_SLICE = 2 ** 23;

const [R, C, N] = [19, 20, 40];

/**
 * A chain over `rows` rows in which every instruction reads what another thread may have written: tokens are looked up in a table,
 * put through a linear map and a norm, exponentials are summed over columns and over rows, and kept in state.
 */
export function chain(cost = WHOLE_SLICE): Plan {
  const [x, y, norm, inverse, powers, sums] = [0, 0x2000, 0x6000, 0xa000, 0xb000, 0xf000];
  const all = (columns: number) => rows(4 * columns);
  const run = (name: string, units: Size, ...operands: Operand[]) =>
    instruction(name, units, operands, { cost });
  return {
    scratch: 32768,
    instructions: [
      run("iota", R, at(STATE, 0, 4 * R * C, "w"), int(R), int(C), int(1)),
      run(
        "embedding_f32",
        rows(),
        at(IO, 0, rows(4), "r"),
        at(STATE, 0, 4 * R * C, "r"),
        at(ARENA, x, all(C), "w"),
        int(rows()),
        int(C),
        int(R),
      ),
      run(
        "linear_f32",
        Math.ceil(N / 16),
        at(ARENA, x, all(C), "r"),
        at(CONSTANTS, 0, 4 * N * C, "r"),
        at(ARENA, y, all(N), "w"),
        int(rows()),
        int(C),
        int(N),
        int(0),
      ),
      run(
        "rms_norm",
        rows(),
        at(ARENA, y, all(N), "r"),
        at(CONSTANTS, 0, 4 * N, "r"),
        at(ARENA, norm, all(N), "w"),
        at(ARENA, inverse, rows(4), "w"),
        int(rows()),
        int(N),
        float(1e-5),
      ),
      run("exp", rows(), at(ARENA, norm, all(N), "r"), at(ARENA, powers, all(N), "w"), int(rows()), int(N)),
      run(
        "sum_columns",
        rows(),
        at(ARENA, powers, all(N), "r"),
        at(ARENA, sums, rows(4), "w"),
        int(rows()),
        int(N),
      ),
      run(
        "div",
        rows(),
        at(ARENA, powers, all(N), "r"),
        at(ARENA, sums, rows(4), "r"),
        at(ARENA, powers, all(N), "rw"),
        int(rows()),
        int(N),
        int(1),
        int(0),
      ),
      run(
        "sum_rows",
        Math.ceil(N / 16),
        at(ARENA, powers, all(N), "r"),
        at(STATE, 2048, 4 * N, "rw"),
        int(rows()),
        int(N),
        int(1),
      ),
      run(
        "copy",
        rows(),
        at(ARENA, powers, all(N), "r"),
        at(IO, 1024, rows(4), "w"),
        int(rows()),
        int(1),
        int(1),
        int(1),
        int(N),
        int(0),
        int(0),
        int(0),
        int(3),
      ),
    ],
  };
}

/** The chain's image with its tokens and weights written. */
export function chainImage(sizes: Sizes = {}, cost?: number): Image {
  const chained = image([chain(cost)], sizes);
  return {
    ...chained,
    load(memory) {
      chained.load(memory);
      new Uint32Array(memory, chained.address(IO), 64).forEach((_, i, tokens) => {
        tokens[i] = (i * 7) % R;
      });
      new Float32Array(memory, chained.address(CONSTANTS), N * C).forEach((_, i, weights) => {
        weights[i] = ((i * 37) % 101) / 101 - 0.5;
      });
    },
  };
}

/** io, state and arena, digested. */
export function results(memory: ArrayBufferLike, { address, setup }: Image): string {
  const { offset, bytes } = setup.regions[ARENA];
  return createHash("sha256")
    .update(new Uint8Array(memory).subarray(address(IO), offset + bytes))
    .digest("hex");
}
