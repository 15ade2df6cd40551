import { spawnSync } from "node:child_process";
import path from "node:path";
import { afterEach, expect, test } from "vitest";
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
  results,
  STATE,
} from "./plans.ts";

const hosts: Host[] = [];
afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.close()));
});

async function load(made: Image, threads: number, inProcess = false): Promise<Host> {
  const host = await createHost({ bytes: made.bytes, threads, inProcess });
  hosts.push(host);
  made.load(host.memory);
  await host.open(made.setup);
  return host;
}

/** A plan that takes `seconds` or so on one thread. */
function long(threads: number, seconds = 20): Image {
  const [m, k, n] = [4096, 1024, 64];
  const matmul = instruction(
    "matmul",
    m,
    [
      at(ARENA, 0, 4096, "r"),
      at(ARENA, 4096, 4096, "r"),
      at(ARENA, 8192, 4 * m * n, "w"),
      ...[1, m, n, k, 0, 0, 1, 0, 1, 0, 0].map(int),
    ],
    { cost: n * k },
  );
  const instructions = Array<Instruction>(4 * seconds).fill(matmul);
  return image([{ scratch: 0, instructions }], { arena: 8192 + 4 * m * n, threads });
}

const fillState = (value: number, n: number) =>
  instruction("fill", Math.ceil(n / 1024), [at(STATE, 0, 4 * n, "w"), int(n), float(value)]);

async function errorOf(work: Promise<unknown>): Promise<PlanError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PlanError);
  return error as PlanError;
}

test("1, 2 and 3 threads and the in-process host give the same bits", async () => {
  const expected = new Map<number, string>();
  for (const [threads, inProcess] of [
    [1, true],
    [1, false],
    [2, false],
    [3, false],
  ] as const) {
    const made = chainImage({ threads });
    const host = await load(made, threads, inProcess);
    for (const rows of [1, 2, 17, 64]) {
      host.control.setSlots({ rows });
      for (let i = 0; i < 20; i++) await host.run(made.plans[0], 0, 9);
      const got = results(host.memory, made);
      if (inProcess) expected.set(rows, got);
      else expect(got).toEqual(expected.get(rows));
    }
  }
});

test.each([false, true])(
  "runs asked for at once are done in their turns, in process: %s",
  async (inProcess) => {
    const threads = inProcess ? 1 : 2;
    const add = instruction("accumulate", 1, [
      at(ARENA, 0, 4096, "rw"),
      at(STATE, 0, 4096, "r"),
      int({ a: 0, slot: layout.SLOT_ROWS, b: 1 }),
    ]);
    const made = image([{ scratch: 0, instructions: [fillState(1, 1024), add] }], {
      threads,
      maxima: { rows: 64 },
    });
    const host = await load(made, threads, inProcess);
    const { signal } = new AbortController();
    const runs = Array.from({ length: 64 }, (_, i) =>
      host.run(made.plans[0], 0, 2, { slots: { rows: i + 1 }, ...(i % 2 ? { signal } : {}) }),
    );
    await Promise.all(runs);
    const sums = [...new Float32Array(host.memory, made.address(ARENA), 65)];
    expect(sums).toEqual(Array.from({ length: 65 }, (_, i) => 64 - i));
  },
);

test.each([1, 2])(
  "an abort is honoured in the middle of an instruction on %i threads, and the host works on",
  async (threads) => {
    const made = long(threads);
    const host = await load(made, threads);
    // a thread that waits for the other stops between instructions: not every time
    for (let unit = 0; unit === 0; unit = host.control.cursor.unit) {
      const controller = new AbortController();
      const run = host.run(made.plans[0], 0, 80, { signal: controller.signal }).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      let turns = 0; // the main thread is free meanwhile
      const timer = setInterval(() => turns++, 5);
      while (turns < 3) await new Promise((resolve) => setTimeout(resolve, 5));
      clearInterval(timer);
      controller.abort(new Error("enough"));
      expect(String(await run)).toBe("Error: enough");
      expect(host.control.cursor.status).toBe(layout.STATUS_ABORTED);
    }
    await host.run(made.plans[0], 0, 1);
  },
);

test("a signal that has been given already, and abort() without a signal", async () => {
  const made = long(2);
  const host = await load(made, 2);
  await expect(host.run(made.plans[0], 0, 80, { signal: AbortSignal.abort() })).rejects.toThrow(/aborted/);
  const run = host.run(made.plans[0], 0, 80);
  setTimeout(() => host.abort(), 50);
  await expect(run).rejects.toThrow(/the run was aborted/);
});

