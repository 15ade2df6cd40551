import { InputError } from "../../errors.ts";
import { Draws } from "./draw.ts";
import { type Address, addresses, corpusDigest, ERA, passages, splitOf, spread } from "./sotu_corpus.ts";
import { type Item, type Split, type Task, testItems, type User, type UsersOptions } from "./types.ts";

/**
 * State of the Union as personal text: a user is a speaker, the history passages of earlier addresses, the test items
 * passages of the last one.
 *   sotu-style    bits per byte of the held-out passages
 *   sotu-choice   which of two passages is this speaker's; the other one is by another held-out speaker within ±12
 *                 years, of about the same length and the same form of delivery
 * The placebo is the neighbour nearest in time among the held-out speakers, and the other passages are by neighbours
 * after him (within ±16 years where nobody else is within ±12): who has only one neighbour is no user of the choice.
 * Passages that are asked about and passages of histories are different ones whoever they are used for, so that no option
 * stands in anybody's history.
 */
export type SotuName = "sotu-style" | "sotu-choice";
export const SOTU: readonly SotuName[] = ["sotu-style", "sotu-choice"];

const VERSIONS: Record<SotuName, number> = { "sotu-style": 2, "sotu-choice": 2 };

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
        .filter((speaker) => name !== "sotu-choice" || othersAddresses(speaker).length > 0)
        .slice(0, count)
        .map((speaker) => speakerUser(name, seed, speaker, options));
    },
    placebo(user) {
      const speaker = speakers()[user.origin!.index];
      const neighbour = neighbours(speaker)[0];
      const near = usable(neighbour).filter((a) => Math.abs(a.year - lastYear(speaker)) <= ERA);
      const draws = new Draws(user.origin!.seed, speakerPath(neighbour), PURPOSE.history);
      const id = `${name}-placebo-${slug(neighbour)}`;
      const history = passageItems(near, "told", user.items.length - user.tests, draws, id, 0);
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

/** Years from a speaker's last address within which another one still counts where nobody else is of the era. */
const ERA_AT_MOST = 16;

/** Years between a speaker's last address and the other's nearest one. */
function yearsBetween(speaker: string, other: string): number {
  return Math.min(...usable(other).map((a) => Math.abs(a.year - lastYear(speaker))));
}

/** Other speakers of the same split kind and form of delivery, nearest first. */
function neighbours(speaker: string): string[] {
  const base = splitOf(speaker) === "base";
  const form = usable(speaker)[0].form;
  return speakers()
    .filter((other) => other !== speaker && (splitOf(other) === "base") === base)
    .filter((other) => usable(other)[0].form === form && yearsBetween(speaker, other) <= ERA_AT_MOST)
    .sort((a, b) => yearsBetween(speaker, a) - yearsBetween(speaker, b));
}

/** Addresses that the other passages of a choice come from; none where the placebo is the only neighbour. */
function othersAddresses(speaker: string): Address[] {
  const [, ...others] = neighbours(speaker);
  const reach = others.some((other) => yearsBetween(speaker, other) <= ERA) ? ERA : ERA_AT_MOST;
  const near = (a: Address) => Math.abs(a.year - lastYear(speaker)) <= reach;
  return others.flatMap((other) => usable(other).filter(near));
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
  const before = passageItems(own.slice(0, -1), "told", history, draws(PURPOSE.history), id, 0);
  const last = passageItems(own.slice(-1), "asked", tests, draws(PURPOSE.tests), id, before.length);
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

/** Every second passage of an address is asked about (as an answer or beside one), the others are for histories. */
function passagesFor(use: "asked" | "told", address: Address): string[] {
  return passages(address).filter((_, i) => (i % 2 === 0) === (use === "asked"));
}

/** `count` passages evenly spread over the addresses, in the order of time. */
function passageItems(
  from: Address[],
  use: "asked" | "told",
  count: number,
  draws: Draws,
  id: string,
  time: number,
): Item[] {
  const all = from.flatMap((a) => passagesFor(use, a).map((output) => ({ output, date: `${a.year}-01-01` })));
  return spread(all, count, draws).map((passage, i) => ({
    id: `${id}-${time + i}`,
    time: time + i,
    input: "",
    ...passage,
  }));
}

/**
 * Gives each item two options in a drawn order: its own passage and one by a neighbour who is not the placebo, of the most
 * similar length among 8 drawn.
 */
function addDistractors(items: Item[], speaker: string, draws: Draws): void {
  const pool = othersAddresses(speaker).flatMap((a) => passagesFor("asked", a));
  const unused = draws.shuffle(pool);
  const drawn = Math.min(8, Math.floor(pool.length / items.length));
  if (drawn === 0)
    throw new InputError(
      `sotu-choice: ${speaker}: ${items.length} test items, and there are ${pool.length} passages to set beside them`,
    );
  for (const item of items) {
    const some = unused.splice(0, drawn);
    const gap = (text: string) => Math.abs(text.length - item.output.length);
    const other = some.reduce((best, text) => (gap(text) < gap(best) ? text : best));
    item.options = draws.chance(0.5) ? [item.output, other] : [other, item.output];
  }
}

/** What pre-training may see: the addresses of the speakers that are in no other split. */
export function baseAddresses(): Address[] {
  return addresses().filter((a) => splitOf(a.speaker) === "base");
}
