/** What verdicts must not say: of guidelines that were not tested, at a ceiling, where no model is needed, without a spread. */
import { describe, expect, it } from "vitest";
import { contrastWord, guidelineWord, impliedWord, remarks, sentence } from "../../src/lab/report/words.ts";
import { judge } from "../../src/lab/study/judge.ts";
import type { Row } from "../../src/lab/study/row.ts";
import type { Settings } from "../../src/lab/study/settings.ts";
import type { StudyInput } from "../../src/lab/study/study_file.ts";
import { studyVerdicts, type Verdict } from "../../src/lab/study/verdicts.ts";
import { type Contrast, RAG_BEATS_LORA, rowsOf, study } from "./chosen_rows.ts";

type Tested = Exclude<Verdict, { status: "not tested" }>;
function tested(verdict: Verdict): Tested {
  if (verdict.status === "not tested") throw new Error(verdict.reason);
  return verdict;
}

/** Users differ a little in every cell, and otherwise in each. */
const wobble = ({ h, method, history }: Settings, w: number) =>
  (h / 1000) * (method === "rag" && history === "own" ? 2 : 1) * w;

describe("no spread is never certainty", () => {
  const ask = (differences: readonly number[]) =>
    judge([{ claim: "no-worse", margin: 0.001, groups: [differences] }])[0];
  const equal = (n: number, value = 0) => Array.from({ length: n }, () => value);

  it.each([
    [2, 0.5],
    [3, 0.25],
    [5, 0.0625],
  ])("%d people with equal differences: p is %d, as their sign flips have it", (n, p) => {
    expect(ask(equal(n))).toMatchObject({
      status: "not enough evidence",
      p,
      interval: [-Infinity, Infinity],
    });
    expect(ask(equal(n, -0.3)).status).toBe("not enough evidence");
    expect(ask(equal(n)).reservation).toBe(
      `${n} people: exact sign flips give p ${Number(p.toPrecision(2))} at least, and 0.05 is asked for`,
    );
  });

  it("nor people who are nearly equal: no p below what so few can show", () => {
    expect(ask([0.1, 0.101, 0.102])).toMatchObject({ status: "not enough evidence", p: 0.25 });
    expect(ask([0.1, 0.101, 0.102, 0.103, 0.104, 0.105]).status).toBe("supported"); // 2 of 2⁶ flips
  });

  it("a spread that rests on fewer than five people decides nothing", () => {
    const differing = (count: number) => [
      ...equal(12 - count),
      ...Array.from({ length: count }, (_, i) => i / 1e5),
    ];
    expect(ask(equal(12)).reservation).toBe(
      "all 12 people have the same difference: no spread is no certainty",
    );
    expect(ask([...equal(11), -1 / 16]).reservation).toMatch(/^only 1 of 12 people differs from the others/);
    expect(ask(differing(5)).status).toBe("not enough evidence"); // one of the five is 0 as well
    expect(ask(differing(6)).status).toBe("supported");
    expect(remarks({ ...({} as Tested), ...ask(equal(12)) })).toEqual([ask(equal(12)).reservation]);
  });
});