test("a failure on one thread stops all", async () => {
  const made = chainImage({ threads: 3 });
  const host = await load(made, 3);
  host.control.setSlots({ rows: 64 });
  new Uint32Array(host.memory, made.address(IO), 64)[63] = 19; // only the last thread meets it
  for (let i = 0; i < 10; i++) {
    const { message } = await errorOf(host.run(made.plans[0], 0, 9));
    expect(message).toMatch(/embedding_f32\).*the token is not in the vocabulary \(value 19, limit 19\)/);
  }
  new Uint32Array(host.memory, made.address(IO), 64)[63] = 0;
  await host.run(made.plans[0], 0, 9);
});

test("a trap on a helper poisons the host until it is opened again", async () => {
  const plan = {
    scratch: 0,
    instructions: [instruction("fill", 2, [at(STATE, 0, 8192, "w"), int(2048), float(1)])],
  };
  const made = image([plan], { threads: 2, state: 8192 });
  const host = await load(made, 2);
  // what no plan that was checked can do: memory that ends in the second thread's unit
  const words = new Uint32Array(host.memory, made.plans[0], 64);
  const operand = 4 + layout.INSTRUCTION_HEADER_WORDS;
  const good = words[operand + 1];
  words[operand + 1] = host.memory.byteLength - made.address(STATE) - 4096;
  const error = await errorOf(host.run(made.plans[0], 0, 1));
  expect(error.record.code).toBe(layout.ERROR_TRAP);
  expect(error.message).toMatch(/\(fill\).*trapped.*thread 1: RuntimeError: memory access out of bounds/);
  expect((await errorOf(host.run(made.plans[0], 0, 1))).message).toBe(error.message);
  words[operand + 1] = good;
  await host.open();
  for (let i = 0; i < 10; i++) await host.run(made.plans[0], 0, 1);
  expect([...new Set(new Float32Array(host.memory, made.address(STATE), 2048))]).toEqual([1]);
});

test("a trap in a call, an export that is not there, a plan that is refused", async () => {
  const made = image([{ scratch: 0, instructions: [fillState(1, 8)] }], { threads: 2 });
  const host = await load(made, 2);
  expect((await errorOf(host.call("pack_f32_r16", [0xfffffff0, 0, 16, 16]))).message).toMatch(
    /out of bounds/,
  );
  await host.open();
  await expect(host.call("no_such_export")).rejects.toThrow(
    'host: the wasm exports no function "no_such_export"',
  );
  await host.run(made.plans[0], 0, 1);
  new Uint32Array(host.memory, made.plans[0])[0] = 1;
  expect((await errorOf(host.open())).record.code).toBe(layout.ERROR_BAD_PLAN);
  expect((await errorOf(host.run(made.plans[0], 0, 1))).record.code).toBe(layout.ERROR_CONTROL);
});

test("closing ends what is running and what comes after", async () => {
  const made = long(2);
  const host = await load(made, 2);
  const run = host.run(made.plans[0], 0, 80).catch((error: Error) => error.message);
  await new Promise((resolve) => setTimeout(resolve, 50));
  await host.close();
  expect(await run).toBe("host: closed");
  await expect(host.run(made.plans[0], 0, 1)).rejects.toThrow("host: closed");
  await host.close();
});

test("sizes and numbers of threads that cannot be are refused", async () => {
  await expect(createHost({ bytes: 65536, threads: 17 })).rejects.toThrow(
    "host: 17 threads; there can be 1 … 16",
  );
  await expect(createHost({ bytes: 65536, threads: 2, inProcess: true })).rejects.toThrow(
    "in-process hosts have one thread",
  );
  await expect(createHost({ bytes: 2 ** 33 })).rejects.toThrow(/host: memory of 8589934592 bytes/);
});

test("a process that forgets to close its host ends", () => {
  const built = path.resolve(import.meta.dirname, "../../dist/src/engine/host/host.js");
  const program = `
    const { createHost } = await import(${JSON.stringify(built)});
    const host = await createHost({ bytes: 1 << 20, threads: 3 });
    await host.open().catch(() => console.log("refused"));`;
  const { stdout, status } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    timeout: 600_000, // it hangs
  });
  expect([String(stdout).trim(), status]).toEqual(["refused", 0]);
});
