/** What a task, its users and their items are. Everything a study does with data goes through these types. */

/** base: pre-training; dev: choosing settings; test: verdicts. No user is in two of them. */
export type Split = "base" | "dev" | "test";
export const SPLITS: readonly Split[] = ["base", "dev", "test"];

/** One thing that a user wrote or judged. */
export interface Item {
  id: string;
  /** "YYYY-MM-DD", with a time of day behind it or without, where the data has it */
  date?: string;
  /** Place in the user's own time, strictly ascending. Retrieval for an item sees only smaller ones. */
  time: number;
  input: string;
  output: string;
  /** The answers to choose from, in a fixed order; the output is one of them. Absent: free text. */
  options?: string[];
  /** What retrieval looks at instead of input and output: what is searched in, or, of a query, what is searched for. */
  search?: string;
  /** What the item is about, as it would stand in a history, where that is not its input (or its output, where nothing is asked). */
  subject?: string;
  /** What the generator put into the text (see generated.ts); absent on real text. */
  facts?: number[];
  /** Fields of the file the item came from that input and output do not hold. */
  fields?: Record<string, string>;
}

/** How hard a generated user is. */
export interface Dials {
  /** distinct topics (classes of content for `template`); unused by `rule` */
  topics: number;
  /** words per topic: 1 = the same word returns, 2 and 4 = look-up by meaning; unused by `rule` */
  synonyms: 1 | 2 | 4;
  /** probability that an answer is replaced by one of the others, uniformly */
  noise: number;
  /** probability that a topic has an answer of its own instead of its theme's: 1 = one item tells, 0 = many combine */
  locality: number;
}

export interface User {
  id: string;
  task: string;
  split: Split;
  /** Whose user this is, where one person may be several users; otherwise each is a person. */
  person?: string;
  /** in the order of time; the last `tests` are the queries, what is before them is the history */
  items: Item[];
  tests: number;
  /** made here: the seed and index that make this user again, and the dials of a generated one */
  origin?: { seed: number; index: number; dials?: Dials };
}

export interface UsersOptions {
  /** items before the test items (default 64) */
  history?: number;
  /** test items (default 16) */
  tests?: number;
}

export interface Task {
  name: string;
  /** Raised whenever the task gives other users, items or placebos than before: rows of different versions never stand side by side. */
  version: number;
  /** `generated` tasks can only recover what was planted; `real` ones can support a guideline */
  source: "generated" | "real";
  metric: "accuracy" | "bits_per_byte";
  /** stands between input and output in a prompt, for example "?" or ":" */
  mark: string;
  /** characters of a shown item's output that a prompt holds at most; undefined = all */
  shownCharacters?: number;
  /** Digest of the text that its users are drawn from; generated users are drawn from none. */
  data?(): string;
  users(seed: number, count: number, split: Split, options?: UsersOptions): User[];
  /** The user's own test items behind the history, of the same size, of another user of the same task and domain. */
  placebo(user: User): User;
  /** The exact distribution over `query.options` for someone who knows the generator and saw `seen`. */
  predictive?(user: User, seen: readonly Item[], query: Item): number[];
}

/** Nothing is asked: the options are texts, of which one is the user's. */
export function isPassage(item: Item): boolean {
  return item.input === "" && item.options !== undefined;
}

export function testItems(user: User): Item[] {
  return user.items.slice(user.items.length - user.tests);
}

/** The `stored` items right before the test items, in the order of time (all of them if there are fewer). */
export function historyItems(user: User, stored: number): Item[] {
  const end = user.items.length - user.tests;
  return user.items.slice(Math.max(0, end - stored), end);
}
