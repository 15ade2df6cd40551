import { InputError } from "../../errors.ts";
import { lookupPredictive, rulePredictive } from "./bayes.ts";
import { Draws } from "./draw.ts";
import type { Dials, Item, Split, Task, User, UsersOptions } from "./types.ts";
import { SPLITS, testItems } from "./types.ts";
import { ATTRIBUTES, FORMS, JUDGEMENTS, MANNERS, PEOPLE, PHRASES, TAGS, THEMES, VERBS } from "./words.ts";

/**
 * Users whose answers follow a hidden function that the generator knows:
 *   taste     topic → yes | no               "a quiet film about wolves"   → "no"
 *   tags      topic → one of 12 tags         "a quiet film about wolves"   → "calm"
 *   template  class of content → a phrase    "the mayor praised wolves"    → "notes on wolves"
 *   rule      one of six attributes decides  "a long sad old book about wolves on a winter night" → "yes"
 */
export type GeneratedName = "taste" | "tags" | "template" | "rule";
export const GENERATED: readonly GeneratedName[] = ["taste", "tags", "template", "rule"];

export const DEFAULT_DIALS: Record<GeneratedName, Dials> = {
  taste: { topics: 12, synonyms: 1, noise: 0.05, locality: 1 },
  tags: { topics: 12, synonyms: 1, noise: 0.05, locality: 1 },
  template: { topics: 6, synonyms: 2, noise: 0.02, locality: 1 },
  rule: { topics: 16, synonyms: 2, noise: 0.05, locality: 1 },
};

const VERSIONS: Record<GeneratedName, number> = { taste: 1, tags: 1, template: 1, rule: 1 };

const MARKS: Record<GeneratedName, string> = { taste: "?", tags: ":", template: " =", rule: "?" };
const TOPICS_PER_THEME = THEMES[0].length;
const DAY = 86_400_000;
const FIRST_DAY = Date.UTC(2020, 0, 1);
/** Placebo users take indices from here on, which no study reaches. */
const PLACEBO_INDEX = 1 << 20;

/** Draws of one item before its user is said to have no more different ones. */
const ATTEMPTS = 1000;

/** What the draws of a user are for: the last step of their path, so that one never shifts the other. */
const PURPOSE = { topics: 0, answers: 1, items: 2 };

/** The names of the answers, for a look-up task without the topic's word. */
function answerNames(name: GeneratedName): readonly string[] {
  if (name === "tags") return TAGS;
  return name === "template" ? PHRASES : JUDGEMENTS;
}

export function checkDials(name: string, dials: Dials): string | undefined {
  const { topics, synonyms, noise, locality } = dials;
  const most = THEMES.length * TOPICS_PER_THEME;
  if (!Number.isInteger(topics) || topics < 1 || topics > most)
    return `${name}: topics must be a whole number from 1 to ${most}, not ${topics}`;
  if (![1, 2, 4].includes(synonyms)) return `${name}: synonyms must be 1, 2 or 4, not ${synonyms}`;
  if (!(noise >= 0 && noise < 0.5)) return `${name}: noise must be in [0, 0.5), not ${noise}`;
  if (!(locality >= 0 && locality <= 1)) return `${name}: locality must be in [0, 1], not ${locality}`;
  return undefined;
}

/** A generated task with its dials; `users` with the same arguments are the same users, on any machine. */
export function generatedTask(name: GeneratedName, changes: Partial<Dials> = {}): Task {
  const dials = { ...DEFAULT_DIALS[name], ...changes };
  const wrong = checkDials(name, dials);
  if (wrong) throw new InputError(wrong);
  return {
    name,
    version: VERSIONS[name],
    source: "generated",
    metric: "accuracy",
    mark: MARKS[name],
    users(seed, count, split, options) {
      return Array.from({ length: count }, (_, index) =>
        generatedUser(name, seed, split, index, dials, options),
      );
    },
    placebo(user) {
      const { seed, index } = user.origin!;
      const other = generatedUser(name, seed, user.split, index + PLACEBO_INDEX, dialsOf(user), {
        history: user.items.length - user.tests,
        tests: 0,
        topicsOf: index,
      });
      return { ...other, items: [...other.items, ...testItems(user)], tests: user.tests };
    },
    predictive: (user, seen, query) => predictive(name, dialsOf(user), seen, query),
  };
}

function dialsOf(user: User): Dials {
  if (!user.origin?.dials)
    throw new RangeError(`${user.task}: user ${user.id} has no dials; it was not generated`);
  return user.origin.dials;
}

interface Source extends UsersOptions {
  /** the user whose topics (not answers) this one has: a placebo is of the same domain */
  topicsOf?: number;
}

