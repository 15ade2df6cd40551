/** How numbers, verdicts and contrasts are written, in the terminal and in the report alike. */

import { decide, type Status } from "../study/judge.ts";
import { isBaseline, type METHODS, type Method, methodLabel } from "../study/settings.ts";
import type { Interval } from "../study/statistics.ts";
import type { Contrast, Selector } from "../study/study_file.ts";
import { type Data, towards, type Verdict } from "../study/verdicts.ts";

/** What is said of a cell, or of a task, where no method does better than an answer without a model. */
export const NO_MODEL = "no model needed";

const MINUS = "−";

/** 0.126 → "0.13", −0.126 → "−0.13"; never "−0.00". */
export function number(value: number, digits = 2): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "–" : value < 0 ? `${MINUS}∞` : "∞";
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? MINUS + text : text;
}

/** With its sign: "+0.13", "−0.13", "0.00". */
export function signed(value: number, digits = 2): string {
  const text = number(value, digits);
  return value > 0 && Number(text) !== 0 ? `+${text}` : text;
}

export function whole(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: 0 });
}

/** In the unit of a contrast: bits per byte as per cent of none's, all else as it is. */
export function effect(value: number, unit: string): string {
  return unit === "of none's bits/byte" ? `${signed(100 * value, 1)} %` : signed(value);
}

export function range([low, high]: Interval, unit: string): string {
  return `[${effect(low, unit)}, ${effect(high, unit)}]`;
}

export function bytes(value: number): string {
  if (value >= 2 ** 30) return `${number(value / 2 ** 30, 2)} GiB`;
  if (value >= 2 ** 20) return `${number(value / 2 ** 20, 1)} MiB`;
  return `${number(value / 2 ** 10, 0)} KiB`;
}

export function duration(seconds: number): string {
  if (seconds >= 5400) return `${number(seconds / 3600, 1)} h`;
  if (seconds >= 90) return `${number(seconds / 60, 1)} min`;
  return seconds >= 1 ? `${number(seconds, 1)} s` : `${number(1000 * seconds, 0)} ms`;
}

const SECONDS = { ms: 1e-3, s: 1, min: 60, h: 3600 };

/** "1.4 [1.3, 1.6] s": a duration with its spread, all three in the first one's unit. */
export function durationWithin(seconds: number, [low, high]: readonly [number, number]): string {
  const unit = duration(seconds).split(" ")[1] as keyof typeof SECONDS;
  const [middle, from, to] = [seconds, low, high].map((value) =>
    number(value / SECONDS[unit], unit === "ms" ? 0 : 1),
  );
  return `${middle} [${from}, ${to}] ${unit}`;
}

/** "12.6, 13.0 MiB": both in the unit of the larger. */
export function bytesPair(a: number, b: number): string {
  const unit = Math.max(a, b) >= 2 ** 30 ? 2 ** 30 : 2 ** 20;
  const digits = unit === 2 ** 30 ? 2 : 1;
  return `${number(a / unit, digits)}, ${number(b / unit, digits)} ${unit === 2 ** 30 ? "GiB" : "MiB"}`;
}

/** A contrast's status in words. */
export function contrastWord(verdict: Verdict): string {
  return statusWord(verdict.status, verdict.data, [verdict]);
}

/** A guideline's status in words, from the contrasts that decide it. */
export function guidelineWord(status: Status, data: Data, verdicts: readonly Verdict[]): string {
  return statusWord(
    status,
    data,
    verdicts.filter((verdict) => towards(verdict) === status),
  );
}

/**
 * What holds for generated users is *recovered* only where the generator itself implies it; about the rest nothing was
 * planted that could be found again.
 */
function statusWord(status: Status, data: Data, deciding: readonly Verdict[]): string {
  if (data === "real" || status === "not enough evidence" || status === "not tested") return status;
  const planted = deciding.map(plantedStatus);
  const supported = status === "supported";
  if (planted.includes(undefined)) return supported ? "holds here" : "does not hold here";
  if (planted.every((implied) => implied === status))
    return supported ? "recovered" : "does not hold, as planted";
  return supported ? "holds, against what was planted" : "not recovered";
}

/** What the implied effect by itself says of the claim. */
function plantedStatus(verdict: Verdict): Status | undefined {
  if (verdict.status === "not tested" || verdict.implied === undefined) return undefined;
  const { contrast, implied, margin } = verdict;
  return decide(contrast.claim, implied, [implied, implied], margin);
}

