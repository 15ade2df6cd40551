/** The guidelines, and what a contrast must compare to say anything of one. */

import type { Arm } from "./arms.ts";
import { difficultyOf, historySizes, type Sample } from "./contrasts.ts";
import { COMPRESSION_BITS, retrieves, type Settings, trains } from "./settings.ts";
import type { Guideline, Study } from "./study_file.ts";

/** In own words, after arXiv 2406.03777. */
export const GUIDELINE_TITLES: Record<Guideline, string> = {
  G1: "The harder the task, the more retrieval gains on parameter learning",
  G2: "For LoRA a small rank and a small alpha are enough",
  G3: "Longer training is not automatically better",
  G4: "A limited amount of history is enough for retrieval",
  G5: "With little personal data a compressed model can be the better choice",
  G6: "Take the strongest model that fits the memory",
};

/** Weights of so many bits keep all that could be seen: nothing is at stake in comparing them with the original. */
const LOSSLESS_BITS = 8;

type Side = Settings;
type Test = (sample: Sample, a: Side, b: Side, arms: readonly Arm[], study: Study) => string | undefined;

/** Text: why this contrast, with these two cells, is no test of the guideline. */
const TESTS: Record<Guideline, Test> = {
  G1(sample, a, b, arms, study) {
    const learns = ({ method }: Side) => trains(method) && !retrieves(method);
    const looksUp = ({ method }: Side) => retrieves(method) && !trains(method);
    if (!looksUp(a) || !learns(b) || sample.contrast.claim !== "beats")
      return "it must claim that rag beats lora";
    if (sample.contrast.combine === "slope") return undefined;
    return isHardest(sample, arms, study)
      ? undefined
      : "it needs a slope over tasks, or the hardest of several tasks alone";
  },
  G2({ contrast: { claim } }, a, b) {
    const [small, large] = claim === "gain-below" ? [b, a] : [a, b];
    const smaller = small.rank < large.rank && small.alpha <= large.alpha;
    return trains(a.method) && a.method === b.method && smaller && claim !== "beats"
      ? undefined
      : "it must claim that a smaller rank and alpha are no worse";
  },
  G3({ contrast: { claim } }, a, b) {
    const [short, long] = claim === "gain-below" ? [b, a] : [a, b];
    const longer = short.training_tokens < long.training_tokens;
    return a.method === b.method && longer && claim !== "beats"
      ? undefined
      : "it must claim that more training tokens gain nothing";
  },
  G4({ contrast: { claim } }, a, b) {
    const [less, more] = claim === "gain-below" ? [b, a] : [a, b];
    const fewer = less.h < more.h || (less.h === more.h && less.k < more.k);
    return retrieves(a.method) && a.method === b.method && fewer && claim !== "beats"
      ? undefined
      : "it must claim that retrieval gains nothing by more history";
  },
  G5({ contrast: { claim } }, a, b, arms) {
    if (a.compression === "-" || b.compression === "-") return "it must compare models";
    const bits = COMPRESSION_BITS[a.compression];
    if (claim === "gain-below" || bits >= COMPRESSION_BITS[b.compression])
      return "it must claim that the more compressed weights are no worse, or better";
    if (bits > LOSSLESS_BITS) return `${a.compression} loses nothing that could be seen`;
    const sizes = historySizes(arms, a.task);
    const little = Math.max(a.h, b.h);
    if (little === 0) return "it must compare what is learned from personal data";
    if (little === sizes.at(-1))
      return `h ${little} is the largest history, and the guideline is about little data`;
    return undefined;
  },
  G6: ({ contrast }) => (contrast.limits ? undefined : "it needs memory limits"),
};

/** Text if the contrast does not test the guideline that it is declared for. */
export function besideThePoint(study: Study, arms: readonly Arm[], sample: Sample): string | undefined {
  const { guideline } = sample.contrast;
  if (!guideline) return undefined;
  const test = TESTS[guideline];
  const reasons = sample.pairs.map(({ a, b }) => test(sample, a.settings, b.settings, arms, study));
  return reasons.find((reason) => reason !== undefined);
}

/** Whether the contrast's one task is the hardest of the study's tasks with such users. */
function isHardest({ tasks, data }: Sample, arms: readonly Arm[], study: Study): boolean {
  if (tasks.length > 1) return false;
  const others = Object.keys(study.tasks).filter((task) => study.data[task] === data);
  const levels = others.map((task) => difficultyOf(study, arms, task));
  const own = difficultyOf(study, arms, tasks[0]);
  if (own === undefined || levels.length < 2) return false;
  return levels.every((level) => level !== undefined && level <= own);
}
