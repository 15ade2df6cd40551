/** Whatever a plan says, it ends in a status: no trap, no hang, no byte written that its operands do not grant. */
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import * as layout from "../../kernels/layout.ts";
import { PlanError } from "../../src/engine/host/errors.ts";
import { InProcessHost } from "../../src/engine/host/in_process.ts";
import {
  decode,
  encode,
  type Instruction,
  type Operand,
  opcodeNames,
  opcodeOf,
  type Plan,
} from "../../src/engine/plan/bytes.ts";
import { ARENA, chain, chainImage, type Image, IO, image, STATE } from "./plans.ts";

const SIZES = {
  arena: 16384,
  io: 2048,
  state: 4096,
  constants: 4096,
  scratch: 4096,
  maxima: { rows: 16, sequences: 3, outputs: 5 },
};
/** Enough for every plan here that does honest work; the others pause. */
const BUDGET = 2n ** 24n;

let host: InProcessHost;
beforeAll(async () => {
  host = await InProcessHost.create(2 ** 18);
});

/** Opens and runs; the status, or STATUS_FAILED where `open` refuses. Throws on a trap and on writes outside of `writable`. */
function outcome(made: Image, plan: Plan, data: number): number {
  const memory = new Uint8Array(host.memory);
  memory.fill(0);
  // small ids, so that some of them exist
  const io = new Uint32Array(host.memory, made.address(IO), SIZES.io / 4);
  for (let i = 0; i < io.length; i++) io[i] = ((i * data) >>> 3) % 7;
  for (const region of [layout.REGION_CONSTANTS, STATE, ARENA]) {
    const { offset, bytes } = made.setup.regions[region];
    for (let i = 0; i < bytes; i += 4) new Float32Array(host.memory, offset + i, 1)[0] = ((i * data) % 9) - 4;
  }
  made.load(host.memory);
  const before = memory.slice();
  try {
    host.openSync(made.setup);
  } catch (error) {
    if (!(error instanceof PlanError) || error.record.code === layout.ERROR_TRAP) throw error;
    return layout.STATUS_FAILED;
  }
  host.control.setSlots({ rows: data % 17, sequences: data % 4, outputs: data % 6, temperature: data % 3 });
  host.control.budget = BUDGET;
  const status = host.callSync("run", made.plans[0], 0, plan.instructions.length, 0, 1);
  expectOnlyGranted(made, plan, before, memory);
  return status;
}

function expectOnlyGranted(
  { address, setup, bytes }: Image,
  { instructions }: Plan,
  before: Uint8Array,
  after: Uint8Array,
) {
  const granted = new Uint8Array(bytes);
  granted.fill(1, 0, address(layout.REGION_PLANS));
  granted.fill(1, address(layout.REGION_SCRATCH), address(layout.REGION_SCRATCH) + setup.scratchBytes);
  for (const { operands } of instructions) {
    for (const operand of operands) {
      if (operand.kind !== "memory" || !(operand.access & layout.ACCESS_WRITE)) continue;
      const largest = { rows: 16, sequences: 3, outputs: 5 };
      const grow = operand.bytes.b * (Object.values(largest)[operand.bytes.slot - 1] ?? 0);
      const from = address(operand.region, operand.offset.a);
      granted.fill(1, from, from + operand.bytes.a + grow);
    }
  }
  for (let i = 0; i < after.length; i++) {
    if (before[i] !== after[i] && !granted[i])
      throw new Error(`byte ${i} was written, which no operand grants`);
  }
}

const statuses = [layout.STATUS_DONE, layout.STATUS_PAUSED, layout.STATUS_FAILED];

test("a plan with changed words", () => {
  const made = chainImage(SIZES);
  const bytes = encode(chain(1));
  const words = fc.oneof(
    fc.integer({ min: 0, max: 64 }),
    fc.constantFrom(0xffffffff, 0x80000000, 0x7fffffff, 0x40000000, 0x10000, 0x3fff),
    fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  );
  const change = fc.tuple(fc.nat(bytes.length / 4 - 1), words);
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), fc.nat(1000), (changes, data) => {
      const changed = bytes.slice();
      const view = new DataView(changed.buffer);
      for (const [word, value] of changes) view.setUint32(4 * word, value, true);
      const one = image([changed], SIZES);
      const load = (memory: ArrayBufferLike) => {
        made.load(memory);
        one.load(memory);
      };
      expect(statuses).toContain(outcome({ ...one, load }, decodedOr(changed), data));
    }),
    { numRuns: 600 },
  );
});

