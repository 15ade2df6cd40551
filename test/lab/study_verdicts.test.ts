import { describe, expect, it } from "vitest";
import { admit } from "../../src/lab/study/admission.ts";
import { gatherArms } from "../../src/lab/study/arms.ts";
import { decide, judge } from "../../src/lab/study/judge.ts";
import type { Row } from "../../src/lab/study/row.ts";
import type { Settings } from "../../src/lab/study/settings.ts";
import type { StudyInput } from "../../src/lab/study/study_file.ts";
import { studyVerdicts, together } from "../../src/lab/study/verdicts.ts";
import { type Contrast, RAG_BEATS_LORA, rowsOf, study, type Truth } from "./chosen_rows.ts";

const BAYES = { accuracy_0: 0.5, accuracy_h: 0.9, bits_0: 1, bits_h: 0.4 };

describe("decisions", () => {
  it.each([
    ["beats", 0.2, [0.1, 0.3], "supported"],
    ["beats", 0.04, [0.01, 0.07], "not enough evidence"], // above 0, and yet below the margin
    ["beats", 0.02, [0.01, 0.03], "not supported"],
    ["beats", 0.2, [-0.1, 0.5], "not enough evidence"],
    ["beats", -0.2, [-0.3, -0.1], "not supported"],
    ["gain-below", 0.01, [-0.02, 0.04], "supported"],
    ["gain-below", 0.2, [0.1, 0.3], "not supported"],
    ["gain-below", 0.03, [-0.02, 0.08], "not enough evidence"],
    ["no-worse", 0, [-0.04, 0.04], "supported"],
    ["no-worse", -0.2, [-0.3, -0.1], "not supported"],
    ["no-worse", -0.03, [-0.08, 0.02], "not enough evidence"],
  ] as const)("%s with estimate %d in %j at margin .05 is %s", (claim, estimate, [low, high], status) => {
    expect(decide(claim, estimate, [low, high], 0.05)).toBe(status);
  });

  it("a guideline needs all its contrasts", () => {
    expect(together([])).toBe("not tested");
    expect(together(["not tested", "not tested"])).toBe("not tested");
    expect(together(["supported", "supported"])).toBe("supported");
    expect(together(["supported", "not tested"])).toBe("not enough evidence");
    expect(together(["supported", "not supported", "not enough evidence"])).toBe("not supported");
  });

  it("more contrasts make wider intervals", () => {
    const differences = [0.05, 0.1, 0.2, 0.12, 0.02, 0.22];
    const one = { claim: "beats", margin: 0.05, groups: [differences] } as const;
    const noise = { claim: "beats", margin: 0.05, groups: [[0.3, -0.3, 0.2, -0.25, 0.1, -0.1]] } as const;
    const width = ([low, high]: readonly [number, number]) => high - low;
    const [alone] = judge([one]);
    const [among] = judge([one, noise, noise]);
    expect(width(among.interval)).toBeGreaterThan(width(alone.interval));
    expect(among.plainInterval).toEqual(alone.plainInterval);
  });
});

