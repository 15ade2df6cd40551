/** `edgewise pretrain`: makes a model of the box from nothing but its recipe. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { Argument, Command } from "commander";
import { type CurvePoint, openPretraining, pretrain } from "../lab/pretrain/pretrain.ts";
import { type Recipe, recipes } from "../lab/pretrain/recipes.ts";
import { MixStream } from "../lab/pretrain/stream.ts";
import { trainVocabulary } from "../lab/pretrain/vocabulary.ts";
import { writeFileAtomically } from "../llm/files/atomic.ts";
import { parameterCount } from "../llm/models/llama.ts";
import { saveModel } from "../llm/models/save.ts";
import { shared } from "./arguments.ts";
import { interruptible } from "./interrupt.ts";
import { progressBar } from "./progress.ts";
import { duration, grouped } from "./terminal.ts";

interface Options {
  readonly out: string;
  readonly threads: number;
}

export function pretrainCommand(): Command {
  return new Command("pretrain")
    .description("make a model of the box again: vocabulary and weights from its recipe, bit for bit")
    .addArgument(new Argument("<recipe>", "which model").choices(Object.keys(recipes)))
    .option("-o, --out <dir>", "where the model and its loss curve go", "models")
    .addOption(shared.threads().default(Math.min(2, os.availableParallelism())))
    .action((name: string, options: Options) => make(recipes[name], options));
}

async function make(recipe: Recipe, { out, threads }: Options): Promise<void> {
  const say = (text: string) => process.stderr.write(`${recipe.name}: ${text}\n`);
  say(`learning a vocabulary of ${grouped(recipe.model.vocabulary)} tokens`);
  const { metadata, tokenizer } = trainVocabulary(recipe);
  const trainer = await openPretraining(recipe, threads);
  say(
    `${grouped(parameterCount(recipe.model))} parameters, ${grouped(recipe.steps)} steps of up to ${recipe.rows} tokens`,
  );
  const file = path.join(out, `${recipe.name}.gguf`);
  const curve: CurvePoint[] = [];
  const start = performance.now();
  const bar = progressBar(recipe.name, recipe.steps);
  try {
    await interruptible((signal) =>
      pretrain(recipe, trainer, new MixStream(recipe.seed, tokenizer, recipe.model.context), {
        signal,
        onStep: (step) => bar.update(step),
        onPoint: async (point) => {
          curve.push(point);
          if (!process.stderr.isTTY)
            say(`step ${point.step}, ${grouped(point.tokens)} tokens, loss ${point.loss.toFixed(4)}`);
        },
      }),
    );
    const name = ["general.name", { type: "string", value: recipe.name }] as const;
    await saveModel(file, recipe.model, (weight) => trainer.engine.f32(weight), [name, ...metadata]);
    const lines = curve.map((point) => `${JSON.stringify(point)}\n`).join("");
    await writeFileAtomically(path.join(out, `${recipe.name}.curve.jsonl`), lines);
  } finally {
    bar.stop();
    await trainer.close();
  }
  const sum = createHash("sha256")
    .update(await readFile(file))
    .digest("hex");
  process.stdout.write(`${sum}  ${path.basename(file)}\n`);
  say(`${duration((performance.now() - start) / 1000)}: ${file}`);
}
