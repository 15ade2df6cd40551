import { Bm25 } from "../rag/bm25.ts";
import { Draws } from "./draw.ts";
import { GENERATED, type GeneratedName, generatedTask, generatedUser } from "./generated.ts";
import { answer, question, shorten } from "./prompts.ts";
import { baseAddresses, sotuTask } from "./sotu.ts";
import { type Address, passages, spread } from "./sotu_corpus.ts";
import type { Dials, Item, Task } from "./types.ts";

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
 * Group `index` of the pre-training mix: sequences of together about `tokens` tokens, a function of (seed, index) only.
 *
 * 70 %: one fresh base user each. Half of these are one sequence of all items in the order of time (each is a query
 * whose history is everything before it), half are prompts as a study makes them: 0 to 8 items retrieved by BM25, some
 * wrong on purpose, then the query. 30 %: State of the Union without the held-out speakers, half running text, half
 * passages of one speaker in the shape of a prompt.
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
  const count = prompts ? 8 + draws.integer(57) : Math.floor(settings.tokens / perItem);
  const user = generatedUser(name, seed, "base", index, dials, { history: count, tests: 0 });
  if (!prompts) return [user.items.flatMap((item) => lineSegments(task, item, settings))];
  return userPrompts(task, user.items, draws, settings, Math.floor(settings.tokens / perItem));
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

/** Weight 1 on the answer, little on what is asked and on the line's end. */
function lineSegments(task: Task, item: Item, { elsewhere }: Required<MixOptions>, most?: number): Segment[] {
  return [
    { text: question(task, item), weight: elsewhere },
    { text: answer(shorten(item.output, most)), weight: 1 },
    { text: "\n", weight: elsewhere },
  ];
}

/** Prompts for the user's last items, until about `lines` lines are written. */
function userPrompts(
  task: Task,
  items: Item[],
  draws: Draws,
  settings: Required<MixOptions>,
  lines: number,
): Sequence[] {
  const firstQuery = Math.max(0, items.length - 8);
  const index = Bm25.of(items.slice(0, firstQuery));
  const sequences: Sequence[] = [];
  let written = 0;
  for (let i = firstQuery; i < items.length && written < lines; i++) {
    const query = items[i];
    const shown = index.best(query.input, draws.integer(settings.shown + 1));
    const flawed = shown.map((item) => (draws.chance(WRONG_RETRIEVAL) ? items[draws.integer(i)] : item));
    sequences.push([...flawed, query].flatMap((item) => lineSegments(task, item, settings)));
    written += shown.length + 1;
    index.add(query);
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

/** Passages of one speaker, the last one whole, as sotu-style and sotu-choice show them. */
function passagePrompts(draws: Draws, settings: Required<MixOptions>): Sequence[] {
  const task = sotuTask("sotu-style");
  const { speaker } = draws.pick(baseAddresses());
  const own: Address[] = baseAddresses().filter((a) => a.speaker === speaker);
  const count = draws.integer(settings.shown + 1) + 1;
  const texts = spread(passages(draws.pick(own)), count, draws);
  return [
    texts.flatMap((output, i) => {
      const item: Item = { id: "", time: i, input: "", output };
      const most = i < texts.length - 1 ? task.shownCharacters : undefined;
      return lineSegments(task, item, settings, most).map((s) => ({
        ...s,
        weight: Math.min(s.weight, settings.prose),
      }));
    }),
  ];
}
