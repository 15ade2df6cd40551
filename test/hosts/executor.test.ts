import { expect, test } from "vitest";
import * as layout from "../../kernels/layout.ts";
import { PlanError } from "../../src/engine/host/errors.ts";
import { InProcessHost } from "../../src/engine/host/in_process.ts";
import type { Instruction, Plan } from "../../src/engine/plan/bytes.ts";
import {
  ARENA,
  at,
  CONSTANTS,
  chain,
  chainImage,
  float,
  type Image,
  IO,
  image,
  instruction,
  int,
  results,
  rows,
  type Sizes,
  STATE,
} from "./plans.ts";

async function opened(plans: Plan[], sizes?: Sizes): Promise<{ host: InProcessHost; made: Image }> {
  const made = image(plans, sizes);
  return { host: await load(made), made };
}

async function load(made: Image): Promise<InProcessHost> {
  const host = await InProcessHost.create(made.bytes);
  made.load(host.memory);
  host.openSync(made.setup);
  return host;
}

/** The code of the error with which `work` fails. */
async function codeOf(work: () => Promise<unknown> | unknown): Promise<number> {
  try {
    await work();
  } catch (error) {
    if (error instanceof PlanError) return error.record.code;
    throw error;
  }
  return layout.ERROR_NONE;
}

const fill = (value: number, offset = 0, n = 8) =>
  instruction("fill", Math.ceil(n / 1024), [at(ARENA, offset, 4 * n, "w"), int(n), float(value)]);
const one = (...instructions: Instruction[]): Plan => ({ scratch: 0, instructions });

test("instructions run in order, and a range runs only its own", async () => {
  const add = instruction("add", 1, [
    at(ARENA, 0, 32, "r"),
    at(ARENA, 64, 32, "r"),
    at(STATE, 0, 32, "w"),
    int(1),
    int(8),
    int(0),
    int(1),
  ]);
  const { host, made } = await opened([one(fill(2), fill(0.5, 64), add)]);
  const state = new Float32Array(host.memory, made.address(STATE), 8);
  host.runSync(made.plans[0], 0, 2);
  expect([...state]).toEqual(Array(8).fill(0));
  host.runSync(made.plans[0], 2, 3);
  expect([...state]).toEqual(Array(8).fill(2.5));
  expect(host.control.counters).toEqual([
    { kernel: "add", calls: 1, units: 1, cost: 1 },
    { kernel: "fill", calls: 2, units: 2, cost: 2 },
  ]);
  expect(host.control.cursor.status).toBe(layout.STATUS_DONE);
});

test("slots set sizes and values", async () => {
  const plan = one(
    instruction("iota", rows(), [at(ARENA, 0, rows(8), "w"), int(rows()), int(2), int(0)]),
    instruction("fill", 1, [at(STATE, 0, 4, "w"), int(1), float(7, layout.SLOT_LEARNING_RATE)]),
  );
  const { host, made } = await opened([plan]);
  host.control.setSlots({ rows: 3, learning_rate: 0.125 });
  host.runSync(made.plans[0], 0, 2);
  expect([...new Float32Array(host.memory, made.address(ARENA), 8)]).toEqual([0, 0, 1, 1, 2, 2, 0, 0]);
  expect(new Float32Array(host.memory, made.address(STATE), 1)[0]).toBe(0.125);
  host.control.setSlots({ rows: 65 });
  expect(await codeOf(() => host.runSync(made.plans[0], 0, 2))).toBe(layout.ERROR_SLOT_LIMIT);
});

test("an operand moves with its slot", async () => {
  const offset = { a: 16, slot: layout.SLOT_MICRO_BATCH, b: 4 };
  const operand = {
    kind: "memory",
    region: ARENA,
    access: layout.ACCESS_WRITE,
    offset,
    bytes: { a: 4, slot: 0, b: 0 },
  } as const;
  const plan = one(instruction("fill", 1, [operand, int(1), float(3)]));
  const { host, made } = await opened([plan], { maxima: { micro_batch: 10 } });
  host.control.setSlots({ micro_batch: 2 });
  host.runSync(made.plans[0], 0, 1);
  expect([...new Float32Array(host.memory, made.address(ARENA), 8)]).toEqual([0, 0, 0, 0, 0, 0, 3, 0]);
});

