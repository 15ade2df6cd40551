/** What `study --json` prints: verdicts and cells without the rows, which stand in results.jsonl. */

import type { Comparison } from "../study/exploration.ts";
import { describe } from "../study/settings.ts";
import type { Study } from "../study/study_file.ts";
import type { Verdicts } from "../study/verdicts.ts";
import { cellSummaries } from "./cell_summary.ts";

export function studyJson(study: Study, found: Verdicts) {
  const { verdicts, guidelines, tasks, personal, warnings, alarms } = found;
  const ids = (list: typeof verdicts) => list.map(({ contrast }) => contrast.id);
  return {
    study: study.name,
    alarms: alarms.map(({ name, message, rows, arms }) => ({ name, message, rows, cells: arms.size })),
    warnings,
    guidelines: guidelines.map(({ guideline, title, generated, real }) => ({
      guideline,
      title,
      generated: { status: generated.status, contrasts: ids(generated.verdicts) },
      real: { status: real.status, contrasts: ids(real.verdicts) },
    })),
    contrasts: verdicts,
    tasks,
    personal: personal.map(({ arm, n, estimate, interval }: Comparison) => ({
      cell: describe(arm.settings),
      n,
      estimate,
      interval,
    })),
    cells: cellSummaries(found),
  };
}
