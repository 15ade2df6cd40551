import { Draws } from "./draw.ts";
import { type Address, addresses, corpusDigest, ERA, passages, splitOf, spread } from "./sotu_corpus.ts";
import { type Item, type Split, type Task, testItems, type User, type UsersOptions } from "./types.ts";

/**
 * State of the Union as personal text: a user is a speaker, the history passages of earlier addresses, the test items
 * passages of the last one.
 *   sotu-style    bits per byte of the held-out passages
 *   sotu-choice   which of two passages is this speaker's; the other one is by another held-out speaker within ±12
 *                 years, of about the same length and the same form of delivery
 * The placebo is the neighbour nearest in time among the held-out speakers.
 */
export type SotuName = "sotu-style" | "sotu-choice";
export const SOTU: readonly SotuName[] = ["sotu-style", "sotu-choice"];

const VERSIONS: Record<SotuName, number> = { "sotu-style": 1, "sotu-choice": 1 };

/** What a prompt shows of a passage: eight of them and a query fit into the trained context. */
const SHOWN_CHARACTERS = 90;
const PURPOSE = { history: 0, tests: 1, distractors: 2 };

export function sotuTask(name: SotuName): Task {
  return {
    name,
    version: VERSIONS[name],
    source: "real",
    data: corpusDigest,
    metric: name === "sotu-style" ? "bits_per_byte" : "accuracy",
    mark: "-",
    shownCharacters: SHOWN_CHARACTERS,
    users(seed, count, split, options) {
      return speakersOf(split)
        .slice(0, count)
        .map((speaker) => speakerUser(name, seed, speaker, options));
    },
    placebo(user) {
      const speaker = speakers()[user.origin!.index];
      const neighbour = neighbours(speaker)[0];
      const near = usable(neighbour).filter((a) => Math.abs(a.year - lastYear(speaker)) <= ERA);
      const draws = new Draws(user.origin!.seed, speakerPath(neighbour), PURPOSE.history);
      const id = `${name}-placebo-${slug(neighbour)}`;
      const history = passageItems(near, user.items.length - user.tests, draws, id, 0);
      return { ...user, id, items: [...history, ...testItems(user)] };
    },
  };
}

/** Speakers in the order of their first address. */
function speakers(): string[] {
  return [...new Set(addresses().map((a) => a.speaker))];
}

function speakersOf(split: Split): string[] {
  return speakers().filter((speaker) => splitOf(speaker) === split && usable(speaker).length > 1);
}

/** A speaker's addresses in the form that most of them have. */
function usable(speaker: string): Address[] {
  const own = addresses().filter((a) => a.speaker === speaker);
  const written = own.filter((a) => a.form === "written");
  return written.length * 2 > own.length ? written : own.filter((a) => a.form === "spoken");
}

function lastYear(speaker: string): number {
  return usable(speaker).at(-1)!.year;
}

/** Other speakers of the same split kind with addresses of the same form within ±12 years of the last one, nearest first. */
function neighbours(speaker: string): string[] {
  const base = splitOf(speaker) === "base";
  const year = lastYear(speaker);
  const form = usable(speaker)[0].form;
  const distance = (other: string) => Math.min(...usable(other).map((a) => Math.abs(a.year - year)));
  return speakers()
    .filter((other) => other !== speaker && (splitOf(other) === "base") === base)
    .filter((other) => usable(other)[0].form === form && distance(other) <= ERA)
    .sort((a, b) => distance(a) - distance(b));
}

const slug = (speaker: string) => speaker.toLowerCase().replaceAll(" ", "-");
const speakerPath = (speaker: string) => speakers().indexOf(speaker);

function speakerUser(
  name: SotuName,
  seed: number,
  speaker: string,
  { history = 64, tests = 16 }: UsersOptions = {},
): User {
  const own = usable(speaker);
  const id = `${name}-${slug(speaker)}`;
  const draws = (purpose: number) => new Draws(seed, speakerPath(speaker), purpose);
  const before = passageItems(own.slice(0, -1), history, draws(PURPOSE.history), id, 0);
  const last = passageItems(own.slice(-1), tests, draws(PURPOSE.tests), id, before.length);
  if (name === "sotu-choice") addDistractors(last, speaker, draws(PURPOSE.distractors));
  return {
    id,
    task: name,
    split: splitOf(speaker),
    items: [...before, ...last],
    tests: last.length,
    origin: { seed, index: speakerPath(speaker) },
  };
}

/** `count` passages evenly spread over the addresses, in the order of time. */
function passageItems(from: Address[], count: number, draws: Draws, id: string, time: number): Item[] {
  const all = from.flatMap((a) => passages(a).map((output) => ({ output, date: `${a.year}-01-01` })));
  return spread(all, count, draws).map((passage, i) => ({
    id: `${id}-${time + i}`,
    time: time + i,
    input: "",
    ...passage,
  }));
}

/** Gives each item two options in a drawn order: its own passage and one by a neighbour, of the most similar length among 8 drawn. */
function addDistractors(items: Item[], speaker: string, draws: Draws): void {
  const year = lastYear(speaker);
  const pool = neighbours(speaker).flatMap((other) =>
    usable(other)
      .filter((a) => Math.abs(a.year - year) <= ERA)
      .flatMap((a) => passages(a)),
  );
  const unused = draws.shuffle(pool);
  for (const item of items) {
    const eight = unused.splice(0, 8);
    const gap = (text: string) => Math.abs(text.length - item.output.length);
    const other = eight.reduce((best, text) => (gap(text) < gap(best) ? text : best));
    item.options = draws.chance(0.5) ? [item.output, other] : [other, item.output];
  }
}

/** What pre-training may see: the addresses of the speakers that are in no other split. */
export function baseAddresses(): Address[] {
  return addresses().filter((a) => splitOf(a.speaker) === "base");
}
