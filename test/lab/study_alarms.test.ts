import { describe, expect, it } from "vitest";
import type { AlarmName } from "../../src/lab/study/alarms.ts";
import type { Row } from "../../src/lab/study/row.ts";
import { type Settings, trains } from "../../src/lab/study/settings.ts";
import { simulate, type World } from "../../src/lab/study/simulation.ts";
import { checkStudy } from "../../src/lab/study/study_file.ts";
import { studyVerdicts } from "../../src/lab/study/verdicts.ts";

const study = checkStudy(
  {
    name: "sabotage",
    users: 20,
    dev_users: 4,
    models: { M: "m.gguf" },
    tasks: { taste: {} },
    grid: [
      { method: ["none", "rag"], history: ["own", "placebo"], compression: ["f32", "q8_0"], h: 16 },
      {
        method: ["lora", "rag+lora-trained"],
        history: ["own", "placebo"],
        compression: ["f32", "q8_0"],
        h: 16,
        training_tokens: 800,
      },
      { method: "baseline:majority", h: 16 },
    ],
    contrasts: [
      {
        id: "rag-lora",
        claim: "beats",
        on: { task: "taste", compression: "f32", h: 16 },
        a: { method: "rag" },
        b: { method: "lora" },
      },
    ],
  },
  () => "sabotage",
  { taste: "generated" },
);

const accuracy = ({ method, history }: Settings) =>
  method === "none" || history === "placebo" ? 0.5 : method === "rag" ? 0.8 : 0.65;
const world: World = {
  accuracy,
  bayes: () => ({ accuracy_0: 0.5, accuracy_h: 0.9, bits_0: 1, bits_h: 0.3 }),
  spread: 0.05,
  commonLuck: 0.7,
};
const honest = simulate(study, world, 5);

/** Rows after a sabotage of those that `where` picks. */
function sabotaged(where: (row: Row) => boolean, change: (row: Row) => Partial<Row>): Row[] {
  return honest.map((row) => (where(row) ? { ...row, ...change(row) } : row));
}

const is =
  (method: Settings["method"], history: Settings["history"] = "own") =>
  (row: Row) =>
    row.settings.method === method && row.settings.history === history && row.settings.compression === "f32";
const audit = (change: (audit: Row["audit"]) => Partial<Row["audit"]>) => (row: Row) => ({
  audit: { ...row.audit, ...change(row.audit) },
});

function namesOf(rows: Row[]): AlarmName[] {
  return studyVerdicts(study, rows).alarms.map((alarm) => alarm.name);
}

describe("sabotage raises its alarm, and takes the verdict away", () => {
  it("an honest study raises none", () => {
    const { alarms, verdicts } = studyVerdicts(study, honest);
    expect(alarms).toEqual([]);
    expect(verdicts[0].status).toBe("supported");
  });

  const cases: [what: string, alarm: AlarmName, rows: Row[]][] = [
    [
      "the test answer leaked into the history",
      "test item in the history",
      sabotaged(
        is("rag"),
        audit((a) => ({ history_items: [...a.history_items.slice(1), a.test_items[3]] })),
      ),
    ],
    [
      "training on test items",
      "training on test items",
      sabotaged(
        is("lora"),
        audit((a) => ({ trained_items: [...a.trained_items, a.test_items[0]] })),
      ),
    ],
    [
      "arms swapped: rag's rows hold what lora did",
      "arms swapped",
      sabotaged(is("rag"), (row) => {
        const other = honest.find((r) => is("lora")(r) && r.user === row.user)!;
        return { audit: other.audit, quality: other.quality };
      }),
    ],
    [
      "arms swapped: own and placebo",
      "arms swapped",
      sabotaged(
        (row) => is("rag")(row) && row.split === "test",
        (row) => ({
          audit: honest.find((r) => is("rag", "placebo")(r) && r.user === row.user)!.audit,
        }),
      ),
    ],
    [
      "arms swapped: other weights than the label says",
      "arms swapped",
      sabotaged(
        (row) => is("lora")(row) && row.user === "test-7",
        audit(() => ({ model: "M q8_0" })),
      ),
    ],
    [
      "arms swapped: four times the training tokens",
      "arms swapped",
      sabotaged(is("lora"), (row) => ({ cost: { ...row.cost, trained_tokens: 3200 } })),
    ],
    [
      "adapter zeroed: its norm",
      "adapter zeroed",
      sabotaged(
        is("lora"),
        audit((a) => ({ adapter: { ...a.adapter!, norm: 0 } })),
      ),
    ],
    [
      "adapter zeroed: it changes no score",
      "adapter zeroed",
      sabotaged(is("lora"), (row) => {
        const none = honest.find((r) => is("none")(r) && r.user === row.user)!;
        return { audit: { ...row.audit, scores: none.audit.scores } };
      }),
    ],
    [
      "adapter zeroed beside retrieval",
      "adapter zeroed",
      sabotaged(is("rag+lora-trained"), (row) => {
        const rag = honest.find((r) => is("rag")(r) && r.user === row.user)!;
        return { audit: { ...row.audit, scores: rag.audit.scores } };
      }),
    ],
    [
      "half of the users dropped",
      "users dropped",
      honest.filter((row) => !is("rag")(row) || Number(row.user.split("-")[1]) < 10),
    ],
    [
      "half of the items dropped",
      "items dropped",
      sabotaged(is("rag"), (row) => ({ quality: { ...row.quality, items: 8 } })),
    ],
    [
      "retrieval from the future",
      "retrieval from the future",
      sabotaged(
        (row) => is("rag")(row) && row.user === "test-2",
        audit((a) => ({ shown_gaps: [...a.shown_gaps.slice(1), -2] })),
      ),
    ],
    [
      "retrieval from the future in training",
      "retrieval from the future",
      sabotaged(
        is("rag+lora-trained"),
        audit(() => ({ training_gap: 0 })),
      ),
    ],
    [
      "the future's canary in a prompt",
      "canary in a prompt",
      sabotaged(
        is("rag"),
        audit(() => ({ canary_hits: 1 })),
      ),
    ],
    [
      "a prompt longer than the trained context",
      "prompt past the context",
      sabotaged(
        is("rag"),
        audit(() => ({ longest_prompt: 257 })),
      ),
    ],
    [
      "better than the best possible",
      "above Bayes",
      sabotaged(is("rag"), (row) => ({ quality: { ...row.quality, value: 1 } })),
    ],
  ];
  it.each(cases)("%s → %s", (_, alarm, rows) => {
    expect(namesOf(rows)).toEqual([alarm]);
    const { verdicts } = studyVerdicts(study, rows);
    const touched = rows.some((row, i) => (is("rag")(row) || is("lora")(row)) && row !== honest[i]);
    if (touched || rows.length < honest.length)
      expect(verdicts[0]).toMatchObject({ reason: `alarm: ${alarm}` });
    else expect(verdicts[0].status).toBe("supported");
  });

  it("perfect users below a Bayes bound of .9 × 16 items are no alarm when they are few", () => {
    const rows = honest.filter((row) => row.user === "test-1" || row.user === "test-2");
    const small = rows.map((row) => ({
      ...row,
      planned: { ...row.planned, users: 2 },
      quality: { ...row.quality, value: trains(row.settings.method) ? 1 : row.quality.value },
    }));
    expect(namesOf(small)).toEqual([]);
  });
});