/** The plan, or nothing where these bytes are none (then `open` must refuse them). */
function decodedOr(bytes: Uint8Array): Plan {
  try {
    return decode(bytes);
  } catch {
    return { scratch: 0, instructions: [] };
  }
}

test("every kernel with any operands", () => {
  const regions = [IO, STATE, ARENA, layout.REGION_CONSTANTS, layout.REGION_PLANS, layout.REGION_SCRATCH];
  const region = fc.oneof(
    { weight: 20, arbitrary: fc.constantFrom(IO, STATE, ARENA) },
    { weight: 1, arbitrary: fc.constantFrom(...regions) },
  );
  const size = fc.oneof(
    { weight: 1, arbitrary: fc.nat(64) },
    { weight: 4, arbitrary: fc.constantFrom(512, 1024, 1500) },
    { weight: 1, arbitrary: fc.constantFrom(2048) },
  );
  const bytesOf: Record<number, number> = { [IO]: SIZES.io, [STATE]: SIZES.state, [ARENA]: SIZES.arena };
  const memory: fc.Arbitrary<Operand> = fc
    .tuple(region, fc.nat(2 ** 16), size, fc.nat(15))
    .map(([region, place, bytes, slot]) => ({
      kind: "memory",
      region,
      access: region === layout.REGION_CONSTANTS || region === layout.REGION_PLANS ? 1 : 3,
      // mostly inside its region
      offset: {
        a: place % 64 ? 4 * (place % Math.max(1, (bytesOf[region] - bytes) >> 2)) : 4 * place,
        slot: 0,
        b: 0,
      },
      bytes: slot >= 1 && slot <= 3 ? { a: 0, slot, b: 4 * (bytes >> 6) } : { a: bytes, slot: 0, b: 0 },
    }));
  const dimension = fc.oneof(
    { weight: 20, arbitrary: fc.integer({ min: 0, max: 6 }) },
    { weight: 3, arbitrary: fc.constantFrom(16, 32, 33, 64) },
    { weight: 1, arbitrary: fc.constantFrom(-1, -16, 2 ** 31 - 1, -(2 ** 31), 2 ** 30, 65536, 2 ** 16 + 1) },
  );
  const value = fc
    .tuple(dimension, fc.integer({ min: 0, max: 9 }))
    .map(([a, slot]) => (slot >= 1 && slot <= 3 ? { a: 0, slot, b: 1 } : { a: a >>> 0, slot: 0, b: 0 }));
  const scalar: fc.Arbitrary<Operand> = value.map((value) => ({ kind: "scalar", value }));
  const float: fc.Arbitrary<Operand> = fc
    .constantFrom(0, 1, -1, 1e-5, Number.POSITIVE_INFINITY, Number.NaN)
    .map((value) => ({ kind: "float", value, slot: 0 }));
  const call: fc.Arbitrary<Instruction> = fc.constantFrom(...opcodeNames.keys()).chain((opcode) => {
    const takes = host.callSync("signature", opcode) >>> 0;
    const list = (each: fc.Arbitrary<Operand>, length: number) =>
      fc.array(each, { minLength: length, maxLength: length });
    return fc
      .tuple(value, list(memory, takes & 15), list(scalar, (takes >> 4) & 15), list(float, (takes >> 8) & 15))
      .map(([units, ...operands]) => ({
        opcode,
        barrier: false,
        cost: 1,
        units: { ...units, a: units.a & 0x7fffffff },
        operands: operands.flat(),
      }));
  });
  const ran = new Set<number>();
  fc.assert(
    fc.property(fc.array(call, { minLength: 1, maxLength: 2 }), fc.nat(1000), (instructions, data) => {
      const plan = { scratch: 0, instructions };
      expect(statuses).toContain(outcome(image([plan], SIZES), plan, data));
      for (const { kernel } of host.control.counters) ran.add(opcodeOf.get(kernel)!);
    }),
    { numRuns: 1500 },
  );
  // most kernels get as far as doing their work
  expect(ran.size).toBeGreaterThan(opcodeNames.size / 2);
});

test("there is a signature for every opcode and for nothing else", () => {
  for (let opcode = 0; opcode < 0x1000; opcode++) {
    expect(host.callSync("signature", opcode) !== 0, `opcode ${opcode}`).toBe(opcodeNames.has(opcode));
  }
});