describe("a contrast that does not test its guideline", () => {
  const grid: StudyInput["grid"] = [
    { method: "none", compression: ["f32", "q8_0", "q4_0"] },
    { method: "rag", h: [8, 64], k: [4, 8] },
    { method: "lora", h: [8, 64], training_tokens: [400, 1600], rank: [4, 16] },
    { method: "lora", h: [8, 64], training_tokens: 400, rank: 4, compression: ["q8_0", "q4_0"] },
  ];
  const lora = { task: "choice", method: "lora", rank: 4, training_tokens: 400 } as const;
  const [f32, q8_0, q4_0] = (["f32", "q8_0", "q4_0"] as const).map((compression) => ({ compression }));
  const asideOf = (contrast: Omit<Contrast, "id">) => {
    const s = study({ grid, contrasts: [{ id: "c", ...contrast }] });
    const value = ({ method, model, h }: Settings, w: number, row: Row) =>
      model === "-" || method === "none"
        ? 0.4
        : 0.6 + h / 1000 + 0.01 * w * (Number.parseInt(row.key[0], 16) % 3);
    const { verdicts, guidelines } = studyVerdicts(s, rowsOf(s, { value }));
    const {
      aside,
      contrast: { guideline },
    } = tested(verdicts[0]);
    const { real } = guidelines.find((one) => one.guideline === guideline)!;
    expect(real.status).toBe(aside ? "not tested" : verdicts[0].status);
    return aside;
  };

  it.each<[string, Omit<Contrast, "id">, string | undefined]>([
    [
      "little data",
      { guideline: "G5", claim: "no-worse", on: { ...lora, h: 8 }, a: q4_0, b: f32 },
      undefined,
    ],
    [
      "the largest history",
      { guideline: "G5", claim: "no-worse", on: { ...lora, h: 64 }, a: q4_0, b: f32 },
      "h 64 is the largest history, and the guideline is about little data",
    ],
    [
      "8 bits",
      { guideline: "G5", claim: "no-worse", on: { ...lora, h: 8 }, a: q8_0, b: f32 },
      "q8_0 loses nothing that could be seen",
    ],
    [
      "the wrong way round",
      { guideline: "G5", claim: "no-worse", on: { ...lora, h: 8 }, a: f32, b: q4_0 },
      "it must claim that the more compressed weights are no worse, or better",
    ],
    [
      "fewer tokens",
      {
        guideline: "G3",
        claim: "gain-below",
        on: { task: "choice", method: "lora", compression: "f32", rank: 4, h: 8 },
        a: { training_tokens: 1600 },
        b: { training_tokens: 400 },
      },
      undefined,
    ],
    [
      "ranks for times",
      {
        guideline: "G3",
        claim: "no-worse",
        on: { ...lora, rank: undefined, compression: "f32", h: 8 },
        a: { rank: 4 },
        b: { rank: 16 },
      },
      "it must claim that more training tokens gain nothing",
    ],
    [
      "a small rank",
      {
        guideline: "G2",
        claim: "no-worse",
        on: { ...lora, rank: undefined, compression: "f32", h: 8 },
        a: { rank: 4 },
        b: { rank: 16 },
      },
      undefined,
    ],
    [
      "a large rank",
      {
        guideline: "G2",
        claim: "no-worse",
        on: { ...lora, rank: undefined, compression: "f32", h: 8 },
        a: { rank: 16 },
        b: { rank: 4 },
      },
      "it must claim that a smaller rank and alpha are no worse",
    ],
    [
      "items shown",
      {
        guideline: "G4",
        claim: "gain-below",
        on: { task: "choice", method: "rag", h: 8 },
        a: { k: 8 },
        b: { k: 4 },
      },
      undefined,
    ],
    [
      "history of an adapter",
      {
        guideline: "G4",
        claim: "gain-below",
        on: { ...lora, compression: "f32" },
        a: { h: 64 },
        b: { h: 8 },
      },
      "it must claim that retrieval gains nothing by more history",
    ],
    [
      "one task",
      {
        guideline: "G1",
        claim: "beats",
        on: { task: "choice", h: 8, compression: "f32" },
        a: { method: "rag", k: 4 },
        b: { method: "lora", rank: 4, training_tokens: 400 },
      },
      "it needs a slope over tasks, or the hardest of several tasks alone",
    ],
    [
      "no limits",
      { guideline: "G6", claim: "no-worse", on: { ...lora, h: 8 }, a: q4_0, b: f32 },
      "it needs memory limits",
    ],
  ])("%s", (_, contrast, aside) => {
    expect(asideOf(contrast)).toBe(aside);
  });

  it("of several tasks only the hardest", () => {
    const at = (task: string) => {
      const contrast: Contrast = { ...RAG_BEATS_LORA, on: { task, h: 8 } };
      const s = study({ tasks: { taste: {}, tags: {} }, contrasts: [contrast] });
      const bits = { taste: 1, tags: 3.5 } as Record<string, number>;
      const rows = rowsOf(s, {
        value: ({ method }, w) => (method === "rag" ? 0.7 + 0.02 * w : 0.6),
        bayes: (x) => ({ accuracy_0: 0.5, accuracy_h: 0.9, bits_0: bits[x.task], bits_h: 0.4 }),
      });
      return studyVerdicts(s, rows).guidelines[0].generated.status;
    };
    expect([at("tags"), at("taste")]).toEqual(["supported", "not tested"]);
  });
});