test("pausing after every slice changes no bit", async () => {
  const made = chainImage();
  const whole = await load(made);
  whole.control.setSlots({ rows: 37 });
  whole.runSync(made.plans[0], 0, 9);
  expect(results(whole.memory, made)).not.toBe(results((await load(made)).memory, made));

  for (const budget of [1n, 3n * 2n ** 23n]) {
    const host = await load(made);
    host.control.setSlots({ rows: 37 });
    host.control.budget = budget;
    let status = host.callSync("run", made.plans[0], 0, 9, 0, 1);
    let pauses = 0;
    for (; status === layout.STATUS_PAUSED; pauses++) {
      host.control.budget = budget;
      status = host.callSync("run_on");
    }
    expect(status).toBe(layout.STATUS_DONE);
    // units: 19 + 37 + 3 + 37·4 + 3 + 37 = 247, a slice each; nothing is left to pause for after the last
    expect(pauses).toBe(budget === 1n ? 246 : 82);
    expect(results(host.memory, made)).toEqual(results(whole.memory, made));
    expect(host.control.counters).toEqual(whole.control.counters);
  }
});

test("a paused run goes on in another host from memory alone", async () => {
  const made = chainImage();
  const [whole, first] = [await load(made), await load(made)];
  for (const host of [whole, first]) host.control.setSlots({ rows: 21 });
  whole.runSync(made.plans[0], 0, 9);
  first.control.budget = 100n * 2n ** 23n;
  expect(first.callSync("run", made.plans[0], 0, 9, 0, 1)).toBe(layout.STATUS_PAUSED);
  const second = await InProcessHost.create(made.bytes);
  new Uint8Array(second.memory).set(new Uint8Array(first.memory));
  second.control.budget = 2n ** 64n - 1n;
  expect(second.callSync("run_on")).toBe(layout.STATUS_DONE);
  expect(results(second.memory, made)).toEqual(results(whole.memory, made));
});

test("what is not paused cannot go on, and an aborted run stops", async () => {
  const { host, made } = await opened([one(fill(1), fill(2))]);
  expect(host.callSync("run_on")).toBe(layout.STATUS_FAILED);
  host.control.abort = true;
  expect(host.callSync("run", made.plans[0], 0, 2, 0, 1)).toBe(layout.STATUS_ABORTED);
  host.runSync(made.plans[0], 0, 2);
});

test("a signal stops an in-process run between slices", async () => {
  const m = 4000;
  const matmul = instruction(
    "matmul",
    m,
    [
      at(ARENA, 0, 4096, "r"),
      at(ARENA, 4096, 4096, "r"),
      at(ARENA, 8192, 4 * m * 64, "w"),
      int(1),
      int(m),
      int(64),
      int(1024),
      int(0),
      int(0),
      int(1),
      int(0),
      int(1),
      int(0),
      int(0),
    ],
    { cost: 65536 },
  );
  const { host, made } = await opened([one(...Array<Instruction>(8).fill(matmul))], {
    arena: 8192 + 4 * m * 64,
  });
  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error("enough")), 0);
  await expect(host.run(made.plans[0], 0, 8, { signal: controller.signal })).rejects.toThrow("enough");
  // pieces of some 20 ms: it ends in the first instruction, after one or two of them
  const { offset, unit } = host.control.cursor;
  expect(offset).toBe(4 * layout.PLAN_HEADER_WORDS);
  expect(unit).toBeGreaterThan(0);
  expect(unit * 65536).toBeLessThanOrEqual(2 * 2 ** 24);
});

