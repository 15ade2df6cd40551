/**
 * What threads did wrong once: barriers passed early, failures and aborts reported as done, and five races. Run as the engine comes, and
 * with its baseline compiler alone, whose code for the wait instruction was the cause of the first three (V8 11.3).
 */
import { expect, onTestFinished, test } from "vitest";
import * as layout from "../../kernels/layout.ts";
import { PlanError } from "../../src/engine/host/errors.ts";
import { createHost, type Host } from "../../src/engine/host/host.ts";
import type { Instruction } from "../../src/engine/plan/bytes.ts";
import {
  ARENA,
  at,
  chainImage,
  float,
  type Image,
  IO,
  image,
  instruction,
  int,
  STATE,
  WHOLE_SLICE,
} from "./plans.ts";

const PRODUCT = 8192;
const [M, K, N] = [128, 1024, 1024];

/** `units` rows of a product with N or fewer columns, each a slice of its own; a single unit is thread 1's alone. */
function product(units: number, { barrier = true, columns = N } = {}): Instruction {
  const operands = [
    at(ARENA, 0, 4096, "r"),
    at(ARENA, 4096, 4096, "r"),
    at(ARENA, PRODUCT, 4 * M * columns, "w"),
    ...[1, M, columns, K, 0, 0, 1, 0, 1, 0, 0].map(int),
  ];
  return instruction("matmul", units, operands, { barrier, cost: WHOLE_SLICE });
}

const fill = (units: number, floats: number, value: number, barrier = true) =>
  instruction("fill", units, [at(STATE, 0, 4 * floats, "w"), int(floats), float(value)], { barrier });

function imageOf(instructions: Instruction[]): Image {
  return image([{ scratch: 0, instructions }], {
    arena: PRODUCT + 4 * M * N + 65536,
    state: 16384,
    threads: 2,
  });
}

async function open(made: Image): Promise<Host> {
  const host = await createHost({ bytes: made.bytes, threads: 2 });
  onTestFinished(() => host.close());
  made.load(host.memory);
  await host.open(made.setup);
  return host;
}

/** "done", or what the run was rejected with. */
function outcome(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "done",
    (error: Error) => error.message,
  );
}

