import { describe, expect, it } from "vitest";
import { Draws } from "../../src/lab/tasks/draw.ts";
import { mixGroup, type Sequence } from "../../src/lab/tasks/pretrain_mix.ts";
import { answer, question, shorten } from "../../src/lab/tasks/prompts.ts";
import { sotuTask } from "../../src/lab/tasks/sotu.ts";
import {
  type Address,
  addresses,
  deduplicate,
  ERA,
  formOf,
  HELD_OUT,
  passages,
  sentencesOf,
  splitOf,
  spread,
} from "../../src/lab/tasks/sotu_corpus.ts";
import { testItems } from "../../src/lab/tasks/types.ts";

const SEED = 20_241;
const key = (text: string) =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, " ")
    .trim();
const textOf = (sequence: Sequence) => sequence.map((segment) => segment.text).join("");

describe("State of the Union", () => {
  it("has 233 addresses by year; 16 speakers are held out, all of them in the corpus", () => {
    expect(addresses().length).toBe(233);
    expect(addresses().map((a) => a.year)).toEqual(
      addresses()
        .map((a) => a.year)
        .sort((a, b) => a - b),
    );
    const speakers = new Set(addresses().map((a) => a.speaker));
    expect(Object.keys(HELD_OUT).length).toBe(16);
    for (const speaker of Object.keys(HELD_OUT)) expect(speakers).toContain(speaker);
  });

  it("no sentence stands twice in the corpus, so none is in two splits", () => {
    const all = addresses().flatMap((a) => a.sentences.map(key));
    expect(all.length).toBeGreaterThan(50_000);
    expect(new Set(all).size).toBe(all.length);
  });

  it("deduplicates by letters, keeping the first", () => {
    const address = (year: number, ...sentences: string[]): Address => ({
      speaker: "A",
      year,
      form: "spoken",
      sentences,
    });
    const [first, second] = deduplicate([
      address(1, "God bless you."),
      address(2, "god bless you!", "Peace."),
    ]);
    expect(first.sentences).toEqual(["God bless you."]);
    expect(second.sentences).toEqual(["Peace."]);
  });

  it("cuts sentences and passages without losing a word in between", () => {
    const text = 'We met. It was "late." Who came? No. 4 cost $1.50 then! The end';
    expect(sentencesOf(text).join(" ")).toBe(text);
    expect(sentencesOf("One. Two.")).toEqual(["One.", "Two."]);
    const address = addresses()[40];
    const whole = address.sentences.join(" ");
    const pieces = passages(address, 200);
    expect(pieces.every((piece) => piece.length <= 200 && piece.length > 50)).toBe(true);
    expect(whole).toContain(pieces.join(" "));
    expect(pieces.join(" ").length).toBeGreaterThan(whole.length - 401);
  });

  it("knows what was read out and what was sent", () => {
    expect(formOf(1800, "John Adams")).toBe("spoken");
    expect(formOf(1850, "Millard Fillmore")).toBe("written");
    expect(formOf(1913, "Woodrow Wilson")).toBe("spoken");
    expect(formOf(1961, "Dwight D Eisenhower")).toBe("written");
    expect(formOf(1961, "John F Kennedy")).toBe("spoken");
  });

  it("users are 12 test and 4 dev speakers, history before test, tests from the last address only", () => {
    const task = sotuTask("sotu-style");
    const test = task.users(SEED, 20, "test");
    const dev = task.users(SEED, 20, "dev");
    expect([test.length, dev.length]).toEqual([12, 4]);
    for (const user of [...test, ...dev]) {
      const tests = testItems(user);
      const history = user.items.slice(0, -tests.length);
      expect([history.length, tests.length]).toEqual([64, 16]);
      expect(new Set(tests.map((item) => item.date)).size).toBe(1);
      expect(history.every((item) => item.date! < tests[0].date!)).toBe(true);
      expect(user.items.map((item) => item.time)).toEqual(user.items.map((_, i) => i));
      expect(new Set(user.items.map((item) => item.output)).size).toBe(80);
    }
  });

  it("distractors are by another held-out speaker of the era, in the same form and about as long", () => {
    const owners = new Map<string, { speaker: string; year: number; form: string }>();
    for (const address of addresses().filter((a) => splitOf(a.speaker) !== "base"))
      for (const passage of passages(address)) owners.set(passage, address);
    let first = 0;
    let total = 0;
    for (const user of sotuTask("sotu-choice").users(SEED, 20, "test"))
      for (const item of testItems(user)) {
        const [own, other] = [item.output, item.options!.find((o) => o !== item.output)!];
        expect(owners.get(other)!.speaker).not.toBe(owners.get(own)!.speaker);
        expect(owners.get(other)!.form).toBe(owners.get(own)!.form);
        // Two of them have nobody but the placebo within the era.
        const lonely = /mc-kinley|obama/.test(user.id);
        const years = Math.abs(owners.get(other)!.year - owners.get(own)!.year);
        expect(years).toBeLessThanOrEqual(lonely ? 16 : ERA);
        expect(Math.abs(other.length - own.length)).toBeLessThan(90);
        first += item.options![0] === own ? 1 : 0;
        total++;
      }
    expect(Math.abs(first / total - 0.5)).toBeLessThan(0.15);
  });

  it("the placebo is a held-out neighbour's history before the own test items", () => {
    const task = sotuTask("sotu-choice");
    for (const user of task.users(SEED, 20, "test")) {
      const placebo = task.placebo(user);
      expect(testItems(placebo)).toEqual(testItems(user));
      expect(placebo.items.length).toBe(user.items.length);
      const year = Number(testItems(user)[0].date!.slice(0, 4));
      const own = new Set(user.items.map((item) => item.output));
      for (const item of placebo.items.slice(0, 64)) {
        expect(own.has(item.output)).toBe(false);
        expect(Math.abs(Number(item.date!.slice(0, 4)) - year)).toBeLessThanOrEqual(ERA);
      }
    }
  });

  it("placebo and distractors of a choice are by different people", () => {
    const speakers = new Map<string, string>();
    for (const address of addresses())
      for (const passage of passages(address)) speakers.set(passage, address.speaker);
    const task = sotuTask("sotu-choice");
    const users = [...task.users(SEED, 20, "test"), ...task.users(SEED, 20, "dev")];
    expect(users.length).toBe(14); // who has one neighbour only is left out: Madison, Monroe
    for (const user of users) {
      const own = speakers.get(user.items[0].output)!;
      const [placebo] = task.placebo(user).items;
      const others = testItems(user).flatMap((item) => item.options!.map((text) => speakers.get(text)!));
      expect(new Set(others)).toContain(own);
      expect(others).not.toContain(speakers.get(placebo.output));
    }
  });

  it("no option stands in anybody's history, own or placebo", () => {
    const told = new Set<string>();
    const asked: string[] = [];
    for (const name of ["sotu-choice", "sotu-style"] as const)
      for (const split of ["test", "dev"] as const) {
        const task = sotuTask(name);
        for (const user of task.users(SEED, 20, split)) {
          for (const { items, tests } of [user, task.placebo(user)])
            for (const { output } of items.slice(0, -tests)) told.add(output);
          asked.push(...testItems(user).flatMap((item) => item.options ?? [item.output]));
        }
      }
    expect(asked.length).toBe(14 * 16 * 2 + 16 * 16);
    expect(asked.filter((text) => told.has(text))).toEqual([]);
  });

  it("more test items than the neighbours have passages for are refused", () => {
    expect(() => sotuTask("sotu-choice").users(SEED, 20, "test", { tests: 500 })).toThrow(
      /sotu-choice: .*: \d+ test items, and there are \d+ passages/,
    );
  });

  it("spread takes items evenly and in order", () => {
    const list = Array.from({ length: 100 }, (_, i) => i);
    const taken = spread(list, 10, new Draws(SEED));
    expect(taken.length).toBe(10);
    for (let i = 1; i < 10; i++) expect(taken[i] - taken[i - 1]).toBe(10);
    expect(spread([1, 2], 5, new Draws(SEED))).toEqual([1, 2]);
  });
});

