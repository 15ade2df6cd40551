import { beforeAll, describe, expect, test } from "vitest";
import { edgewise, tinyConfig, tinyModel } from "./command.ts";

let model: string;
beforeAll(async () => {
  ({ model } = await tinyModel());
});

interface Spread {
  readonly minimum: number;
  readonly lower_quartile: number;
  readonly median: number;
  readonly upper_quartile: number;
}

async function document(...options: string[]) {
  const { code, stdout, stderr } = await edgewise(["explain", model, "--json", ...options]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout);
}

describe("every page is at most 100 columns wide", () => {
  test.each([
    [["--memory", "--plan"]],
    [["--cache-type", "f16", "--n-ctx", "9000"]],
    [["--mode", "train"]],
    [["--mode", "train", "--rank", "0", "--type", "q8_0", "--memory"]],
    [["--mode", "score", "--type", "q4_0"]],
    [["--time", "--time-all"]],
  ])("%s", async (options) => {
    const { code, stdout } = await edgewise(["explain", model, ...options]);
    expect(code).toBe(0);
    const wide = stdout.split("\n").filter((line) => [...line].length > 100);
    expect(wide.filter((line) => !line.includes(model))).toEqual([]);
  });
});

test("memory adds up, the plan's and the process's, and is what generate allocates", async () => {
  const { memory, process } = await document("--n-ctx", "9");
  const { total, ...parts } = memory as Record<string, number>;
  const sum = Object.values(parts).reduce((a, b) => a + b, 0);
  expect(total).toBe(Math.ceil(sum / 65536) * 65536);
  const { stdout } = await edgewise(["generate", "-m", model, "-n", "2", "--n-ctx", "9", "--json"]);
  expect(JSON.parse(stdout).memory).toEqual(memory);
  const { measured_peak, ...predicted } = JSON.parse(stdout).process;
  expect(predicted).toEqual(process);
  const { total: all, ...shares } = process as Record<string, number>;
  expect(shares.wasm).toBe(total);
  expect(Object.values(shares).reduce((a, b) => a + b, 0)).toBe(all);
  expect(measured_peak).toBeLessThan(all);
});

test("KV cache: kind, type, rows and bytes, within the state", async () => {
  const { layers, kvHeads, headSize } = tinyConfig;
  const [f32, f16] = [
    await document("--n-ctx", "24"),
    await document("--n-ctx", "24", "--cache-type", "f16"),
  ];
  const group = {
    kind: "full",
    capacity: 24,
    caches: 1,
    layers: Array.from({ length: layers }, (_, i) => i),
  };
  const values = 2 * layers * 24 * kvHeads * headSize;
  expect(f32.caches).toEqual([{ ...group, type: "f32", bytes: 4 * values }]);
  expect(f16.caches).toEqual([{ ...group, type: "f16", bytes: 2 * values }]);
  expect(f32.memory.state - f16.memory.state).toBe(2 * values);
  const { code, stdout } = await edgewise(["explain", model, "--n-ctx", "24", "--cache-type", "f16"]);
  expect(code).toBe(0);
  expect(stdout).toMatch(new RegExp(`full +${layers} +f16 +24 +${(2 * values).toLocaleString("en")}`));
  const refused = await edgewise(["explain", model, "--cache-type", "q4_0"]);
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("f32, f16, q8_0")]);
});

test("weights: what each becomes, and why not", async () => {
  const { weights } = await document("--type", "q8_0");
  const dtypes = (weights as Record<string, string>[]).map((each) => [each.weights, each.dtype, each.reason]);
  expect(dtypes).toEqual([
    ["embedding", "q8_0_r8", ""],
    ["norms", "f32", "vectors stay f32"],
    ["attention q k v o", "q8_0_r8", ""],
    ["feed-forward gate", "q8_0_r8", ""],
    ["feed-forward up", "q8_0_r8", ""],
    ["feed-forward down", "f32_r16", "rows of 36 are no whole blocks of 32, so they stay f32"],
    ["head", "q8_0_r8", ""],
  ]);
});

test("multiply-adds are those of the formula", async () => {
  const rows = 10;
  const { work } = await document("--n-batch", String(rows));
  const { layers, channels: c, heads, kvHeads, headSize: d, feedForward: f, vocabulary } = tinyConfig;
  const layer = 2 * c * heads * d + 2 * c * kvHeads * d + 3 * c * f;
  const attention = (keys: number) => layers * 2 * heads * d * keys;
  const prompt = rows * layers * layer + (attention(1) * rows * (rows + 1)) / 2 + vocabulary * c;
  const decode = layers * layer + attention(rows + 1) + vocabulary * c;
  expect((work as { multiply_adds: number }[]).map((each) => each.multiply_adds)).toEqual([prompt, decode]);
});

test("decode reads every weight once, one row of the embedding, and its keys and values", async () => {
  const { work, weights } = await document("--n-batch", "10");
  const bytes = (weights as { weights: string; bytes: number }[])
    .filter(({ weights: name }) => name !== "embedding")
    .reduce((sum, each) => sum + each.bytes, 0);
  const decode = (work as { name: string; bytes: number }[]).find(({ name }) => name === "decode")!;
  // Activations of one row come on top: some 30 vectors of at most 300 values.
  expect(decode.bytes).toBeGreaterThan(bytes);
  expect(decode.bytes).toBeLessThan(bytes + 30_000);
});

test("time: every instruction of the plan, once, with its spread", async () => {
  const { time, plan } = await document("--time");
  for (const { instructions, passes, whole, sum, resolution } of time) {
    const list = instructions as { index: number; seconds: Spread }[];
    expect(list.map(({ index }) => index)).toEqual([...Array(plan.instructions).keys()]);
    expect(passes).toBeGreaterThanOrEqual(5);
    expect(resolution).toBeGreaterThanOrEqual(1e-9);
    for (const spread of [whole as Spread, sum as Spread, ...list.map(({ seconds }) => seconds)]) {
      const { minimum, lower_quartile, median, upper_quartile } = spread;
      expect([minimum, lower_quartile, median, upper_quartile]).toEqual(
        [minimum, lower_quartile, median, upper_quartile].sort((a, b) => a - b),
      );
    }
  }
});

test("time: on two threads too", async () => {
  const { time, plan } = await document("--time", "--threads", "2");
  for (const { instructions } of time) expect(instructions).toHaveLength(plan.instructions);
});

test("training: adapters' state is gradients and moments of what is trained", async () => {
  const rank = 4;
  const { memory, config } = await document("--mode", "train", "--rank", "0");
  expect(memory.state).toBeGreaterThan(4 * 4 * config.parameters);
  expect(memory.state).toBeLessThan(4 * 4 * config.parameters + 20_000);
  const adapters = await document("--mode", "train", "--rank", String(rank));
  expect(adapters.memory.state).toBeLessThan(memory.state);
});

test("the context that is said to fit does, and a step more does not", async () => {
  const { fits, settings } = await document();
  const fit = (fits as { limit: number; cache_type: string; n_ctx: number; total: number }[])[0];
  expect(settings.cache_type).toBe(fit.cache_type);
  expect(fit.total).toBeLessThanOrEqual(fit.limit);
  const { process } = await document("--n-ctx", String(fit.n_ctx));
  expect((process as { total: number }).total).toBe(fit.total);
});
