/** Checkpoints: a killed run goes on to the same bits; what is not this run's is refused. */
import { execFile } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readSafetensors } from "../../src/llm/files/safetensors.ts";
import { memorySource } from "../../src/llm/files/source.ts";
import { loadWeights, type WeightType, weightDtypes } from "../../src/llm/models/load.ts";
import { type JsonRecord, loadCheckpoint, saveCheckpoint } from "../../src/llm/train/checkpoint.ts";
import { initializeAdapter } from "../../src/llm/train/initialize.ts";
import { Trainer, type TrainerSetup } from "../../src/llm/train/trainer.ts";
import { openGolden } from "../models/golden.ts";
import { batchOf, learningRate, options, setupOf } from "./run.mjs";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), "edgewise-checkpoint-"));
});
afterEach(() => rmSync(directory, { recursive: true }));
const at = (name: string) => path.join(directory, name);

async function openRun({
  type = "q8_0" as WeightType,
  change = (setup: TrainerSetup) => setup,
  threads = 1,
} = {}) {
  const { file } = await openGolden("tied");
  const setup = change({ ...setupOf(file.config, weightDtypes(file.gguf, type)), threads } as TrainerSetup);
  const trainer = await Trainer.open({ ...setup, inProcess: threads === 1 });
  await loadWeights(trainer.engine, file.config, file.gguf);
  if (setup.model.bank) initializeAdapter(trainer.engine, setup.model.bank, file.config.layers, 0, 11);
  return trainer;
}

/** Trains on until a step; returns the losses. */
async function train(
  trainer: Trainer,
  last: number,
  position = { seen: 2 * trainer.step },
): Promise<number[]> {
  const losses: number[] = [];
  while (trainer.step < last) {
    const batch = batchOf(position.seen, trainer.setup.model.config.vocabulary);
    losses.push((await trainer.update([batch], learningRate(trainer.step + 1))).loss);
    position.seen += batch.length;
  }
  return losses;
}

const bits = (trainer: Trainer) => trainer.parameters.map((name) => trainer.engine.f32(name).slice());

describe("a killed run", () => {
  test("goes on to the same losses and the same checkpoint, bit for bit", async () => {
    const steps = 40;
    const twin = await openRun();
    const wanted = await train(twin, steps);
    await saveCheckpoint(at("twin"), twin, { options, position: { seen: 2 * steps } });

    const { file } = await openGolden("tied");
    const script = path.join(import.meta.dirname, "interrupted_run.mjs");
    // Before which write to a file it kills itself, or after how many ms it is killed. A checkpoint is some 40 writes.
    const ends = [1, 25, 100, 301].map((write) => ({ write, ms: 0 }));
    for (let i = 0; i < 3; i++) ends.push({ write: 0, ms: 150 + Math.floor(250 * Math.random()) });
    console.log(`killed after ${ends.slice(4).map(({ ms }) => ms)} ms`);
    const seen = new Map<number, number>();
    for (const { write, ms } of [...ends, { write: 0, ms: 0 }]) {
      const values = [file.path, at("run"), String(steps), ...(write ? [String(write)] : [])];
      const output = await outputOf([script, ...values], ms);
      for (const [, step, loss] of output.matchAll(/^(\d+) (\S+)$/gm)) {
        const known = seen.get(Number(step)) ?? Number(loss);
        expect(Number(loss)).toBe(known);
        seen.set(Number(step), known);
      }
      if (existsSync(at("run"))) await readSafetensors(memorySource(readFileSync(at("run"))));
    }
    expect(Array.from({ length: steps }, (_, i) => seen.get(i + 1))).toEqual(wanted);
    expect(readFileSync(at("run")).equals(readFileSync(at("twin")))).toBe(true);
    expect(readdirSync(directory).sort()).toEqual(["run", "twin"]);
  });

  test("goes on on other threads and with other batch sizes", async () => {
    const trainer = await openRun();
    await train(trainer, 3);
    await saveCheckpoint(at("run"), trainer, { options, position: { seen: 6, note: "ä" } });
    const wanted = await train(trainer, 6);
    const other = await openRun({ threads: 2, change: (setup) => ({ ...setup, rows: 77, sequences: 9 }) });
    expect(await loadCheckpoint(at("run"), other, options)).toEqual({ seen: 6, note: "ä" });
    expect(await train(other, 6)).toEqual(wanted);
    expect(bits(other)).toEqual(bits(trainer));
    await other.close();
  });
});

