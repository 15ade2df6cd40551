/** What can be known to go wrong before anything runs: models that cannot be opened, users who are not there. All of it is said at once. */
import { InputError } from "../../errors.ts";
import { openModel } from "../../llm/model_file.ts";
import { Tokenizer } from "../../llm/tokenizer/tokenizer.ts";
import { expand } from "./cells.ts";
import { cohort, studyTask } from "./cohort.ts";
import { Complaints } from "./complaints.ts";
import { isBaseline } from "./settings.ts";
import { modelPaths, type Study } from "./study_file.ts";

/** Opens every model's header and draws everybody of every task. Throws InputError. */
export async function checkRunnable(study: Study): Promise<void> {
  const complaints = new Complaints(study.whereIs);
  for (const name of Object.keys(study.tasks))
    await check(complaints, ["tasks", name], () =>
      cohort(study, studyTask(study, name), name, study.seeds[0], study.users),
    );
  checkBaselines(complaints, study);
  for (const [name, path] of modelPaths(study))
    await check(complaints, ["models", name], () => checkModel(path));
  complaints.refuse();
}

async function checkModel(path: string): Promise<void> {
  const { gguf, source } = await openModel(path);
  try {
    Tokenizer.fromGguf(gguf.metadata);
  } finally {
    await source.close();
  }
}

/** Baselines choose among answers: where there are none, they have nothing to choose from. */
function checkBaselines(complaints: Complaints, study: Study): void {
  for (const { settings } of expand(study)) {
    const { method, task } = settings;
    if (!isBaseline(method) || complaints.has("tasks", task)) continue;
    if (studyTask(study, task).metric === "accuracy") continue;
    const block = study.grid.findIndex(
      (one) => one.method.includes(method) && one.task?.includes(task) !== false,
    );
    complaints.add(
      ["grid", block, "method"],
      `${method} chooses among answers, and ${task} has none; name the tasks of this block`,
    );
  }
}

/** Runs `work`; what is wrong then is complained of at its place in the study file. */
async function check(complaints: Complaints, path: PropertyKey[], work: () => unknown): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    complaints.add(path, error.message.replace(`${complaints.whereIs(path)}: `, ""));
  }
}
