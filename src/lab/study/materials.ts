/** What one model meets in a study: the queries and lessons of every person, each made once, and how long they are. */
import { type Item, testItems } from "../tasks/types.ts";
import { historyOf, type Person, type StudyTask } from "./cohort.ts";
import { answering, type Extent, largest, learning } from "./extent.ts";
import type { Example, Prompter, Query } from "./prompting.ts";
import { retrieves, type Settings, trains } from "./settings.ts";

export class Materials {
  readonly prompter: Prompter;
  private readonly queries = new Map<string, readonly Query[]>();
  private readonly lessons = new Map<string, readonly Example[]>();

  constructor(prompter: Prompter) {
    this.prompter = prompter;
  }

  /** The person's test items as this cell asks for them. */
  queriesOf({ task }: StudyTask, settings: Settings, person: Person): readonly Query[] {
    const k = retrieves(settings.method) ? settings.k : 0;
    const make = (history: readonly Item[]) =>
      testItems(person.user).map((item) => this.prompter.query(task, history, item, k));
    return this.once(this.queries, settings, k, person, make);
  }

  /** What the person's adapter learns from in this cell. */
  lessonsOf({ task }: StudyTask, settings: Settings, person: Person): readonly Example[] {
    const k = shownInTraining(settings);
    const make = (history: readonly Item[]) => this.prompter.lessons(task, history, k);
    return this.once(this.lessons, settings, k, person, make);
  }

  /** The most that one of these people needs of a program that answers in this cell. */
  answering(task: StudyTask, settings: Settings, people: readonly Person[]): Extent {
    return largest(people.map((person) => answering(this.queriesOf(task, settings, person))));
  }

  /** The most that one of these people needs of a program that takes a step of training in this cell; undefined where nothing is trained. */
  learning(task: StudyTask, settings: Settings, people: readonly Person[]): Extent | undefined {
    if (!trains(settings.method)) return undefined;
    return largest(people.map((person) => learning(this.lessonsOf(task, settings, person))));
  }

  private once<T>(
    known: Map<string, readonly T[]>,
    settings: Settings,
    k: number,
    person: Person,
    make: (history: readonly Item[]) => readonly T[],
  ): readonly T[] {
    const { task, history, h } = settings;
    const key = JSON.stringify([task, history, h, k, person.split, person.user.id]);
    let list = known.get(key);
    if (!list) known.set(key, (list = make(historyOf(person, settings).items)));
    return list;
  }
}

/** Items shown with each item that is learned from. */
export function shownInTraining({ method, k }: Pick<Settings, "method" | "k">): number {
  return method === "rag+lora-trained" ? k : 0;
}