describe("arms at the floor or the ceiling", () => {
  const grid: StudyInput["grid"] = [
    { method: ["none", "rag"], h: [8, 64] },
    { method: "lora", h: [8, 64], training_tokens: [400, 1600] },
  ];
  const none = 0.5;
  const statusOf = (contrast: Contrast, value: (settings: Settings) => number) => {
    const s = study({ grid, contrasts: [contrast] });
    const rows = rowsOf(s, { value: (x, w) => (x.method === "none" ? none : value(x) + wobble(x, w)) });
    return studyVerdicts(s, rows).verdicts[0];
  };
  const history: Contrast = {
    id: "c",
    guideline: "G4",
    claim: "gain-below",
    on: { task: "choice", method: "rag" },
    a: { h: 64 },
    b: { h: 8 },
  };
  const longer: Contrast = {
    id: "c",
    guideline: "G3",
    claim: "gain-below",
    on: { task: "choice", method: "lora", h: 64 },
    a: { training_tokens: 1600 },
    b: { training_tokens: 400 },
  };

  it("retrieval at chance gains nothing by more history, and that is no finding", () => {
    expect(statusOf(history, ({ method }) => (method === "rag" ? none : 0.75))).toMatchObject({
      status: "not tested",
      reason: "choice: rag · M f32 · h 64 · k 8 is at the floor on dev users (0.00 of the gain)",
    });
    expect(statusOf(history, () => 0.75).status).toBe("supported");
  });

  it("nor does training at the ceiling gain anything", () => {
    expect(statusOf(longer, ({ method }) => (method === "lora" ? 0.96 : 0.75))).toMatchObject({
      status: "not tested",
      reason: expect.stringMatching(
        /1600 tokens · r 8 α 16 is at the ceiling on dev users \(0\.92 of the gain\)/,
      ),
    });
    const half = ({ training_tokens: t }: Settings) => (t === 1600 ? 0.96 : 0.75);
    expect(statusOf(longer, half).status).toBe("not tested");
  });

  it("what beats may be at the ceiling, unless the other is there too", () => {
    const beats: Contrast = {
      ...RAG_BEATS_LORA,
      on: { task: "choice", h: 64 },
      b: { method: "lora", training_tokens: 400 },
    };
    expect(statusOf(beats, ({ method }) => (method === "rag" ? 0.97 : 0.75)).status).toBe("supported");
    const both = ({ method, training_tokens: t }: Settings) =>
      method === "rag" ? 0.97 : t === 400 ? 0.94 : 0.75;
    expect(statusOf(beats, both).status).toBe("not tested");
  });
});

describe("where no model is needed", () => {
  const contrast: Contrast = {
    id: "c",
    guideline: "G4",
    claim: "gain-below",
    on: { task: "choice", method: "rag", h: 8 },
    a: { k: 8 },
    b: { k: 4 },
  };
  const grid: StudyInput["grid"] = [
    { method: ["none", "rag"], h: 8, k: [4, 8] },
    { method: "lora", h: 8, training_tokens: 400 },
    { method: "baseline:naive_bayes", h: 8 },
  ];
  const run = (naiveBayes: number, change: Partial<Contrast> = {}) => {
    const s = study({ grid, contrasts: [{ ...contrast, ...change }] });
    const value = ({ method, k }: Settings, w: number) =>
      ({ none: 0.4, rag: 0.6 + (k / 400) * w, lora: 0.9 })[method as string] ?? naiveBayes;
    return studyVerdicts(s, rowsOf(s, { value }));
  };

  it("the guideline is not supported, whatever the contrast says and other methods do", () => {
    const { verdicts, guidelines } = run(0.6);
    expect(verdicts[0]).toMatchObject({
      status: "supported",
      aside: "no model is needed for choice: naive bayes does as well",
    });
    expect(guidelines[3].real.status).toBe("not tested");
    expect(remarks(verdicts[0])).toEqual([
      "does not count for G4: no model is needed for choice: naive bayes does as well",
    ]);
    expect(run(0.5).guidelines[3].real.status).toBe("supported");
  });

  it("what is not supported stays so", () => {
    const turned = run(0.6, { claim: "beats" });
    expect(tested(turned.verdicts[0]).aside).toMatch(/^it must claim/);
    const refuted = run(0.6, { margin: 0.0001, a: { k: 4 }, b: { k: 8 }, claim: "no-worse" });
    expect(tested(refuted.verdicts[0]).status).not.toBe("supported");
    expect(tested(refuted.verdicts[0]).aside).toBeUndefined();
  });
});

