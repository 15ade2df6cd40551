/** How often the verdicts err: on simulated studies with a known truth, and on a finished study's own users. */
import { random } from "../../engine/random.ts";
import type { Sample } from "./contrasts.ts";
import { decide, judge, nullEffect, type Question } from "./judge.ts";
import { blankRows, draw, type World } from "./simulation.ts";
import { nullCentres } from "./statistics.ts";
import { checkStudy, type Study, type StudyInput, type TaskList } from "./study_file.ts";
import { question, studyVerdicts, type Verdict } from "./verdicts.ts";

export interface SelfCheck {
  flips: number;
  /** Share of flips in which the contrast was called supported, by contrast id. */
  falseSupported: Record<string, number>;
  /** Share of flips in which any of them was. */
  family: number;
}

/**
 * Sign-flips the users' differences about each claim's null, the same sign for a user in every contrast, and judges the
 * result as if it were a study: there is nothing to find then, so every *supported* is false. It uses the spread that
 * these users really have, where a simulation assumes one.
 */
export function selfCheck(samples: readonly Sample[], flips = 10_000, seed = 1): SelfCheck {
  const people = [...new Set(samples.flatMap(({ groups }) => groups.flatMap(({ users }) => users)))];
  const place = new Map(people.map((user, i) => [user, i]));
  const coins = samples.map((sample) => flippable(sample, place));
  const supported = samples.map(() => 0);
  const words = new Int32Array(Math.ceil(people.length / 32));
  let family = 0;
  for (let flip = 0; flip < flips; flip++) {
    for (let word = 0; word < words.length; word++) words[word] = random(seed, flip, word);
    let any = false;
    judge(coins.map((coin) => coin(words))).forEach(({ status }, s) => {
      if (status !== "supported") return;
      supported[s]++;
      any = true;
    });
    if (any) family++;
  }
  return {
    flips,
    falseSupported: Object.fromEntries(samples.map(({ contrast }, s) => [contrast.id, supported[s] / flips])),
    family: family / flips,
  };
}

/** The sample's question with the signs of its users set by the bits of `words` at their places. */
function flippable(sample: Sample, place: ReadonlyMap<string, number>): (words: Int32Array) => Question {
  const { claim, margin, groups } = question(sample);
  const centres = nullCentres(groups, nullEffect(claim, margin));
  const places = sample.groups.map(({ users }) => users.map((user) => place.get(user)!));
  const flipped = groups.map((group) => new Float64Array(group.length));
  return (words) => {
    groups.forEach((group, g) => {
      for (let i = 0; i < group.length; i++) {
        const at = places[g][i];
        const distance = group[i] - centres[g];
        flipped[g][i] = centres[g] + ((words[at >> 5] >>> (at & 31)) & 1 ? distance : -distance);
      }
    });
    return { claim, margin, groups: flipped };
  };
}

const TASKS: TaskList = { choice: "real" };
const MARGIN = 0.05;

/** One contrast of each claim on one real task, 16 items a user. */
export function calibrationStudy(users: number): Study {
  const input: StudyInput = {
    name: "calibration",
    users,
    dev_users: 6,
    items_per_user: 16,
    models: { M: "simulated" },
    tasks: { choice: {} },
    grid: [
      { method: ["none", "rag"], h: 8 },
      { method: "lora", h: 8, training_tokens: [400, 1600] },
      { method: "lora", h: 8, training_tokens: 400, compression: "q8_0" },
    ],
    contrasts: [
      {
        id: "beats",
        claim: "beats",
        on: { task: "choice", compression: "f32" },
        a: { method: "rag" },
        b: { method: "lora", training_tokens: 400 },
      },
      {
        id: "gain-below",
        claim: "gain-below",
        on: { task: "choice", compression: "f32", method: "lora" },
        a: { training_tokens: 1600 },
        b: { training_tokens: 400 },
      },
      {
        id: "no-worse",
        claim: "no-worse",
        on: { task: "choice", method: "lora", training_tokens: 400 },
        a: { compression: "q8_0" },
        b: { compression: "f32" },
      },
    ],
  };
  return checkStudy(input, () => "calibration study", TASKS);
}