describe("pre-training mix", () => {
  const groups = Array.from({ length: 1500 }, (_, i) => mixGroup(SEED, i));
  const isProse = (group: Sequence[]) => group[0].length === 1 || group[0][0].text === "-";
  const tokens = (group: Sequence[]) =>
    isProse(group)
      ? group.map(textOf).join("").length / 3.1
      : group.flat().reduce((n, s) => n + (s.text.match(/\w+|[^\w\s]|\n/g) ?? []).length, 0);

  it("is a function of seed and index", () => {
    expect(mixGroup(SEED, 7)).toEqual(groups[7]);
    expect(mixGroup(SEED, 8)).not.toEqual(groups[7]);
    expect(mixGroup(SEED + 1, 7)).not.toEqual(groups[7]);
  });

  it("is 70 % generated users and 30 % State of the Union, about 256 tokens a group", () => {
    const all = groups.reduce((n, group) => n + tokens(group), 0);
    const prose = groups.filter(isProse).reduce((n, group) => n + tokens(group), 0);
    expect(Math.abs(prose / all - 0.3)).toBeLessThan(0.04);
    expect(Math.abs(all / groups.length - 290)).toBeLessThan(40);
  });

  it("has half of the users' groups in the shape of prompts, with 0 to 8 shown items", () => {
    const generated = groups.filter((group) => !isProse(group));
    const asPrompts = generated.filter((group) => group.length > 1);
    expect(Math.abs(asPrompts.length / generated.length - 0.5)).toBeLessThan(0.07);
    const shown = asPrompts.flat().map((sequence) => sequence.length / 3 - 1);
    expect([Math.min(...shown), Math.max(...shown)]).toEqual([0, 8]);
  });

  it("weighs answers that can be known 1, the rest of the line a tenth, prose by its own weight", () => {
    let full = 0;
    let lines = 0;
    for (const group of groups.slice(0, 200))
      for (const sequence of group) {
        if (isProse(group)) {
          expect(sequence.every(({ weight }) => weight <= 0.3)).toBe(true);
          continue;
        }
        expect(sequence.filter(({ weight }, i) => weight !== 0.1 && (weight !== 1 || i % 3 !== 1))).toEqual(
          [],
        );
        // nothing can be known of the first answer
        expect(sequence[1].weight).toBe(0.1);
        for (let i = 0; i < sequence.length; i += 3) {
          expect(sequence[i].text).toMatch(/^(a|the) .*(\?|:| =)$/);
          expect(sequence[i + 1].text).toMatch(/^ \w/);
          expect(sequence[i + 2].text).toBe("\n");
        }
        full += sequence.filter(({ weight }) => weight === 1).length;
        lines += sequence.length / 3;
      }
    expect(full / lines).toBeGreaterThan(0.5);
  });

  it("is in the shape of the study's lines", () => {
    const item = { id: "", time: 0, input: "a film about bread", output: "calm" };
    expect(question({ mark: ":" }, item) + answer(item.output)).toBe("a film about bread: calm");
    expect(shorten("one two three", 8)).toBe("one two");
    expect(shorten("one two", 7)).toBe("one two");
    expect(shorten("unbreakable", 5)).toBe("unbre");
  });

  it("holds nothing that a held-out speaker said", () => {
    const heldOut = addresses().filter((a) => splitOf(a.speaker) !== "base");
    const sentences = new Set(heldOut.flatMap((a) => a.sentences.filter((s) => s.length > 40).map(key)));
    let checked = 0;
    for (const group of groups.filter(isProse))
      for (const sequence of group)
        for (const sentence of sentencesOf(textOf(sequence)).map(key)) {
          expect(sentences.has(sentence)).toBe(false);
          checked++;
        }
    expect(checked).toBeGreaterThan(1000);
  });
});
