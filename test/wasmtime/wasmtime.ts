/** Runs memory images in Wasmtime, by its Python package: a host without JavaScript. */
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { asset } from "../../src/engine/host/assets.ts";

/** What is done, one after the other, to the memory: exports are called with i32 values, bytes written, copied and dumped. */
export type Step =
  | { readonly call: readonly [name: string, ...values: number[]] }
  | { readonly write: readonly [offset: number, bytes: Uint8Array] }
  | { readonly copy: readonly [from: number, to: number, bytes: number] }
  | { readonly dump: readonly [offset: number, bytes: number] };

export interface Outcome {
  /** What each call returned; null where it returns nothing. */
  readonly results: readonly (number | null)[];
  readonly dumps: readonly Uint8Array[];
}

function findPython(): string | undefined {
  const candidates = [process.env.EDGEWISE_PYTHON, "python3"].filter((name) => name !== undefined);
  return candidates.find((python) => {
    try {
      execFileSync(python, ["-c", "import wasmtime"], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  });
}

/** The Python that has Wasmtime: EDGEWISE_PYTHON, or python3; undefined where neither has. */
export const python = findPython();
export const skipReason = 'no Python with the package "wasmtime" (set EDGEWISE_PYTHON)';
if (!python) console.warn(`skipped: ${skipReason}`);

/** Runs the steps on this memory with the single-threaded wasm. Rejects where a call traps. */
export async function runInWasmtime(image: Uint8Array, steps: readonly Step[]): Promise<Outcome> {
  const directory = mkdtempSync(path.join(tmpdir(), "edgewise-wasmtime-"));
  const file = (name: string) => path.join(directory, name);
  try {
    writeFileSync(file("image"), image);
    writeFileSync(file("steps.json"), JSON.stringify(steps.map(plain)));
    const script = path.join(import.meta.dirname, "run.py");
    const files = [asset("kernels/simd.wasm"), file("image"), file("steps.json"), file("dumps")];
    const { stdout } = await promisify(execFile)(python!, [script, ...files], { maxBuffer: 2 ** 26 });
    return { results: JSON.parse(stdout), dumps: split(readFileSync(file("dumps")), steps) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function plain(step: Step): unknown[] {
  if ("write" in step) return ["write", step.write[0], Buffer.from(step.write[1]).toString("hex")];
  return Object.entries(step).flat(2);
}

function split(dumps: Uint8Array, steps: readonly Step[]): Uint8Array[] {
  let end = 0;
  return steps.flatMap((step) => {
    if (!("dump" in step)) return [];
    end += step.dump[1];
    return [dumps.subarray(end - step.dump[1], end)];
  });
}
