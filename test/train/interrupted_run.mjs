/**
 * A training run as a process of its own, from the built package, to be killed: interrupted_run.mjs MODEL CHECKPOINT STEPS [WRITE]
 *
 * Goes on from the checkpoint if there is one, prints a line "step loss" for every step and saves after it. With WRITE it kills itself
 * before the WRITE-th write to a file: in the middle of a checkpoint.
 */
import { existsSync } from "node:fs";
import { open } from "node:fs/promises";
import { openModel } from "../../dist/src/llm/model_file.js";
import { loadWeights, weightDtypes } from "../../dist/src/llm/models/load.js";
import { loadCheckpoint, saveCheckpoint } from "../../dist/src/llm/train/checkpoint.js";
import { initializeAdapter } from "../../dist/src/llm/train/initialize.js";
import { Trainer } from "../../dist/src/llm/train/trainer.js";
import { batchOf, learningRate, options, setupOf } from "./run.mjs";

const [model, checkpoint, steps, lethal] = process.argv.slice(2);
if (lethal) await dieAtWrite(Number(lethal));

const file = await openModel(model);
const setup = setupOf(file.config, weightDtypes(file.gguf, "q8_0"));
const trainer = await Trainer.open({ ...setup, inProcess: true });
await loadWeights(trainer.engine, file.config, file.gguf);
initializeAdapter(trainer.engine, setup.model.bank, file.config.layers, 0, 11);
let seen = 0;
if (existsSync(checkpoint)) ({ seen } = await loadCheckpoint(checkpoint, trainer, options));
while (trainer.step < Number(steps)) {
  const batch = batchOf(seen, file.config.vocabulary);
  const { loss } = await trainer.update([batch], learningRate(trainer.step + 1));
  seen += batch.length;
  // first: a step that was saved but not told would be missing, one that was told but not saved is told again
  console.log(`${trainer.step} ${loss}`);
  await saveCheckpoint(checkpoint, trainer, { options, position: { seen } });
}

async function dieAtWrite(count) {
  const handle = await open(process.execPath);
  const prototype = Object.getPrototypeOf(handle);
  await handle.close();
  const { write } = prototype;
  let writes = 0;
  prototype.write = function (...values) {
    if (++writes === count) process.kill(process.pid, "SIGKILL");
    return write.apply(this, values);
  };
}
