import { describe, expect, it } from "vitest";
import {
  calibrate,
  calibrationStudy,
  calibrationWorld,
  NULL_EFFECTS,
  power,
  selfCheck,
} from "../../src/lab/study/calibration.ts";
import { parseRows } from "../../src/lab/study/results.ts";
import { simulate, type World } from "../../src/lab/study/simulation.ts";
import { studyVerdicts } from "../../src/lab/study/verdicts.ts";

const study = calibrationStudy(20);

describe("the verdicts' own errors", () => {
  it("2,000 studies in which no claim is true", () => {
    const { falseSupported, falseAlone, family, coverage, sd } = calibrate(2000);
    expect(sd).toBeGreaterThan(0.14);
    expect(sd).toBeLessThan(0.16);
    expect(Object.keys(falseAlone)).toEqual(["beats", "gain-below", "no-worse"]);
    for (const rate of [...Object.values(falseSupported), ...Object.values(falseAlone)])
      expect(rate).toBeLessThanOrEqual(0.032);
    expect(family).toBeLessThanOrEqual(0.06);
    expect(family).toBeGreaterThan(0.005); // the verdict code does say "supported" now and then
    for (const share of Object.values(coverage)) {
      expect(share).toBeGreaterThanOrEqual(0.935);
      expect(share).toBeLessThanOrEqual(0.965);
    }
  });

  it("an effect of twice the margin is found by the users asked for", () => {
    expect(power(40)).toBeGreaterThanOrEqual(0.8);
  });

  it("sign flips of a finished study find little, whatever the study found", () => {
    const effects = { beats: 0.3, "gain-below": -0.2, "no-worse": 0.2 };
    const world = calibrationWorld(effects);
    // Far enough below the worst arm for that one not to be at the floor.
    const accuracy: World["accuracy"] = (cell) => (cell.method === "none" ? 0.2 : world.accuracy(cell));
    const rows = simulate(study, { ...world, accuracy }, 1);
    const { verdicts, samples } = studyVerdicts(study, rows);
    expect(verdicts.map((verdict) => verdict.status)).toEqual(["supported", "supported", "supported"]);
    const check = selfCheck(samples);
    for (const rate of Object.values(check.falseSupported)) expect(rate).toBeLessThanOrEqual(0.04);
    expect(check.family).toBeLessThanOrEqual(0.06);
    expect(check.family).toBeGreaterThan(0);
  });

  it("a simulated file read back gives the same verdicts", () => {
    const rows = simulate(study, calibrationWorld(NULL_EFFECTS), 3);
    const read = parseRows(rows.map((row) => `${JSON.stringify(row)}\n`).join(""), "results.jsonl");
    expect(studyVerdicts(study, read).verdicts).toEqual(studyVerdicts(study, rows).verdicts);
  });
});