describe("what the generator implies", () => {
  const grid: StudyInput["grid"] = [
    { method: "none" },
    { method: "rag", h: [8, 64], history: ["own", "placebo"] },
    { method: "lora", h: 8, training_tokens: 400 },
  ];
  const accuracy = { 0: 0.5, 8: 0.7, 64: 0.9 } as Record<number, number>;
  const run = (contrast: Contrast, value: (settings: Settings) => number) => {
    const s = study({ tasks: { taste: {} }, grid, contrasts: [contrast] });
    const rows = rowsOf(s, {
      value: (x, w) => value(x) + wobble(x, w),
      bayes: ({ h }) => ({ accuracy_0: 0.5, accuracy_h: accuracy[h], bits_0: 1, bits_h: 0.4 }),
    });
    const verdict = tested(studyVerdicts(s, rows).verdicts[0]);
    return {
      verdict,
      word: contrastWord(verdict),
      beside: impliedWord(verdict),
    };
  };
  const history: Contrast = {
    id: "c",
    guideline: "G4",
    claim: "gain-below",
    on: { task: "taste", method: "rag" },
    a: { h: 64 },
    b: { h: 8 },
  };
  const gaining = ({ h, history: whose }: Settings) => (whose === "placebo" ? 0.5 : h === 64 ? 0.8 : 0.6);

  it("more history gains what Bayes gains by it, and the verdict says that it was planted", () => {
    const { verdict, word, beside } = run(history, gaining);
    expect(verdict).toMatchObject({ status: "not supported", unit: "S" });
    expect(verdict.implied).toBeCloseTo((0.9 - 0.7) / 0.4, 12);
    expect([word, beside]).toEqual(["does not hold, as planted", "implied +0.50"]);
    const flat = run(history, ({ h }) => (h === 0 ? 0.5 : 0.62));
    expect(flat.word).toBe("holds, against what was planted");
  });

  it("own history beats a placebo's: recovered, or not", () => {
    const personal: Contrast = {
      id: "c",
      claim: "beats",
      on: { task: "taste", method: "rag", h: 64 },
      a: { history: "own" },
      b: { history: "placebo" },
    };
    expect(run(personal, gaining)).toMatchObject({ word: "recovered", beside: "implied +1.00" });
    const lost = run(personal, ({ method }) => (method === "none" ? 0.5 : 0.6));
    expect(lost.word).toBe("not recovered");
  });

  it("nothing was planted about methods: it holds here, or it does not", () => {
    const methods = { ...RAG_BEATS_LORA, on: { task: "taste", h: 8 } };
    const holds = run(methods, ({ method }) => (method === "rag" ? 0.65 : 0.6));
    expect([holds.word, holds.beside, holds.verdict.implied]).toEqual([
      "holds here",
      "nothing implied",
      undefined,
    ]);
    expect(run(methods, ({ method }) => (method === "rag" ? 0.6 : 0.65)).word).toBe("does not hold here");
  });

  it("words of a guideline come from the contrasts that decide it", () => {
    const one = run(history, gaining).verdict;
    const other = { ...one, status: "supported", implied: undefined } as Verdict;
    expect(guidelineWord("not supported", "generated", [one, other])).toBe("does not hold, as planted");
    expect(guidelineWord("supported", "generated", [other])).toBe("holds here");
    expect(guidelineWord("supported", "real", [other])).toBe("supported");
  });
});

describe("the number of items shown", () => {
  const grid: StudyInput["grid"] = [
    { method: "none" },
    { method: "rag", h: [8, 64], k: [1, 2, 8], history: ["own", "placebo"] },
    { method: "lora", h: [8, 64], training_tokens: 400 },
  ];
  /** On dev users 1 item is best at h 8, 8 items at h 64; on test users it is the other way round. */
  const value = ({ method, history, h, k }: Settings, w: number, { split }: Row) => {
    if (method !== "rag") return method === "none" ? 0.4 : 0.6;
    const good = (h === 8) === (split === "dev") ? k === 1 : k === 8;
    return (good ? 0.7 : 0.5) - (history === "placebo" ? 0.05 : 0) + 0.02 * w * k;
  };
  const run = (contrast: Contrast, change: Partial<StudyInput> = {}) => {
    const s = study({ grid, contrasts: [contrast], ...change });
    return studyVerdicts(s, rowsOf(s, { value })).verdicts[0];
  };
  const best: Contrast = { ...RAG_BEATS_LORA, guideline: undefined, a: { method: "rag", k: "best" } };

  it("is chosen on dev users, at each history by itself", () => {
    expect(tested(run(best)).estimate).toBeCloseTo(0.5 - 0.6, 12); // k 1, though 8 would be better on test users
    const sides: Contrast = {
      id: "c",
      claim: "beats",
      on: { task: "choice", method: "rag", k: "best" },
      a: { h: 64 },
      b: { h: 8 },
    };
    expect(tested(run(sides)).estimate).toBeCloseTo(0, 12);
    expect(sentence(study({ grid, contrasts: [best] }).contrasts[0]).claim).toBe(
      "rag (k best on dev users) beats lora",
    );
  });

  it("and the placebo is shown as many", () => {
    const personal: Contrast = {
      id: "c",
      claim: "beats",
      on: { task: "choice", method: "rag", h: 8, k: "best" },
      a: { history: "own" },
      b: { history: "placebo" },
    };
    expect(tested(run(personal)).estimate).toBeCloseTo(0.05, 12);
  });

  it("needs dev users, and is theirs for compressed weights too", () => {
    expect(run(best, { dev_users: 0 })).toMatchObject({
      reason: "choice: side a: no dev users were shown 1 items",
    });
    const packed: StudyInput["grid"] = [
      { method: ["none", "rag"], h: 8, k: [1, 8], compression: ["f32", "q4_0"] },
      { method: "lora", h: 8, training_tokens: 400, compression: ["f32", "q4_0"] },
    ];
    const contrast = { ...best, on: { task: "choice", h: 8, compression: "q4_0" as const } };
    expect(tested(run(contrast, { grid: packed })).estimate).toBeCloseTo(0.5 - 0.6, 12);
  });
});
