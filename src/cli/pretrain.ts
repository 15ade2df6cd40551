/** `edgewise pretrain`: makes a model of the box from nothing but its recipe. */
import { createHash } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { Argument, Command } from "commander";
import { type CurvePoint, openPretraining, pretrain } from "../lab/pretrain/pretrain.ts";
import { type Recipe, recipes } from "../lab/pretrain/recipes.ts";
import { MixStream } from "../lab/pretrain/stream.ts";
import { trainVocabulary } from "../lab/pretrain/vocabulary.ts";
import { writeFileAtomically } from "../llm/files/atomic.ts";
import { parameterCount } from "../llm/models/family.ts";
import { saveModel } from "../llm/models/save.ts";
import { loadCheckpoint, saveCheckpoint } from "../llm/train/checkpoint.ts";
import type { Trainer } from "../llm/train/trainer.ts";
import { shared } from "./arguments.ts";
import { interruptible } from "./interrupt.ts";
import { progressBar } from "./progress.ts";
import { duration, grouped } from "./terminal.ts";

interface Options {
  readonly out: string;
  readonly threads: number;
  readonly resume?: boolean;
}

/** A checkpoint every 250 steps: a minute or two of work. */
const POINTS_PER_CHECKPOINT = 5;

export function pretrainCommand(): Command {
  return new Command("pretrain")
    .description("make a model of the box again: vocabulary and weights from its recipe, bit for bit")
    .addArgument(new Argument("<recipe>", "which model").choices(Object.keys(recipes)))
    .option("-o, --out <dir>", "where the model and its loss curve go", "models")
    .option("--resume", "go on from the last checkpoint, to the same weights")
    .addOption(shared.threads().default(Math.min(2, os.availableParallelism())))
    .action((name: string, options: Options) => make(recipes[name], options));
}

async function make(recipe: Recipe, { out, threads, resume }: Options): Promise<void> {
  const say = (text: string) => process.stderr.write(`${recipe.name}: ${text}\n`);
  say(`learning a vocabulary of ${grouped(recipe.model.vocabulary)} tokens`);
  const { metadata, tokenizer } = trainVocabulary(recipe);
  const trainer = await openPretraining(recipe, threads);
  say(
    `${grouped(parameterCount(recipe.model))} parameters, ${grouped(recipe.steps)} steps of up to ${recipe.rows} tokens`,
  );
  const file = (ending: string) => path.join(out, `${recipe.name}.${ending}`);
  const checkpoint = file("checkpoint");
  const start = performance.now();
  const bar = progressBar(recipe.name, recipe.steps);
  try {
    const { group, curve } = resume ? await goOn(checkpoint, trainer, recipe, say) : { group: 0, curve: [] };
    const stream = new MixStream(recipe.seed, tokenizer, recipe.model.context, { group });
    await interruptible((signal) =>
      pretrain(recipe, trainer, stream, {
        signal,
        tokens: curve.at(-1)?.tokens,
        onStep: (step) => bar.update(step),
        onPoint: async (point) => {
          curve.push(point);
          if (!process.stderr.isTTY)
            say(`step ${point.step}, ${grouped(point.tokens)} tokens, loss ${point.loss.toFixed(4)}`);
          if (curve.length % POINTS_PER_CHECKPOINT) return;
          await saveCheckpoint(checkpoint, trainer, {
            options: { recipe: JSON.stringify(recipe) },
            position: { ...stream.position, curve: JSON.stringify(curve) },
          });
        },
      }),
    );
    const name = ["general.name", { type: "string", value: recipe.name }] as const;
    await saveModel(file("gguf"), recipe.model, (weight) => trainer.engine.f32(weight), [name, ...metadata]);
    await writeFileAtomically(
      file("curve.jsonl"),
      curve.map((point) => `${JSON.stringify(point)}\n`).join(""),
    );
    await rm(checkpoint, { force: true });
  } finally {
    bar.stop();
    await trainer.close();
  }
  const sum = createHash("sha256")
    .update(await readFile(file("gguf")))
    .digest("hex");
  process.stdout.write(`${sum}  ${path.basename(file("gguf"))}\n`);
  say(`${duration((performance.now() - start) / 1000)}: ${file("gguf")}`);
}

/** Where the last checkpoint stopped; its state is in the trainer then. */
async function goOn(checkpoint: string, trainer: Trainer, recipe: Recipe, say: (text: string) => void) {
  const { group, curve } = await loadCheckpoint(checkpoint, trainer, { recipe: JSON.stringify(recipe) });
  say(`going on after step ${grouped(trainer.step)}`);
  return { group: group as number, curve: JSON.parse(curve as string) as CurvePoint[] };
}