const refused: [string, number, Instruction][] = [
  ["an unknown opcode", layout.ERROR_BAD_PLAN, { ...fill(1), opcode: 95 }],
  ["an operand too few", layout.ERROR_BAD_PLAN, instruction("fill", 1, [at(ARENA, 0, 4, "w"), int(1)])],
  [
    "a scalar for a float",
    layout.ERROR_BAD_PLAN,
    instruction("fill", 1, [at(ARENA, 0, 4, "w"), int(1), int(1)]),
  ],
  [
    "a region that is too small",
    layout.ERROR_REGION,
    instruction("fill", 1, [at(ARENA, 65536 - 4, 8, "w"), int(1), float(1)]),
  ],
  [
    "a size that outgrows its region at the slot's maximum",
    layout.ERROR_REGION,
    instruction("fill", 1, [at(ARENA, 0, rows(1025), "w"), int(1), float(1)]),
  ],
  [
    "a size that wraps",
    layout.ERROR_REGION,
    instruction("fill", 1, [at(ARENA, 0, rows(2 ** 26), "w"), int(1), float(1)]),
  ],
  [
    "an offset that wraps",
    layout.ERROR_REGION,
    instruction("fill", 1, [at(ARENA, 2 ** 32 - 4, 8, "w"), int(1), float(1)]),
  ],
  [
    "a write to constants",
    layout.ERROR_PERMISSION,
    instruction("fill", 1, [at(CONSTANTS, 0, 4, "w"), int(1), float(1)]),
  ],
  [
    "a write to the plans",
    layout.ERROR_PERMISSION,
    instruction("fill", 1, [at(layout.REGION_PLANS, 0, 4, "w"), int(1), float(1)]),
  ],
  [
    "a write to the control block",
    layout.ERROR_PERMISSION,
    instruction("fill", 1, [at(layout.REGION_CONTROL, 0, 4, "w"), int(1), float(1)]),
  ],
  [
    "a result that may only be read",
    layout.ERROR_PERMISSION,
    instruction("fill", 1, [at(CONSTANTS, 0, 4, "r"), int(1), float(1)]),
  ],
  [
    "tokens under the result",
    layout.ERROR_PERMISSION,
    instruction("embedding_f32", 1, [
      at(IO, 0, 4, "r"),
      at(CONSTANTS, 0, 64, "r"),
      at(IO, 0, 64, "w"),
      int(1),
      int(16),
      int(1),
    ]),
  ],
  ["units that are no i32", layout.ERROR_DIMENSION, { ...fill(1), units: { a: 2 ** 31, slot: 0, b: 0 } }],
];

test.each(refused)("open refuses %s", async (_, code, bad) => {
  expect(await codeOf(() => opened([one(fill(1)), one(fill(1), bad)]))).toBe(code);
});

test("open refuses more scratch than there is, and a control block that is wrong", async () => {
  expect(await codeOf(() => opened([{ scratch: 32769, instructions: [] }]))).toBe(layout.ERROR_SCRATCH);
  const made = image([one(fill(1))]);
  const [first, ...rest] = made.setup.regions;
  const changed: Image["setup"][] = [
    { ...made.setup, regions: [...rest, first] },
    {
      ...made.setup,
      regions: made.setup.regions.map((region, i) => (i === ARENA ? { ...region, bytes: 2 ** 31 } : region)),
    },
    {
      ...made.setup,
      regions: made.setup.regions.map((region, i) => (i === 1 ? { ...region, bytes: 64 } : region)),
    },
  ];
  for (const setup of changed) {
    const host = await InProcessHost.create(made.bytes);
    made.load(host.memory);
    expect(await codeOf(() => host.openSync(setup))).toBe(layout.ERROR_CONTROL);
    expect(await codeOf(() => host.runSync(made.plans[0], 0, 1))).toBe(layout.ERROR_CONTROL);
  }
});

test("errors say where, which rule, and the values", async () => {
  const { host, made } = await opened([
    one(fill(1), instruction("fill", 1, [at(ARENA, 0, 8, "w"), int(3), float(1)])),
  ]);
  expect(() => host.runSync(made.plans[0], 0, 2)).toThrow(
    /^plan at 0x5000, instruction at \+0x6c \(fill\), operand 0: the kernel needs more bytes than the operand has \(value 12, limit 8\)$/,
  );
  expect(await codeOf(() => host.runSync(made.plans[0] + 4, 0, 1))).toBe(layout.ERROR_BAD_PLAN);
  expect(await codeOf(() => host.runSync(made.plans[0], 0, 3))).toBe(layout.ERROR_BAD_PLAN);
  expect(await codeOf(() => host.runSync(made.plans[0], 2, 1))).toBe(layout.ERROR_BAD_PLAN);
});

test("data that becomes an address is checked as it is used", async () => {
  const made = chainImage();
  const host = await load(made);
  host.control.setSlots({ rows: 5 });
  new Uint32Array(host.memory, made.address(IO), 5)[4] = 19;
  expect(() => host.runSync(made.plans[0], 0, chain().instructions.length)).toThrow(
    /embedding_f32\).*operand 0: the token is not in the vocabulary \(value 19, limit 19\)/,
  );
});

test("after a trap nothing runs until the program is opened again", async () => {
  const { host, made } = await opened([one(fill(1))]);
  expect(await codeOf(() => host.callSync("pack_f32_r16", 0xfffffff0, 0, 16, 16))).toBe(layout.ERROR_TRAP);
  expect(await codeOf(() => host.runSync(made.plans[0], 0, 1))).toBe(layout.ERROR_TRAP);
  host.openSync();
  host.runSync(made.plans[0], 0, 1);
});