/** User `index` of a split: hidden function first, then items one after the other. */
export function generatedUser(
  name: GeneratedName,
  seed: number,
  split: Split,
  index: number,
  dials: Dials,
  { history = 64, tests = 16, topicsOf = index }: Source = {},
): User {
  const path = [GENERATED.indexOf(name), SPLITS.indexOf(split)];
  const draws = (user: number, purpose: number) => new Draws(seed, ...path, user, purpose);
  const topics = pickTopics(draws(topicsOf, PURPOSE.topics), dials.topics);
  const answer = hiddenFunction(name, draws(index, PURPOSE.answers), topics, dials);
  const items = drawItems(name, draws(index, PURPOSE.items), topics, dials, answer, history + tests);
  const id = `${name}-${split}-${index >= PLACEBO_INDEX ? `placebo-${index - PLACEBO_INDEX}` : index}`;
  for (const item of items) item.id = `${id}-${item.time}`;
  return { id, task: name, split, items, tests, origin: { seed, index, dials } };
}

interface Topic {
  theme: number;
  topic: number;
  words: readonly string[];
}

const ALL_TOPICS: readonly Topic[] = THEMES.flatMap((topics, theme) =>
  topics.map((words, i) => ({ theme, topic: theme * TOPICS_PER_THEME + i, words })),
);

/** Whole themes as far as they go, so that with locality < 1 the topics of a user have something to tell of each other. */
function pickTopics(draws: Draws, count: number): Topic[] {
  const themes = draws.shuffle(THEMES.map((_, i) => i)).slice(0, Math.ceil(count / TOPICS_PER_THEME));
  return themes.flatMap((theme) => ALL_TOPICS.filter((topic) => topic.theme === theme)).slice(0, count);
}

type HiddenFunction = (facts: readonly number[]) => number;

function hiddenFunction(name: GeneratedName, draws: Draws, topics: Topic[], dials: Dials): HiddenFunction {
  if (name === "rule") {
    const attribute = draws.integer(ATTRIBUTES.length);
    const polarity = draws.integer(2);
    return (facts) => facts[attribute] ^ polarity;
  }
  const answers = answerNames(name).length;
  const themes = THEMES.map(() => draws.integer(answers));
  const own = new Map(
    topics.map(({ topic, theme }) => {
      const alone = draws.chance(dials.locality);
      const answer = draws.integer(answers);
      return [topic, alone ? answer : themes[theme]];
    }),
  );
  return ([topic]) => own.get(topic)!;
}

/** Items with different inputs; a repeated one is drawn again without changing what decides its answer. */
function drawItems(
  name: GeneratedName,
  draws: Draws,
  topics: Topic[],
  dials: Dials,
  hidden: HiddenFunction,
  count: number,
): Item[] {
  const names = answerNames(name);
  const seen = new Set<string>();
  return Array.from({ length: count }, (_, time) => {
    const values = ATTRIBUTES.map(() => draws.integer(2));
    let topic = draws.pick(topics);
    let word = "";
    let input = "";
    let attempts = 0;
    do {
      if (attempts++ > ATTEMPTS)
        throw new InputError(`${name}: ${count} different items are too many for ${JSON.stringify(dials)}`);
      if (name === "rule") topic = draws.pick(ALL_TOPICS);
      word = topic.words[draws.integer(name === "rule" ? topic.words.length : dials.synonyms)];
      input = sentence(name, draws, word, values);
    } while (seen.has(input));
    seen.add(input);
    const facts = name === "rule" ? values : [topic.topic, topic.theme];
    const right = hidden(facts);
    const answer = draws.chance(dials.noise)
      ? (right + 1 + draws.integer(names.length - 1)) % names.length
      : right;
    const options = names.map((n) => (name === "template" ? `${n} ${word}` : n));
    const date = new Date(FIRST_DAY + time * DAY).toISOString().slice(0, 10);
    return { id: "", date, time, input, output: options[answer], options, facts };
  });
}

function sentence(name: GeneratedName, draws: Draws, word: string, values: readonly number[]): string {
  if (name === "template") return `the ${draws.pick(PEOPLE)} ${draws.pick(VERBS)} ${word}`;
  if (name === "rule") {
    const [length, mood, age, form, season, hour] = values.map((v, i) => ATTRIBUTES[i][v]);
    return `a ${length} ${mood} ${age} ${form} about ${word} on a ${season} ${hour}`;
  }
  return `a ${draws.pick(MANNERS)} ${draws.pick(FORMS)} about ${word}`;
}

/** See bayes.ts; the answers are taken from the texts, the topics and attribute values from the items' facts. */
function predictive(name: GeneratedName, dials: Dials, seen: readonly Item[], query: Item): number[] {
  const answer = (item: Item) => item.options!.indexOf(item.output);
  if (name === "rule") {
    const observations = seen.map((item) => ({ values: item.facts!, answer: answer(item) }));
    return rulePredictive(observations, query.facts!, dials.noise);
  }
  const observations = seen.map((item) => ({
    topic: item.facts![0],
    theme: item.facts![1],
    answer: answer(item),
  }));
  const [topic, theme] = query.facts!;
  return lookupPredictive(observations, { topic, theme }, query.options!.length, dials.noise, dials.locality);
}
