/** One person's adapter within a bank: copied, checked, measured. */
import { createHash } from "node:crypto";
import type { Engine } from "../../engine/host/engine.ts";
import { type AdapterBank, adapterName } from "../../llm/models/graphs.ts";
import type { Row } from "./row.ts";

/** Linears that an adapter changes: all of a layer's. */
export const ADAPTED_ROLES = ["q", "k", "v", "o", "gate", "up", "down"] as const;

/** The values of adapter number `adapter` in one bank tensor, in place. */
export function adapterPart(engine: Engine, name: string, adapter: number): Float32Array {
  const all = engine.f32(name);
  const size = all.length / (engine.place(name).value.shape[0] as number);
  return all.subarray(adapter * size, (adapter + 1) * size);
}

/** Puts an adapter's values into its place in a bank. */
export function handOver(engine: Engine, adapter: number, values: ReadonlyMap<string, Float32Array>): void {
  for (const [name, part] of values) adapterPart(engine, name, adapter).set(part);
}

/** Frobenius norm of B·A over all linears, and a digest of the adapter's values, as they stand in the bank. */
export function adapterAudit(
  engine: Engine,
  { rank, roles }: AdapterBank,
  layers: number,
  adapter: number,
): NonNullable<Row["audit"]["adapter"]> {
  const hash = createHash("sha256");
  let squares = 0;
  for (let layer = 0; layer < layers; layer++)
    for (const role of roles) {
      const part = (half: "a" | "b") => adapterPart(engine, adapterName(layer, role, half), adapter);
      const [a, b] = [part("a"), part("b")];
      hash.update(Buffer.from(Float32Array.from(a).buffer)).update(Buffer.from(Float32Array.from(b).buffer));
      squares += productNorm(a, b, rank);
    }
  return { digest: hash.digest("hex").slice(0, 16), norm: Math.sqrt(squares), rank };
}

/** ‖B·A‖² = Σ (BᵀB)∘(A·Aᵀ); A (rank, in), B (out, rank). */
function productNorm(a: Float32Array, b: Float32Array, rank: number): number {
  const [into, out] = [a.length / rank, b.length / rank];
  let total = 0;
  for (let i = 0; i < rank; i++)
    for (let j = 0; j < rank; j++) {
      let [left, right] = [0, 0];
      for (let o = 0; o < out; o++) left += b[o * rank + i] * b[o * rank + j];
      for (let c = 0; c < into; c++) right += a[i * into + c] * a[j * into + c];
      total += left * right;
    }
  return total;
}