describe("units", () => {
  it("real options: accuracy, margin .05", () => {
    const s = study({ contrasts: [RAG_BEATS_LORA] });
    const rows = rowsOf(s, {
      value: ({ method }, w) => ({ none: 0.4, rag: 0.7 + 0.1 * w, lora: 0.6 })[method as string]!,
    });
    const [verdict] = studyVerdicts(s, rows).verdicts;
    expect(verdict).toMatchObject({
      status: "supported",
      data: "real",
      unit: "accuracy",
      margin: 0.05,
      n: 10,
    });
    if (verdict.status !== "not tested") expect(verdict.estimate).toBeCloseTo(0.1, 12);
  });

  it("generated users: S, a share of what Bayes allows, and a column of their own", () => {
    const s = study({
      tasks: { taste: {} },
      contrasts: [{ ...RAG_BEATS_LORA, on: { task: "taste", h: 8 } }],
    });
    const value = ({ method }: Settings, w: number) =>
      ({ none: 0.5, rag: 0.78 + 0.02 * w, lora: 0.7 })[method as string]!;
    const { verdicts, guidelines } = studyVerdicts(s, rowsOf(s, { value, bayes: () => BAYES }));
    expect(verdicts[0]).toMatchObject({ status: "supported", unit: "S", margin: 0.1 });
    if (verdicts[0].status !== "not tested") expect(verdicts[0].estimate).toBeCloseTo(0.08 / 0.4, 12);
    // One task alone says nothing of harder ones.
    expect(guidelines[0]).toMatchObject({
      generated: { status: "not tested", verdicts: [{ status: "supported" }] },
      real: { status: "not tested", verdicts: [] },
    });
  });

  it("bits per byte: less is better, a share of none's", () => {
    const s = study({
      tasks: { style: {} },
      contrasts: [{ ...RAG_BEATS_LORA, on: { task: "style", h: 8 } }],
    });
    const value = ({ method }: Settings, w: number) =>
      ({ none: 2, rag: 1.8 + 0.01 * w, lora: 1.9 })[method as string]!;
    const [verdict] = studyVerdicts(s, rowsOf(s, { value })).verdicts;
    expect(verdict).toMatchObject({ status: "supported", unit: "of none's bits/byte", margin: 0.02 });
    if (verdict.status !== "not tested") expect(verdict.estimate).toBeCloseTo(0.1 / 2, 12);
  });

  it("a study too small says how many users it needs", () => {
    const s = study({ contrasts: [RAG_BEATS_LORA] });
    const rows = rowsOf(s, {
      value: ({ method }, w) => (method === "rag" ? 0.66 + 0.6 * w : 0.6 - (method === "none" ? 0.2 : 0)),
    });
    const [verdict] = studyVerdicts(s, rows).verdicts;
    if (verdict.status !== "not enough evidence") throw new Error(verdict.status);
    // wobble runs evenly from −.5 to .5 over 10 users: sd = √(Σ (i/9 − .5)²/9) = .336406
    expect(verdict.sd).toBeCloseTo(0.6 * 0.336406, 5);
    expect(verdict.usersNeeded).toBe(Math.ceil(((2.8 * 0.6 * 0.336406) / 0.05) ** 2));
  });
});

describe("several tasks", () => {
  const tasks = ["taste", "tags", "template"];
  const bits = { taste: 1, tags: 2, template: 4 } as Record<string, number>;
  const gain = { taste: 0, tags: 0.1, template: 0.12 } as Record<string, number>;
  const truth: Truth = {
    value: ({ method, task }, w) =>
      method === "rag" ? 0.6 + gain[task] + 0.01 * w : method === "lora" ? 0.6 : 0.5,
    bayes: ({ task }) => ({ accuracy_0: 0.5, accuracy_h: 1, bits_0: bits[task], bits_h: 0 }),
  };
  const with_ = (combine: "mean" | "slope") =>
    study({
      tasks: { taste: {}, tags: {}, template: {} },
      contrasts: [{ ...RAG_BEATS_LORA, on: { task: tasks, h: 8 }, combine }],
    });

  it("slope: the change along the least-squares line from the easiest to the hardest task", () => {
    const s = with_("slope");
    const [verdict] = studyVerdicts(s, rowsOf(s, truth)).verdicts;
    // x = 1, 2, 4 and y = 0, .2, .24 in S: slope = Σ (x − 7/3)(y − ȳ) / Σ (x − 7/3)² = .07143 a bit, over 3 bits
    if (verdict.status === "not tested") throw new Error(verdict.reason);
    expect(verdict.estimate).toBeCloseTo(3 * 0.0714286, 5);
  });

  it("mean, whether the tasks have the same users or others", () => {
    const s = with_("mean");
    const same = rowsOf(s, truth);
    const others = same.map((row) => ({ ...row, user: `${row.settings.task}-${row.user}` }));
    const audited = others.map((row) => ({
      ...row,
      audit: {
        ...row.audit,
        history_user: row.audit.history_user && `${row.settings.task}-${row.audit.history_user}`,
      },
    }));
    const [a, b] = [same, audited].map((rows) => studyVerdicts(s, rows).verdicts[0]);
    if (a.status === "not tested" || b.status === "not tested") throw new Error("not tested");
    expect(a.estimate).toBeCloseTo((0 + 0.2 + 0.24) / 3, 12);
    expect(b.estimate).toBeCloseTo(a.estimate, 12);
    expect([a.n, b.n]).toEqual([10, 10]);
    // The same wobble in all tasks adds up in one person, and averages out over different people.
    expect(b.sd).toBeCloseTo(a.sd / Math.sqrt(3), 12);
  });
});

