import { expect, test } from "vitest";
import * as layout from "../../kernels/layout.ts";
import { InProcessHost } from "../../src/engine/host/in_process.ts";
import { ARENA, chainImage, STATE } from "../hosts/plans.ts";
import { python, runInWasmtime, type Step, skipReason } from "./wasmtime.ts";

test.skipIf(!python)(
  `a plan gives the same bits in Wasmtime${python ? "" : ` (skipped: ${skipReason})`}`,
  async () => {
    const made = chainImage();
    const host = await InProcessHost.create(made.bytes);
    made.load(host.memory);
    host.control.write(made.setup, 1);
    const image = new Uint8Array(host.memory).slice();
    const rows = 29;
    const slots = new Uint8Array(Uint32Array.of(0, rows).buffer);
    const dumped: [number, number][] = [ARENA, STATE].map((region) => [
      made.address(region),
      made.setup.regions[region].bytes,
    ]);
    const run = { call: ["run", made.plans[0], 0, 9, 0, 1] } as const;
    const steps: Step[] = [
      { call: ["open"] },
      { write: [layout.AT_SLOTS, slots] },
      run,
      run,
      ...dumped.map((dump) => ({ dump })),
      { copy: [made.address(STATE), made.address(ARENA), 64] },
      { dump: [made.address(ARENA), 64] },
    ];
    const { results, dumps } = await runInWasmtime(image, steps);
    expect(results).toEqual([layout.ERROR_NONE, layout.STATUS_DONE, layout.STATUS_DONE]);

    host.openSync();
    host.control.setSlots({ rows });
    host.runSync(made.plans[0], 0, 9);
    host.runSync(made.plans[0], 0, 9);
    const ours = dumped.map(([offset, bytes]) => new Uint8Array(host.memory, offset, bytes));
    expect(ours[0].some((byte) => byte !== 0)).toBe(true);
    for (const i of [0, 1]) expect(Buffer.compare(dumps[i], ours[i])).toBe(0);
    expect(Buffer.compare(dumps[2], ours[1].subarray(0, 64))).toBe(0);
  },
);