/** The accuracy of lora at 400 tokens, and how far the other side of each contrast is from it. */
export interface Effects {
  beats: number;
  "gain-below": number;
  "no-worse": number;
}

/** Every claim just not true: no difference, a gain of the margin, a loss of the margin. */
export const NULL_EFFECTS: Effects = { beats: 0, "gain-below": MARGIN, "no-worse": -MARGIN };

/**
 * Users and items such that a − b has a standard deviation of about .15 between users, the middle of what a pilot on real
 * users measured (.11–.21): variance 2 · .24/16 · (1 − .7²) from luck with items (.24 of one item at accuracy .6, two
 * cells sharing their luck with probability .7²) and 2 · .062² from the users themselves.
 */
export function calibrationWorld(effects: Effects): World {
  return {
    spread: 0.062,
    commonLuck: 0.7,
    accuracy({ method, compression, training_tokens }) {
      if (method === "none") return 0.4;
      if (method === "rag") return 0.6 + effects.beats;
      if (compression === "q8_0") return 0.6 + effects["no-worse"];
      return training_tokens === 1600 ? 0.6 + effects["gain-below"] : 0.6;
    },
  };
}

/** Rows of simulated results files with these effects, and what the verdicts make of each file. */
export function simulatedVerdicts(effects: Effects, users: number): (seed: number) => Verdict[] {
  const study = calibrationStudy(users);
  const world = calibrationWorld(effects);
  const blank = blankRows(study, world);
  return (seed) => studyVerdicts(study, draw(blank, world, seed)).verdicts;
}

export interface Calibration {
  files: number;
  /** Share of tested files with a false *supported*, by contrast. */
  falseSupported: Record<string, number>;
  /** The same had it been the only contrast declared: at 95 %, without Holm. */
  falseAlone: Record<string, number>;
  /** Share of files with any. */
  family: number;
  /** Share of 95 % intervals that hold the true effect, by contrast. */
  coverage: Record<string, number>;
  /** Mean standard deviation of the differences. */
  sd: number;
}

/** Judges `files` simulated results files in which no claim is true. */
export function calibrate(files: number, users = 20, seed = 1): Calibration {
  const ids = Object.keys(NULL_EFFECTS) as (keyof Effects)[];
  const tested = { beats: 0, "gain-below": 0, "no-worse": 0 };
  const supported = { ...tested };
  const alone = { ...tested };
  const covered = { ...tested };
  let family = 0;
  let sd = 0;
  const verdictsOf = simulatedVerdicts(NULL_EFFECTS, users);
  for (let file = 0; file < files; file++) {
    let any = false;
    for (const verdict of verdictsOf(seed + file)) {
      if (verdict.status === "not tested") continue;
      const id = verdict.contrast.id as keyof Effects;
      tested[id]++;
      sd += verdict.sd;
      const { estimate, margin, plainInterval } = verdict;
      const [low, high] = plainInterval;
      if (decide(id, estimate, plainInterval, margin) === "supported") alone[id]++;
      if (low <= NULL_EFFECTS[id] && NULL_EFFECTS[id] <= high) covered[id]++;
      if (verdict.status !== "supported") continue;
      supported[id]++;
      any = true;
    }
    if (any) family++;
  }
  const share = (counts: Effects) => Object.fromEntries(ids.map((id) => [id, counts[id] / tested[id]]));
  return {
    files,
    falseSupported: share(supported),
    falseAlone: share(alone),
    family: family / files,
    coverage: share(covered),
    sd: sd / ids.reduce((sum, id) => sum + tested[id], 0),
  };
}

/**
 * Share of studies that find an effect of twice the margin with the number of users that a first study of 20 asked for.
 */
export function power(studies: number, seed = 1): number {
  const effects = { ...NULL_EFFECTS, beats: 2 * MARGIN };
  const first = simulatedVerdicts(effects, 20);
  let found = 0;
  for (let i = 0; i < studies; i++) {
    const [pilot] = first(seed + 2 * i);
    const asked = pilot.status === "not tested" ? 20 : pilot.usersNeeded;
    if (simulatedVerdicts(effects, asked)(seed + 2 * i + 1)[0].status === "supported") found++;
  }
  return found / studies;
}