describe("what dev users decide", () => {
  it.each([
    [0.52, "at chance"],
    [0.7, "admitted"],
    [0.895, "saturated"],
  ])("a best method at %d between .5 and .9 is %s", (best, admission) => {
    const s = study({
      tasks: { taste: {} },
      contrasts: [{ ...RAG_BEATS_LORA, on: { task: "taste", h: 8 } }],
    });
    const rows = rowsOf(s, { value: ({ method }) => (method === "rag" ? best : 0.5), bayes: () => BAYES });
    expect(admit(gatherArms(rows), "taste", 8).admission).toBe(admission);
    const [verdict] = studyVerdicts(s, rows).verdicts;
    if (admission === "admitted") expect(verdict.status).not.toBe("not tested");
    else expect(verdict).toMatchObject({ status: "not tested", reason: expect.stringContaining(admission) });
  });

  it("without dev users there is no verdict", () => {
    const s = study({ dev_users: 0, contrasts: [RAG_BEATS_LORA] });
    const [verdict] = studyVerdicts(s, rowsOf(s, { value: () => 0.7 })).verdicts;
    expect(verdict).toMatchObject({ status: "not tested", reason: "choice: no dev users" });
  });

  it("the plateau of training tokens", () => {
    const grid: StudyInput["grid"] = [
      { method: "none" },
      { method: "lora", h: 8, training_tokens: [400, 800, 1600, 3200] },
    ];
    const contrast: Contrast = {
      id: "longer",
      claim: "gain-below",
      on: { task: "choice", method: "lora" },
      a: { training_tokens: "4*plateau" },
      b: { training_tokens: "plateau" },
    };
    const s = study({ grid, contrasts: [contrast] });
    // On dev users it levels off at 800; on test users it goes on rising, which must not move the plateau.
    const level: Record<number, number> = { 0: 0.4, 400: 0.5, 800: 0.6, 1600: 0.61, 3200: 0.62 };
    const value = ({ training_tokens: t }: Settings, w: number, { split }: Row) =>
      split === "dev" ? level[t] : 0.5 + t / 16000 + (t > 800 ? 0.01 * w : 0);
    const [verdict] = studyVerdicts(s, rowsOf(s, { value })).verdicts;
    if (verdict.status === "not tested") throw new Error(verdict.reason);
    expect(verdict.estimate).toBeCloseTo((3200 - 800) / 16000, 12);
    expect(verdict.status).toBe("not supported");
    const rising = rowsOf(s, { value: ({ training_tokens: t }) => 0.1 + t / 4000 });
    expect(studyVerdicts(s, rising).verdicts[0]).toMatchObject({
      reason: "choice: side a: no plateau on dev users within the grid",
    });
  });
});

describe("factors with their own rules", () => {
  it("outside the grid is not tested", () => {
    const s = study({ contrasts: [{ ...RAG_BEATS_LORA, a: { method: "rag", compression: "q4_0" } }] });
    const rows = rowsOf(s, { value: () => 0.6 });
    expect(studyVerdicts(s, rows).verdicts[0]).toMatchObject({
      status: "not tested",
      reason: "choice: side a: outside the grid",
    });
  });

  it("equal bytes", () => {
    const grid: StudyInput["grid"] = [
      { method: "none", compression: ["f32", "q4_0"] },
      { method: "rag", h: 8, compression: ["f32", "q4_0"] },
    ];
    const models = { S: "s", M: "m" };
    const contrast: Contrast = {
      id: "large-quantized",
      guideline: "G5",
      claim: "beats",
      equal_bytes: true,
      on: { task: "choice", method: "rag" },
      a: { model: "M", compression: "q4_0" },
      b: { model: "S", compression: "f32" },
    };
    const s = study({ grid, models, contrasts: [contrast] });
    const run = (bytes: number) =>
      studyVerdicts(
        s,
        rowsOf(s, {
          value: ({ method, model }, w) => (method === "none" ? 0.4 : model === "M" ? 0.7 + 0.01 * w : 0.6),
          change: ({ settings, memory }) => ({
            memory: { ...memory, model_bytes: settings.model === "M" ? bytes : 1000 },
          }),
        }),
      ).verdicts[0];
    expect(run(1100)).toMatchObject({ status: "supported" });
    expect(run(1300)).toMatchObject({
      reason: "choice: weights of 1300 and 1000 bytes are not equal within 15 %",
    });
  });

  it("regret of the strongest model that fits", () => {
    const contrast: Contrast = {
      id: "fits",
      guideline: "G6",
      claim: "gain-below",
      on: { task: "choice", method: "rag" },
      limits: ["1KiB", "2KiB", "4KiB"],
    };
    const models = { S: "s", M: "m", L: "l" };
    const peak = { S: 500, M: 1500, L: 3000 } as Record<string, number>;
    const s = study({ models, grid: [{ method: ["none", "rag"], h: 8 }], contrasts: [contrast] });
    const run = (large: number) =>
      studyVerdicts(
        s,
        rowsOf(s, {
          value: ({ method, model }, w) =>
            method === "none" ? 0.3 : { S: 0.5, M: 0.6, L: large + 0.03 * w }[model]!,
          change: ({ settings, memory }) => ({
            memory: { ...memory, predicted_peak_bytes: peak[settings.model] },
          }),
        }),
      ).verdicts[0];
    const little = run(0.59);
    if (little.status === "not tested") throw new Error(little.reason);
    expect(little.status).toBe("supported");
    expect(little.estimate).toBeCloseTo(0.01 / 3, 12);
    // Where the strongest is the best, the regret of everybody is 0: nothing is compared.
    expect(run(0.7)).toMatchObject({ status: "not enough evidence", estimate: 0 });
    const worse = run(0.3); // at 4 KiB the strongest is L at .3, and M would give .6
    if (worse.status === "not tested") throw new Error(worse.reason);
    expect(worse.estimate).toBeCloseTo(0.3 / 3, 12);
    expect(worse.status).toBe("not supported");
    const two = study({
      models: { S: "s", M: "m" },
      grid: [{ method: ["none", "rag"], h: 8 }],
      contrasts: [contrast],
    });
    expect(studyVerdicts(two, rowsOf(two, { value: () => 0.5 })).verdicts[0]).toMatchObject({
      reason: "choice: 2 models, and a regret needs 3",
    });
  });
});