/** Keeps this thread from reading messages for so long. */
function hold(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

/** Many sleeps of a waiting thread: 64 products that thread 1 does alone. */
const longOnThreadOne = [product(1), ...Array.from({ length: 63 }, () => product(1, { barrier: false }))];

export function threadCases(): void {
  test("a thread that sleeps at a barrier goes on only after the other has arrived", async () => {
    const instructions = [
      fill(2, 2048, 1),
      ...longOnThreadOne,
      fill(1, 1024, 7, false), // thread 1, after all that
      instruction("accumulate", 2, [at(STATE, 8192, 8192, "rw"), at(STATE, 0, 8192, "r"), int(2048)]),
    ];
    const made = imageOf(instructions);
    const host = await open(made);
    const state = new Float32Array(host.memory, made.address(STATE), 4096);
    for (let i = 0; i < 6; i++) {
      state.fill(0);
      await host.run(made.plans[0], 0, instructions.length);
      expect([state[2048], state[3072]]).toEqual([7, 1]);
    }
  });

  test("a failure on thread 0 while thread 1 is at work is reported", async () => {
    const operands = [
      at(IO, 0, 256, "r"),
      at(STATE, 0, 4 * 19 * 4, "r"),
      at(ARENA, PRODUCT + 4 * M * N, 64 * 16, "w"),
    ];
    const look = instruction("embedding_f32", 64, [...operands, int(64), int(4), int(19)], {
      barrier: false,
    });
    const made = imageOf([...longOnThreadOne, look]);
    const host = await open(made);
    new Uint32Array(host.memory, made.address(IO), 64)[0] = 19; // thread 0 meets it
    for (let i = 0; i < 6; i++)
      expect(await outcome(host.run(made.plans[0], 0, 65))).toMatch(/the token is not in the vocabulary/);
  });

  test("an aborted run is rejected", async () => {
    const last = 2000;
    const made = imageOf([
      ...Array.from({ length: last }, () => product(1, { barrier: false })),
      fill(2, 2048, 5),
    ]);
    const host = await open(made);
    await host.run(made.plans[0], 0, 1); // both threads are up
    const state = new Float32Array(host.memory, made.address(STATE), 2048);
    for (let i = 0; i < 6; i++) {
      state.fill(0);
      const controller = new AbortController();
      const run = outcome(host.run(made.plans[0], 0, last + 1, { signal: controller.signal }));
      setTimeout(() => controller.abort(new Error("enough")), 20);
      expect(await run).toBe("enough");
      expect([state[0], state[1024]]).toEqual([0, 0]);
    }
    await host.run(made.plans[0], last, last + 1);
    expect([state[0], state[1024]]).toEqual([5, 5]);
  });

  test("a call that traps after a refused open ends", async () => {
    const made = imageOf([fill(1, 8, 1)]);
    const host = await createHost({ bytes: made.bytes, threads: 2 });
    onTestFinished(() => host.close());
    made.load(host.memory);
    new Uint32Array(host.memory, made.plans[0])[0] = 1;
    expect(await outcome(host.open(made.setup))).toMatch(/magic, length, opcode or operands/);
    expect(await outcome(host.call("pack_f32_r16", [0xfffffff0, 0, 16, 16]))).toMatch(/trapped/);
  });

  test("an abort that is taken back while threads see it stops the whole run", async () => {
    const made = imageOf(Array.from({ length: 4 }, () => product(M, { columns: 64 })));
    const host = await open(made);
    const seen = new Set<string>();
    for (let i = 0; i < 100; i++) {
      const run = outcome(host.run(made.plans[0], 0, 4));
      await new Promise((resolve) => setTimeout(resolve, i % 10));
      host.abort();
      hold(0.05 * (i % 20));
      host.control.abort = false;
      seen.add(await run);
    }
    // nobody may have seen it; but whoever goes on, all do
    expect(["done", "host: the run was aborted"]).toEqual(expect.arrayContaining([...seen]));
  });

  test("a helper's trap poisons the host, with its words, whichever message is read first", async () => {
    const made = imageOf([fill(2, 2048, 1)]);
    const host = await open(made);
    await host.run(made.plans[0], 0, 1);
    // what no plan that was checked can do: memory that ends in the second thread's unit
    const words = new Uint32Array(host.memory, made.plans[0], 64);
    const operand = 4 + layout.INSTRUCTION_HEADER_WORDS + 1;
    const good = words[operand];
    for (let i = 0; i < 6; i++) {
      words[operand] = host.memory.byteLength - made.address(STATE) - 4096;
      const run = outcome(host.run(made.plans[0], 0, 1));
      for (let turn = 0; turn < 8; turn++) await Promise.resolve();
      if (i % 2) hold(100); // both messages wait
      const message = await run;
      expect(message).toMatch(/\(fill\).*trapped.*thread 1: RuntimeError: memory access out of bounds/);
      expect(await outcome(host.run(made.plans[0], 0, 1))).toBe(message);
      words[operand] = good;
      await host.open();
      expect(await outcome(host.run(made.plans[0], 0, 1))).toBe("done");
    }
  });

  test("traps on both threads are both told", async () => {
    const made = imageOf([fill(2, 2048, 1)]);
    const host = await open(made);
    const words = new Uint32Array(host.memory, made.plans[0], 64);
    words[4 + layout.INSTRUCTION_HEADER_WORDS + 1] = host.memory.byteLength - made.address(STATE) - 4;
    const message = await outcome(host.run(made.plans[0], 0, 1));
    expect(message).toMatch(/trapped.*thread [01]: RuntimeError/);
    expect(await outcome(host.run(made.plans[0], 0, 1))).toBe(message);
  });

  test("a run that one thread alone refuses ends on all", async () => {
    const made = chainImage({ threads: 2 });
    const host = await open(made);
    const seen = new Set<string>();
    for (let i = 0; i < 400; i++) {
      const run = outcome(host.run(made.plans[0], 0, 9, { slots: { rows: 64 } }));
      for (let turn = 0; turn < 4; turn++) await Promise.resolve();
      hold(0.004 * (i % 50));
      host.control.setSlots({ rows: 65 }); // misuse: while threads are at work
      seen.add(await run);
    }
    // a kernel may see the change as well; nothing traps
    for (const message of seen) expect(message).toMatch(/^done$|\(value \d+, limit \d+\)$/);
    expect(await outcome(host.run(made.plans[0], 0, 9, { slots: { rows: 64 } }))).toBe("done");
  });

  test("the error record is of one failure, where two threads fail in different instructions", async () => {
    // thread 0 fails in the first look-up (its half of the rows), thread 1 in the second: neither waits for the other
    const look = (offset: number, table: number) =>
      instruction(
        "embedding_f32",
        64,
        [
          at(IO, offset, 256, "r"),
          at(STATE, 0, 4 * table * 4, "r"),
          at(ARENA, 0, 64 * 16, "w"),
          ...[64, 4, table].map(int),
        ],
        { barrier: false },
      );
    const made = imageOf([look(0, 19), look(256, 23)]);
    const host = await open(made);
    const tokens = new Uint32Array(host.memory, made.address(IO), 128);
    tokens[0] = 19;
    tokens[64 + 63] = 23;
    const limits = new Set<bigint>();
    for (let i = 0; i < 200; i++) {
      const error = await host.run(made.plans[0], 0, 2).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(PlanError);
      const { record } = error as PlanError;
      limits.add(record.limit);
      expect(record.value).toBe(record.limit);
      expect(record.offset).toBe(record.limit === 19n ? FIRST : FIRST + LENGTH);
    }
    expect([19n, 23n]).toEqual(expect.arrayContaining([...limits]));
  });
}

/** Bytes before the first instruction of a plan, and of an instruction with three memory and three scalar operands. */
const FIRST = 4 * layout.PLAN_HEADER_WORDS;
const LENGTH =
  4 * (layout.INSTRUCTION_HEADER_WORDS + 3 * layout.MEMORY_OPERAND_WORDS + 3 * layout.SCALAR_OPERAND_WORDS);
