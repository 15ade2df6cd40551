import { expect, test } from "vitest";
import { check, type Faults, type Incidents, type Model } from "./protocol.ts";

const small = { threads: 2, runs: 2, segments: 2 };

test.each<[string, Incidents]>([
  ["nothing", {}],
  ["an abort that is taken back", { aborts: 1, clears: 1 }],
  ["two failures and an abort", { failures: 2, aborts: 1, clears: 1 }],
  ["a refusal and a failure", { refusals: 1, failures: 1 }],
  ["two traps", { traps: 2 }],
  ["a trap, a failure and an abort", { traps: 1, failures: 1, aborts: 1 }],
  ["a call that traps", { trappingCalls: 1, traps: 1 }],
])("the protocol holds with %s", (_, incidents) => {
  const { states, wrong } = check({ ...small, ...incidents });
  expect(wrong).toBeUndefined();
  expect(states).toBeGreaterThan(100);
});

test("the protocol holds with three threads", () => {
  expect(check({ threads: 3, runs: 1, segments: 2, failures: 1 }).wrong).toBeUndefined();
});

test.each<[keyof Faults, Partial<Model>, RegExp]>([
  ["sleepLosesLocal", {}, /before all have done the one before/],
  ["sleepLosesStatus", { failures: 1 }, /a failure is reported as done/],
  ["abortForgotten", { aborts: 1, clears: 1 }, /nothing ends.*abort taken back/],
  ["refusalStays", { refusals: 1 }, /nothing ends.*refuses/],
  ["wordsNotAwaited", { traps: 1 }, /a thread has trapped and the host works on/],
  ["recordOverwritten", { failures: 2 }, /values of one thread and the place of another/],
  ["helpersNeverDone", { trappingCalls: 1 }, /nothing ends.*a call that traps/],
])("the model finds %s", (fault, incidents, wrong) => {
  expect(check({ ...small, ...incidents, faults: { [fault]: true } }).wrong).toMatch(wrong);
});