/** What a script printed until it ended or was killed. */
function outputOf(values: readonly string[], killAfter: number): Promise<string> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, values, (_error, stdout, stderr) => {
      if (stderr) console.error(stderr);
      resolve(stdout);
    });
    if (killAfter) setTimeout(() => child.kill("SIGKILL"), killAfter);
  });
}

describe("refused, with the trainer as it was", () => {
  const refusal = async (trainer: Trainer, pattern: RegExp, asked: JsonRecord = options) => {
    const before = bits(trainer);
    await expect(loadCheckpoint(at("run"), trainer, asked)).rejects.toThrow(pattern);
    await expect(loadCheckpoint(at("run"), trainer, asked)).rejects.toMatchObject({ name: "InputError" });
    expect(bits(trainer)).toEqual(before);
    expect(trainer.step).toBe(0);
  };
  beforeEach(async () => {
    const trainer = await openRun();
    await train(trainer, 2);
    await saveCheckpoint(at("run"), trainer, { options, position: { seen: 4 } });
  });

  test("another base", async () => {
    await refusal(
      await openRun({ type: "q4_0" }),
      /checkpoint: .*run: base was "[0-9a-f]{64}" and is now "[0-9a-f]{64}"/,
    );
    const changed = await openRun();
    const { offset } = changed.engine.place("model.layers.1.mlp.up_proj.weight");
    changed.engine.bytes(offset + 40, 1)[0] ^= 1;
    await refusal(changed, /: base was /);
  });

  test("another optimizer, other adapters, other options", async () => {
    const training = await openRun({ change: (s) => ({ ...s, options: { ...s.options, beta2: 0.9 } }) });
    await refusal(training, /: training was .*"beta2":0\.95.* is now .*"beta2":0\.9/);
    const rank = await openRun({
      change: (s) => ({ ...s, model: { ...s.model, bank: { ...s.model.bank!, rank: 3 } } }),
    });
    await refusal(rank, /: adapters was .*"rank":2.* is now .*"rank":3/);
    await refusal(await openRun(), /: option\.seed was 11 and is now 12/, { ...options, seed: 12 });
    await refusal(await openRun(), /: option\.schedule was .* is now missing/, { seed: 11 });
    await refusal(await openRun(), /: option\.more was missing and is now 1/, { ...options, more: 1 });
  });

  test.each(["adapter.1.v.b", "moment1.adapter.0.q.a", "moment2.adapter.0.q.a", "schedule"])(
    "NaN in %s",
    async (name) => {
      const broken = await openRun();
      await train(broken, 2);
      broken.engine.f32(name)[1] = Number.NaN;
      await saveCheckpoint(at("run"), broken, { options, position: { seen: 4 } });
      await refusal(
        await openRun(),
        new RegExp(
          `^checkpoint: .*run: tensor "${name}" holds NaN or an infinite number at 1; go on from an`,
        ),
      );
    },
  );

  test("a file that is cut, not a checkpoint, or not there", async () => {
    const whole = readFileSync(at("run"));
    truncateSync(at("run"), whole.length - 4);
    await refusal(await openRun(), /safetensors: .*run: tensors end at byte/);
    writeFileSync(
      at("run"),
      readFileSync(path.join(import.meta.dirname, "../golden/llama/peft/adapter_model.safetensors")),
    );
    await refusal(await openRun(), /format is "pt", not "edgewise checkpoint 1"/);
    rmSync(at("run"));
    await refusal(await openRun(), /no such file/);
  });
});

test("keys of options may come in any order", async () => {
  const trainer = await openRun();
  await train(trainer, 1);
  await saveCheckpoint(at("run"), trainer, { options: { a: { x: 1, y: 2 }, b: 3 }, position: {} });
  expect(await loadCheckpoint(at("run"), trainer, { b: 3, a: { y: 2, x: 1 } })).toEqual({});
  expect(trainer.step).toBe(1);
});
