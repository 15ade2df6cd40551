/** What a row rests on beside its settings: versions of what made it, and digests of the data and the model that it was made from. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { RETRIEVER_VERSIONS, type RetrieverName } from "../rag/retrievers.ts";
import { BASELINES } from "../tasks/baselines.ts";
import { TRAINING_VERSION } from "./adaptation.ts";
import { studyTask } from "./cohort.ts";
import { EVALUATION_VERSION } from "./evaluation.ts";
import { PROMPTS_VERSION } from "./prompting.ts";
import { isBaseline, type Lineage, retrieves, type Settings, trains } from "./settings.ts";
import { modelPaths, type Study } from "./study_file.ts";

export type LineageOf = (settings: Settings) => Lineage;

/** The lineage of every row that this study can have today. Reads all models and data. */
export async function studyLineage(study: Study, retriever: RetrieverName = "bm25"): Promise<LineageOf> {
  const tasks = new Map(
    Object.keys(study.tasks).map((name) => {
      const task = studyTask(study, name);
      const version = { [`task ${name}`]: `version ${task.version}` };
      return [name, task.data ? { ...version, [`data of ${name}`]: task.data() } : version];
    }),
  );
  const models = new Map<string, string>();
  for (const [name, path] of modelPaths(study)) models.set(name, await fileDigest(path));
  const found = { [`retriever ${retriever}`]: `version ${RETRIEVER_VERSIONS[retriever]}` };
  return ({ task, method, model }) =>
    isBaseline(method)
      ? { ...tasks.get(task), ...baselineLineage(method) }
      : {
          ...tasks.get(task),
          [`model ${model}`]: models.get(model)!,
          prompts: `version ${PROMPTS_VERSION}`,
          evaluation: `version ${EVALUATION_VERSION}`,
          ...(retrieves(method) ? found : {}),
          ...(trains(method) ? { training: `version ${TRAINING_VERSION}` } : {}),
        };
}

function baselineLineage(method: string): Lineage {
  const name = method.slice("baseline:".length) as keyof typeof BASELINES;
  const { version, retriever } = BASELINES[name];
  const own = { [`baseline ${name}`]: `version ${version}` };
  return retriever ? { ...own, [`retriever ${retriever}`]: `version ${RETRIEVER_VERSIONS[retriever]}` } : own;
}

/** What differs between a row's lineage and today's, in words; undefined where nothing does. */
export function changed(then: Lineage, now: Lineage): string | undefined {
  const names = [...new Set([...Object.keys(then), ...Object.keys(now)])].sort();
  const name = names.find((each) => then[each] !== now[each]);
  return name && `${name} was ${then[name] ?? "not used"}, and is ${now[name] ?? "not used"} now`;
}

async function fileDigest(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(piece);
  return hash.digest("hex").slice(0, 16);
}
