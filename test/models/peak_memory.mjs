/**
 * Loads a model in a process of its own, fills the plan's memory and prints planned bytes and peak resident bytes:
 * peak_memory.mjs generate|train MODEL ROWS
 */
import { Generator } from "../../dist/src/llm/generate.js";
import { openModel } from "../../dist/src/llm/model_file.js";
import { loadWeights } from "../../dist/src/llm/models/load.js";
import { Trainer } from "../../dist/src/llm/train/trainer.js";

const [mode, model, count] = process.argv.slice(2);
const rows = Number(count);
const file = await openModel(model);
const { program } = await (mode === "generate" ? generate() : train());
console.log(JSON.stringify({ planned: program.memory.total, peak: process.resourceUsage().maxRSS * 1024 }));
process.exit(0);

async function generate() {
  const generator = await Generator.open(file, { context: rows, rows });
  await generator.feed(new Array(rows).fill(7));
  return generator.engine;
}

async function train() {
  const context = 32;
  const options = { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0, maxNorm: 1, context, full: true };
  const spec = { config: file.config, dtype: () => "f32" };
  const sequences = rows / context;
  const trainer = await Trainer.open({ model: spec, options, rows, sequences });
  await loadWeights(trainer.engine, file.config, file.gguf);
  const tokens = Array.from({ length: context + 1 }, (_, i) => (i * 7) % file.config.vocabulary);
  const example = { tokens, weights: tokens.map(() => 1) };
  await trainer.update([new Array(sequences).fill(example)], 0.001);
  return trainer.engine;
}
