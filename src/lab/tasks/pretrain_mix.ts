import { difficulty } from "./bayes.ts";
import { Draws } from "./draw.ts";
import { GENERATED, type GeneratedName, generatedTask, generatedUser } from "./generated.ts";
import { rankForMix } from "./mix_ranking.ts";
import { answer, question, shorten } from "./prompts.ts";
import { baseAddresses, sotuTask } from "./sotu.ts";
import { passages, spread } from "./sotu_corpus.ts";
import type { Dials, Item, Task, User } from "./types.ts";

/** A piece of text and the weight of the loss on its tokens. */
export interface Segment {
  text: string;
  weight: number;
}
/** One sequence: starts at position 0 and sees nothing of the others. */
export type Sequence = Segment[];

export interface MixOptions {
  /** tokens a group of sequences should come to, roughly (default 256) */
  tokens?: number;
  /** share of groups that are generated users (default 0.7); the rest is State of the Union */
  generated?: number;
  /** loss weight off the answers (default 0.1) */
  elsewhere?: number;
  /** loss weight on State of the Union (default 0.3) */
  prose?: number;
  /** items that a prompt shows at most (default 8) */
  shown?: number;
}

const DEFAULTS: Required<MixOptions> = { tokens: 256, generated: 0.7, elsewhere: 0.1, prose: 0.3, shown: 8 };
/** Tasks of generated users, by how much there is to learn of each. */
const TASK_WEIGHTS: Record<GeneratedName, number> = { taste: 0.3, tags: 0.3, template: 0.2, rule: 0.2 };
/** Share of retrieved items that are replaced by any other, so that models learn to look before they copy. */
const WRONG_RETRIEVAL = 0.15;
/**
 * Bits that what is in view must tell of an answer for it to count fully. The others are coin tosses: they taught
 * nothing and drowned the rest. It depends on the questions and on what is in view, never on the answer itself.
 */
const TOLD = 0.1;

/** Items before the first query of a user's prompts: often few, where every shown item counts. */
const HISTORIES = [4, 8, 8, 16, 32, 64];
/** Queries of one user among which its prompts are chosen. */
const QUERIES = 8;

/**
 * Group `index` of the pre-training mix: sequences of together about `tokens` tokens, a function of (seed, index) only.
 *
 * 70 %: one fresh base user each. Half of these are one sequence of all items in the order of time (each is a query
 * whose history is everything before it), half are prompts in a study's shape: 0 to 8 items that have words in common
 * with the query (mix_ranking.ts), some wrong on purpose, then the query. 30 %: State of the Union without the held-out
 * speakers, half running text, half passages of one speaker in the shape of a prompt.
 */
export function mixGroup(seed: number, index: number, options: MixOptions = {}): Sequence[] {
  const settings = { ...DEFAULTS, ...options };
  const draws = new Draws(seed, 0, index);
  const generated = draws.chance(settings.generated);
  const prompts = draws.chance(0.5);
  if (!generated) return prompts ? passagePrompts(draws, settings) : [runningText(draws, settings)];
  const name = GENERATED[draws.weighted(GENERATED.map((task) => TASK_WEIGHTS[task]))];
  const dials = drawDials(draws, name);
  const task = generatedTask(name, dials);
  const perItem = itemTokens(name);
  const count = prompts ? QUERIES + draws.pick(HISTORIES) : Math.floor(settings.tokens / perItem);
  const user = generatedUser(name, seed, "base", index, dials, { history: count, tests: 0 });
  if (!prompts) return [userLines(task, user, user.items, settings)];
  return userPrompts(task, user, draws, settings, Math.floor(settings.tokens / perItem));
}

/** Tokens of a line when every word is one. */
function itemTokens(name: GeneratedName): number {
  return { taste: 8, tags: 8, template: 9, rule: 14 }[name];
}

function drawDials(draws: Draws, name: GeneratedName): Dials {
  return {
    topics: name === "template" ? 4 + draws.integer(5) : 4 + draws.integer(13),
    synonyms: draws.pick([1, 1, 2, 4] as const),
    noise: draws.pick([0, 0.02, 0.05, 0.1]),
    locality: draws.pick([1, 1, 1, 0.5]),
  };
}

/** The lines of items that stand in one sequence, each with those before it in view. */
function userLines(
  task: Task,
  user: User,
  items: readonly Item[],
  { elsewhere }: Required<MixOptions>,
): Segment[] {
  return items.flatMap((item, i) => {
    const known = difficulty(task.predictive!(user, items.slice(0, i), item)).bits;
    const tells = known < Math.log2(item.options!.length) - TOLD;
    return lineSegments(task, item, elsewhere, tells ? 1 : elsewhere);
  });
}

function lineSegments(task: Task, item: Item, elsewhere: number, weight: number, most?: number): Segment[] {
  return [
    { text: question(task, item), weight: elsewhere },
    { text: answer(shorten(item.output, most)), weight },
    { text: "\n", weight: elsewhere },
  ];
}

/** Prompts for the user's last items, until about `lines` lines are written. */
function userPrompts(
  task: Task,
  user: User,
  draws: Draws,
  settings: Required<MixOptions>,
  lines: number,
): Sequence[] {
  const { items } = user;
  const firstQuery = items.length - QUERIES;
  const sequences: Sequence[] = [];
  let written = 0;
  for (let i = firstQuery; i < items.length && written < lines; i++) {
    const query = items[i];
    const shown = rankForMix(items.slice(0, i), query.input, draws.integer(settings.shown + 1));
    const flawed = shown.map((item) => (draws.chance(WRONG_RETRIEVAL) ? items[draws.integer(i)] : item));
    sequences.push(userLines(task, user, [...flawed, query], settings));
    written += shown.length + 1;
  }
  return sequences;
}

/** Characters of the addresses per token of a small vocabulary, roughly. */
const CHARACTERS_PER_TOKEN = 3;

function runningText(draws: Draws, { tokens, prose }: Required<MixOptions>): Sequence {
  const { sentences } = draws.pick(baseAddresses());
  const first = draws.integer(Math.max(1, sentences.length - 4));
  const text = sentences.slice(first, first + 60).join(" ");
  return [{ text: shorten(text, tokens * CHARACTERS_PER_TOKEN), weight: prose }];
}

/** Passages of one address, the last of each sequence whole, until they come to about `tokens` tokens. */
function passagePrompts(draws: Draws, settings: Required<MixOptions>): Sequence[] {
  const task = sotuTask("sotu-style");
  const { elsewhere, prose, shown } = settings;
  const all = passages(draws.pick(baseAddresses()));
  const sequences: Sequence[] = [];
  let characters = 0;
  while (characters < 0.75 * settings.tokens * CHARACTERS_PER_TOKEN) {
    const texts = spread(all, draws.integer(shown + 1) + 1, draws);
    const items = texts.map((output, time): Item => ({ id: "", time, input: "", output }));
    const sequence = items.flatMap((item, i) => {
      const most = i < items.length - 1 ? task.shownCharacters : undefined;
      return lineSegments(task, item, Math.min(elsewhere, prose), prose, most);
    });
    sequences.push(sequence);
    characters += sequence.reduce((sum, { text }) => sum + text.length, 0);
  }
  return sequences;
}