/** "implied +0.42": the effect that the generator implies, which stands beside every verdict on generated users. */
export function impliedWord(verdict: Verdict): string | undefined {
  if (verdict.status === "not tested" || verdict.data === "real") return undefined;
  return verdict.implied === undefined
    ? "nothing implied"
    : `implied ${effect(verdict.implied, verdict.unit)}`;
}

export const SHORT_METHODS: Record<keyof typeof METHODS, string> = {
  none: "none",
  rag: "rag",
  lora: "lora",
  "rag+lora-reused": "rag+lora reused",
  "rag+lora-trained": "rag+lora trained",
};

export function shortMethod(method: Method): string {
  return isBaseline(method) ? methodLabel(method) : SHORT_METHODS[method as keyof typeof METHODS];
}

const TOKEN_WORDS = {
  min: "fewest tokens",
  max: "most tokens",
  plateau: "tokens of the plateau",
  "4*plateau": "4 × tokens of the plateau",
};

/** "rag (k 8)", "f32, h 64": what a selector fixes. */
function selection({
  method,
  history,
  model,
  compression,
  h,
  k,
  training_tokens: tokens,
  rank,
  alpha,
}: Selector): string {
  const settings = [
    history === "placebo" ? "placebo history" : history && "own history",
    [model, compression].filter(Boolean).join(" "),
    h && `h ${h}`,
    k && (k === "best" ? "k best on dev users" : `k ${k}`),
    typeof tokens === "string" ? TOKEN_WORDS[tokens] : tokens && `${whole(tokens)} tokens`,
    rank && `r ${rank}`,
    alpha && `α ${alpha}`,
  ]
    .filter(Boolean)
    .join(", ");
  if (!method) return settings;
  return settings === "" ? shortMethod(method) : `${shortMethod(method)} (${settings})`;
}

const CLAIMS = { beats: "beats", "gain-below": "gains less than δ on", "no-worse": "is no worse than" };

/** A contrast as a sentence: what is claimed, and where. */
export function sentence(contrast: Contrast): { claim: string; where: string } {
  const { task, ...on } = contrast.on;
  const tasks =
    task.length > 1 && contrast.combine === "mean" ? `mean of ${task.join(", ")}` : task.join(", ");
  const where = [tasks, selection(on)].filter((text) => text !== "").join(": ");
  if (contrast.limits) {
    return { claim: "the best that fits gains less than δ on the strongest that fits", where };
  }
  const [a, b] = [selection(contrast.a), selection(contrast.b)];
  if (contrast.combine === "slope") {
    const claims = {
      beats: "gains on",
      "gain-below": "gains less than δ on",
      "no-worse": "does not lose against",
    };
    return { claim: `${a} ${claims[contrast.claim]} ${b} from the easiest to the hardest task`, where };
  }
  return { claim: `${a} ${CLAIMS[contrast.claim]} ${b}`, where };
}

type Tested = Exclude<Verdict, { status: "not tested" }>;

/** What a verdict says in numbers, or why there is none. */
export function evidence(verdict: Verdict): string {
  if (verdict.status === "not tested") return verdict.reason;
  const { estimate, unit, interval, margin, n } = verdict;
  const size = unit === "of none's bits/byte" ? `${number(100 * margin, 1)} %` : number(margin);
  const implied = impliedWord(verdict);
  return `${effect(estimate, unit)} ${range(interval, unit)}, δ ${size}, n ${n}${implied ? `; ${implied}` : ""}`;
}

/** What keeps a contrast open, and what would settle it. */
export function openWord({
  usersNeeded,
  n,
  reservation,
}: Pick<Tested, "usersNeeded" | "n" | "reservation">): string {
  if (reservation) return reservation;
  return usersNeeded > n ? `at least ${whole(usersNeeded)} users needed` : "too near its margin";
}

/** All that is to be said beside a verdict's status. */
export function remarks(verdict: Verdict): string[] {
  if (verdict.status === "not tested") return [];
  const { aside, contrast, status } = verdict;
  return [
    ...(status === "not enough evidence" ? [openWord(verdict)] : []),
    ...(aside ? [`does not count for ${contrast.guideline}: ${aside}`] : []),
  ];
}