describe("beside the verdicts", () => {
  const grid: StudyInput["grid"] = [
    { method: ["none", "rag"], h: 8, history: ["own", "placebo"] },
    { method: ["baseline:majority", "baseline:nearest"], h: 8 },
  ];
  const s = study({ grid });
  const value = ({ method, history }: Settings, w: number) => {
    if (method === "rag") return (history === "own" ? 0.7 : 0.62) + 0.05 * w;
    return { none: 0.5, "baseline:majority": 0.55, "baseline:nearest": 0.72 }[method as string]!;
  };

  it("own − placebo, and the mark of a method that a baseline equals", () => {
    const { personal, baselines, gains } = studyVerdicts(s, rowsOf(s, { value }));
    expect(personal.length).toBe(1);
    expect(personal[0].estimate).toBeCloseTo(0.08, 12);
    expect(baselines).toMatchObject([
      { noModelNeeded: true, against: { settings: { method: "baseline:nearest" } } },
    ]);
    const better = rowsOf(s, { value: (x, w) => value(x, w) + (x.method === "rag" ? 0.1 : 0) });
    expect(studyVerdicts(s, better).baselines).toMatchObject([{ noModelNeeded: false }]);
    expect(gains.find((g) => g.arm.settings.history === "own")!.estimate).toBeCloseTo(0.2, 12);
  });

  it("warns of an arm clearly below none, and of contrasts declared late", () => {
    const below = rowsOf(s, { value: (x, w) => (x.method === "rag" ? 0.3 + 0.05 * w : 0.5) });
    expect(studyVerdicts(s, below).warnings).toEqual([
      expect.stringContaining("choice · rag · M f32 · h 8 · k 8 is clearly below none: -0.200"),
    ]);
    const late = study({ grid, contrasts: [{ ...RAG_BEATS_LORA, b: { method: "none" } }] });
    expect(studyVerdicts(late, rowsOf(s, { value })).warnings.join()).toMatch(
      /rows were measured before the contrasts/,
    );
    expect(studyVerdicts(late, rowsOf(late, { value })).warnings).toEqual([]);
  });

  it("several seeds of a user stay one user", () => {
    const many = study({ seeds: [1, 2, 3], contrasts: [RAG_BEATS_LORA] });
    const rows = rowsOf(many, {
      value: ({ method, seed }, w) => (method === "rag" ? 0.7 + seed / 100 + 0.1 * w : 0.6),
    });
    const [verdict] = studyVerdicts(many, rows).verdicts;
    if (verdict.status === "not tested") throw new Error(verdict.reason);
    expect(verdict.n).toBe(10);
    expect(verdict.estimate).toBeCloseTo(0.12, 12);
  });
});
