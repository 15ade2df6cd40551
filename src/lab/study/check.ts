/** What can be known to go wrong before anything runs: models that cannot be opened, baselines that have nothing to choose from. */
import { closest } from "fastest-levenshtein";
import { InputError } from "../../errors.ts";
import { openModel } from "../../llm/model_file.ts";
import { Tokenizer } from "../../llm/tokenizer/tokenizer.ts";
import { BASELINES } from "../tasks/baselines.ts";
import { expand } from "./cells.ts";
import { cohort, studyTask } from "./cohort.ts";
import { isBaseline, type Method } from "./settings.ts";
import { modelPaths, type Study } from "./study_file.ts";

/** Opens every model's header and draws everybody of every task. Throws InputError. */
export async function checkRunnable(study: Study): Promise<void> {
  for (const name of Object.keys(study.tasks)) {
    const place = study.whereIs(["tasks", name]);
    await explained(place, () => cohort(study, studyTask(study, name), name, study.seeds[0], study.users));
  }
  checkBaselines(study);
  for (const [name, path] of modelPaths(study))
    await explained(study.whereIs(["models", name]), () => checkModel(path));
}

async function checkModel(path: string): Promise<void> {
  const { gguf, source } = await openModel(path);
  try {
    Tokenizer.fromGguf(gguf.metadata);
  } finally {
    await source.close();
  }
}

function checkBaselines(study: Study): void {
  const known = Object.keys(BASELINES);
  for (const { settings } of expand(study)) {
    const { method, task: name } = settings;
    if (!isBaseline(method)) continue;
    const at = gridPlace(study, method);
    const baseline = method.slice("baseline:".length);
    if (!known.includes(baseline))
      throw new InputError(
        `${at}: there is no baseline "${baseline}"; nearest is "${closest(baseline, known)}" of ${known.join(", ")}`,
      );
    if (studyTask(study, name).metric !== "accuracy")
      throw new InputError(
        `${at}: ${method} chooses among answers, and ${name} has none; name the tasks of this block`,
      );
  }
}

function gridPlace({ grid, whereIs }: Study, method: Method): string {
  return whereIs(["grid", grid.findIndex((block) => block.method.includes(method)), "method"]);
}

/** Runs `check`; what is wrong then begins with the place in the study file. */
async function explained(place: string, check: () => unknown): Promise<void> {
  try {
    await check();
  } catch (error) {
    if (!(error instanceof InputError) || error.message.startsWith(place)) throw error;
    throw new InputError(`${place}: ${error.message}`);
  }
}
